"""The runs that a run is based on (starting weights and teachers), and their training time."""

from pathlib import Path

from lesionlab.errors import LesionlabError
from lesionlab.runs.folder import RunFolder


def earlier_runs(runs: list[RunFolder]) -> list[RunFolder] | None:
    """Return the starting runs and teachers of runs, recursively, each once.

    Args:
        runs: The runs; they are not part of the result.

    Returns:
        The earlier runs, or None if the folder of one of them is missing or invalid.
    """
    found = {run.path.resolve(): run for run in runs}
    waiting = list(runs)
    while waiting:
        try:
            recipe = waiting.pop().recipe()
            for path in filter(None, (recipe.model.start, *recipe.distillation.teachers)):
                earlier = RunFolder(Path(path))
                if earlier.path.resolve() not in found and earlier.record().finished:
                    found[earlier.path.resolve()] = earlier
                    waiting.append(earlier)
        except LesionlabError:
            return None
    return list(found.values())[len(runs) :]


def training_seconds(runs: list[RunFolder]) -> float:
    """Return the total time of the runs' epochs, in seconds."""
    return sum(row["seconds"] for run in runs for row in run.read_history())
