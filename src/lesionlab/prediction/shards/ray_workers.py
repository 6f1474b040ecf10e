"""Workers on a Ray cluster, each an actor.

Ray restarts an actor whose process or node is lost, elsewhere if need be, and gives it the same shard again. Results
come back to this process, which writes them: the nodes need the images, but no shared folder.
"""

from collections.abc import Generator, Iterable
from itertools import islice
from typing import Any

from lesionlab import __version__
from lesionlab.errors import LesionlabError
from lesionlab.prediction.shards.folder import ShardResult
from lesionlab.prediction.shards.shard import Piece
from lesionlab.prediction.shards.worker import ATTEMPTS, OUT_OF_MEMORY, ShardWorker, WorkerDeath
from lesionlab.ray_cluster import one_line


class RayWorkers:
    """Workers of a Ray cluster, each with a model of its own and one processor core (and a GPU where it uses one).

    Args:
        worker: What each worker does.
        number: Number of workers; None: one for each core of the cluster, or for each of its GPUs.
        gpus: Number of GPUs of a worker.
    """

    def __init__(self, worker: ShardWorker, number: int | None, gpus: int) -> None:
        import ray

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
        import ray
        from ray.exceptions import RayError

        new_actor: Any = ray.remote(num_cpus=1, num_gpus=self._gpus, max_restarts=-1, max_task_retries=ATTEMPTS - 1)(
            _Actor
        ).remote
        left = iter(pieces)
        idle: list[Any] = []
        busy: dict[Any, tuple[Any, Piece]] = {}
        try:
            while True:
                for piece in islice(left, (1 if alone else self._number) - len(busy)):
                    actor = idle.pop() if idle else new_actor(self._worker, __version__)
                    busy[actor.answer.remote(piece)] = actor, piece
                while idle:  # no shard is left for them; others may wait for their cores, as after the loss of a node
                    ray.kill(idle.pop())
                if not busy:
                    return
                (done,), _ = ray.wait(list(busy), num_returns=1)
                actor, piece = busy.pop(done)
                idle.append(actor)
                yield _result(done, piece)
        except RayError as error:
            raise LesionlabError(f"the Ray cluster failed: {one_line(error)}") from error
        finally:
            for actor, _ in busy.values():
                ray.kill(actor)


def _result(done: Any, piece: Piece) -> ShardResult | WorkerDeath:
    import ray
    from ray.exceptions import RayActorError, RayError, RayTaskError

    try:
        answer: ShardResult | LesionlabError = ray.get(done)
    except RayError as error:
        if isinstance(error, RayTaskError) or (isinstance(error, RayActorError) and error.actor_init_failed):
            raise
        return WorkerDeath(piece, _reason(error))
    if isinstance(answer, LesionlabError):
        raise answer
    return answer


class _Actor:
    """A worker on a node of the cluster."""

    def __init__(self, worker: ShardWorker, version: str) -> None:
        self._worker, self._version = worker, version

    def answer(self, piece: Piece) -> ShardResult | LesionlabError:
        if self._version != __version__:
            return LesionlabError(f"a node has lesionlab {__version__}, this machine {self._version}; install the same")
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
