"""The runs that a run is based on (starting weights and teachers), and their training time."""

from pathlib import Path

from lesionlab.data import Split
from lesionlab.errors import DataError, LesionlabError
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


def require_same_subsets(run: RunFolder, split: Split, fold: int | None, setting: str) -> None:
    """Check that a starting run or a teacher, and every run that it is based on, was trained on the same subsets.

    Another fold of the same split is another training subset: it holds validation or test lesions of this fold.

    Args:
        run: The starting run or the teacher.
        split: The split of the run that depends on it.
        fold: Its fold; None for a split without folds.
        setting: Key of the recipe, for the message.

    Raises:
        DataError: A run does not exist or was trained with another split or fold.
    """
    run.record()  # a missing run is reported by its path
    for other in (run, *(earlier_runs([run]) or ())):
        record = other.record()
        if (record.split_sha256, record.fold) != (split.sha256, fold):
            raise DataError(
                f"{setting}: {other.path} was trained with another split or fold, possibly on validation or test "
                "lesions of this run; use a run with the same split and fold"
            )


def training_seconds(runs: list[RunFolder]) -> float:
    """Return the total time of the runs' epochs, in seconds."""
    return sum(row["seconds"] for run in runs for row in run.read_history())
