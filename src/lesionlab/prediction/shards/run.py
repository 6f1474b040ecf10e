"""Prediction of the shards of a run that are missing."""

from collections.abc import Callable, Iterator

from lesionlab.errors import LesionlabError
from lesionlab.prediction.shards.folder import Counts, RunFolder, ShardResult
from lesionlab.prediction.shards.shard import Piece
from lesionlab.prediction.shards.worker import WorkerDeath, Workers

Progress = Callable[[Counts, int], None]

_MANY_FATAL = 10  # images of a shard that end their worker: then the cause is not in the images


def predict_missing(run: RunFolder, workers: Workers, progress: Progress, *, retry_failed: bool = False) -> Counts:
    """Predict the shards that are missing, and write their results.

    An image that ends its workers becomes a failure; the other images of its shard are predicted.

    Args:
        run: The run.
        workers: Predict the shards.
        progress: Called after each shard with the counts and the number of shards that are complete.
        retry_failed: Whether to predict shards with failures again.

    Returns:
        The counts of all shards.

    Raises:
        LesionlabError: A file cannot be written, the graph fails, or a shard fails whatever images are left out.
    """
    total, complete = Counts(), 0
    deaths: list[WorkerDeath] = []

    def missing() -> Iterator[Piece]:
        nonlocal total, complete
        for piece in run.pieces():
            counts = run.counts(piece)
            if counts is None or (retry_failed and counts.failed):
                yield piece
            else:
                total, complete = total + counts, complete + 1
                progress(total, complete)

    def write(result: ShardResult) -> None:
        nonlocal total, complete
        run.write(result)
        total, complete = total + result.counts, complete + 1
        progress(total, complete)

    for result in workers.results(missing()):
        if isinstance(result, WorkerDeath):
            deaths.append(result)
        else:
            write(result)
    for death in deaths:  # afterwards: on a cluster the workers of the loop above are gone only now
        write(_without_fatal_images(run, workers, death))
    return total


def _without_fatal_images(run: RunFolder, workers: Workers, death: WorkerDeath) -> ShardResult:
    """Find the images that end a worker by bisection, and predict the others of the shard."""
    folder = run.description.folder
    failed: dict[int, str] = {}
    suspects = [death]
    while suspects:
        halves: list[Piece] = []
        for suspect in suspects:
            if parts := suspect.piece.halves(folder):
                halves += parts
            else:
                failed[suspect.piece.start] = f"not predicted: {suspect.reason}"
        if len(failed) > _MANY_FATAL:
            raise LesionlabError(f"{run.path}: shard {death.piece.number} cannot be predicted: {death.reason}")
        suspects = [result for result in workers.results(halves, alone=True) if isinstance(result, WorkerDeath)]
    piece = Piece(death.piece.number, death.piece.shard, failed=failed)
    for result in workers.results([piece], alone=True):
        if isinstance(result, ShardResult):
            return result
    raise LesionlabError(f"{run.path}: shard {piece.number} cannot be predicted: {death.reason}")
