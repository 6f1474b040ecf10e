"""Workers on a Ray cluster, by Ray Data.

Ray Data keeps as many shards in flight as there are workers, restarts workers that are lost, and predicts their shards
again elsewhere. Results come back to this process, which writes them: the nodes need the images, but no shared folder.
"""

import logging
import pickle
from collections.abc import Generator, Iterable, Iterator
from itertools import islice
from typing import Any, Final

from lesionlab import __version__
from lesionlab.errors import LesionlabError
from lesionlab.prediction.shards.folder import ShardResult
from lesionlab.prediction.shards.shard import Piece
from lesionlab.prediction.shards.worker import ATTEMPTS, OUT_OF_MEMORY, ShardWorker, WorkerDeath
from lesionlab.ray_cluster import one_line

_SHARDS_AT_A_TIME: Final = 2000  # in one dataset of Ray, whose blocks are all known to this process


class RayWorkers:
    """Workers of a Ray cluster, each with a model of its own and one processor core (and a GPU where it uses one).

    Args:
        worker: What each worker does.
        number: Number of workers; None: one for each core of the cluster, or for each of its GPUs.
        gpus: Number of GPUs of a worker.
    """

    def __init__(self, worker: ShardWorker, number: int | None, gpus: int) -> None:
        import ray
        import ray.data

        logging.getLogger("ray.data").setLevel(logging.CRITICAL)
        resource = "GPU" if gpus else "CPU"
        self._number = number or int(ray.cluster_resources().get(resource, 0))  # type: ignore[no-untyped-call]
        if not self._number:
            raise LesionlabError(f"the Ray cluster has no {resource}")
        self._gpus = gpus
        self._worker = ray.put(worker)

    def results(
        self, pieces: Iterable[Piece], *, alone: bool = False
    ) -> Generator[ShardResult | WorkerDeath, None, None]:
        """Yield the results of shards in any order; see `Workers`."""
        left = iter(pieces)
        number = 1 if alone else self._number
        while some := list(islice(left, _SHARDS_AT_A_TIME)):
            missing = {(piece.number, piece.start): piece for piece in some}
            try:
                for result in self._run(some, number, ignored_errors=-1):
                    del missing[result.piece.number, result.piece.start]
                    yield result
            except LesionlabError:
                raise
            except Exception as error:
                raise LesionlabError(f"the Ray cluster failed: {one_line(error)}") from error
            for piece in missing.values():
                yield self._again(piece)

    def _again(self, piece: Piece) -> ShardResult | WorkerDeath:
        """Predict a piece whose workers have ended, to know the reason."""
        try:
            return next(self._run([piece], 1, ignored_errors=0))
        except LesionlabError:
            raise
        except Exception as error:  # noqa: BLE001 - Ray has many, and those of its threads
            return WorkerDeath(piece, _reason(error))

    def _run(self, pieces: list[Piece], number: int, *, ignored_errors: int) -> Iterator[ShardResult]:
        import pyarrow as pa
        import ray
        from ray.data import ActorPoolStrategy, DataContext

        context = DataContext.get_current()
        context.enable_progress_bars = False
        context.max_errored_blocks = ignored_errors
        size = min(number, len(pieces))
        # A block for each piece: Ray repeats whole blocks.
        data = ray.data.from_arrow([pa.table({"piece": [pickle.dumps(piece)]}) for piece in pieces])
        answers = data.map_batches(
            _Actor,
            batch_size=1,
            batch_format="pyarrow",
            compute=ActorPoolStrategy(min_size=1, max_size=size, initial_size=size, max_tasks_in_flight_per_actor=1),
            fn_constructor_kwargs={"worker": self._worker, "version": __version__},
            num_cpus=1,
            num_gpus=self._gpus or None,
            ray_remote_args_fn=lambda: {"max_task_retries": ATTEMPTS - 1},
        )
        for row in answers.iter_rows():
            answer = pickle.loads(row["answer"])  # noqa: S301 - from our own worker
            if isinstance(answer, LesionlabError):
                raise answer
            yield answer


class _Actor:
    """A worker on a node of the cluster."""

    def __init__(self, worker: Any, version: str) -> None:
        import ray

        self._error = None
        if version != __version__:
            self._error = LesionlabError(
                f"a node has lesionlab {__version__}, this machine {version}; install the same"
            )
        self._worker: ShardWorker = ray.get(worker)

    def __call__(self, table: Any) -> Any:
        import pyarrow as pa

        answers = [self._answer(pickle.loads(piece)) for piece in table["piece"].to_pylist()]  # noqa: S301 - as above
        return pa.table({"answer": [pickle.dumps(answer) for answer in answers]})

    def _answer(self, piece: Piece) -> ShardResult | LesionlabError:
        if self._error is not None:
            return self._error
        try:
            return self._worker(piece)
        except LesionlabError as error:
            return LesionlabError(str(error))  # not all subclasses can be pickled


def _reason(error: Exception) -> str:
    from ray.exceptions import OutOfMemoryError

    text = one_line(error)
    if isinstance(error, OutOfMemoryError) or "memory" in text.lower():
        return f"its worker was ended; {OUT_OF_MEMORY}"
    return f"its worker was lost ({text})"
