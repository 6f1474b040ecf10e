"""What a run rests on: the runs that it started from and those that taught it, and how long they all took."""

from pathlib import Path

from lesionlab.errors import LesionlabError
from lesionlab.runs.folder import RunFolder


def earlier_runs(runs: list[RunFolder]) -> list[RunFolder] | None:
    """Return the runs that others started from or learnt from, and those that these rest on, each once.

    Args:
        runs: Runs; they themselves are not among the result.

    Returns:
        The runs, or None where one of them is gone or another run now has its place.
    """
    found = {run.path.resolve(): run for run in runs}
    waiting = list(runs)
    while waiting:
        try:
            recipe = waiting.pop().recipe()
            for place in filter(None, (recipe.model.start, *recipe.distillation.teachers)):
                earlier = RunFolder(Path(place))
                if earlier.path.resolve() not in found and earlier.record().finished:
                    found[earlier.path.resolve()] = earlier
                    waiting.append(earlier)
        except LesionlabError:
            return None
    return list(found.values())[len(runs) :]


def training_seconds(runs: list[RunFolder]) -> float:
    """Return how long the epochs of runs took together, in seconds."""
    return sum(row["seconds"] for run in runs for row in run.read_history())
