"""Workers in processes of this machine."""

import multiprocessing
import signal
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from contextlib import suppress
from itertools import chain, islice
from multiprocessing.connection import Connection, wait
from typing import Final, TypeAlias

from lesionlab.errors import LesionlabError, MemoryExhaustedError
from lesionlab.prediction.shards.folder import ShardResult
from lesionlab.prediction.shards.shard import Piece
from lesionlab.prediction.shards.worker import ATTEMPTS, OUT_OF_MEMORY, ShardWorker, WorkerDeath

_SPAWN: Final = multiprocessing.get_context("spawn")
_KILLED: Final = -9  # as by the kernel of a machine without free memory
# A result; an error that does not depend on the image; why a worker has ended; or None from one that has started.
_Message: TypeAlias = ShardResult | LesionlabError | str | None


class Processes:
    """Worker processes of this machine, each with a model of its own and one thread."""

    def __init__(self, worker: ShardWorker, number: int) -> None:
        self._worker, self._number = worker, number

    def results(self, pieces: Iterable[Piece], *, alone: bool = False) -> Iterator[ShardResult | WorkerDeath]:
        """Yield the results of shards in any order; see `Workers`. A shard is taken when a worker is free for it."""
        return _Pool(self._worker, 1 if alone else self._number, pieces).results()


class _Pool:
    def __init__(self, worker: ShardWorker, number: int, pieces: Iterable[Piece]) -> None:
        left = iter(pieces)
        first = list(islice(left, number))
        self._worker, self._number = worker, len(first)
        self._jobs = ((piece, 1) for piece in chain(first, left))
        self._again: deque[tuple[Piece, int]] = deque()
        self._processes: dict[object, _Process] = {}
        self._failed_starts = 0

    def results(self) -> Generator[ShardResult | WorkerDeath, None, None]:
        try:
            for _ in range(self._number):
                self._start()
            while self._processes:
                for connection in wait([process.connection for process in self._processes.values()]):
                    answer = self._answer(self._processes[connection])
                    if answer is not None:
                        yield answer
        finally:
            for process in self._processes.values():
                process.end()

    def _answer(self, process: "_Process") -> ShardResult | WorkerDeath | None:
        message = process.receive()
        if isinstance(message, LesionlabError):
            raise message
        if isinstance(message, str):
            return self._replace(process, message)
        self._failed_starts = 0
        job = self._again.popleft() if self._again else next(self._jobs, None)
        if job is None:
            self._end(process)
        else:
            process.work(*job)
        return message

    def _replace(self, process: "_Process", reason: str) -> WorkerDeath | None:
        self._end(process)
        piece = process.piece
        if piece is None:
            self._failed_starts += 1
            if self._failed_starts == ATTEMPTS:
                raise LesionlabError(f"no worker process can start: {reason}")
        elif process.attempt < ATTEMPTS:
            self._again.append((piece, process.attempt + 1))
        self._start()
        return WorkerDeath(piece, reason) if piece is not None and process.attempt == ATTEMPTS else None

    def _start(self) -> None:
        process = _Process(self._worker)
        self._processes[process.connection] = process

    def _end(self, process: "_Process") -> None:
        del self._processes[process.connection]
        process.end()


class _Process:
    """A worker process.

    Attributes:
        connection: Receives messages; ready as well when the process has ended.
        piece: The piece that it predicts; None before the first one.
        attempt: Number of workers that have begun this piece.
    """

    def __init__(self, worker: ShardWorker) -> None:
        self.connection, other = _SPAWN.Pipe()
        self.piece: Piece | None = None
        self.attempt = 0
        self._process = _SPAWN.Process(target=_work, args=(worker, other), daemon=True)
        self._process.start()
        other.close()  # so that the end of the process closes the connection

    def work(self, piece: Piece, attempt: int) -> None:
        self.piece, self.attempt = piece, attempt
        with suppress(OSError):  # it has just ended, which `receive` reports
            self.connection.send(piece)

    def receive(self) -> _Message:
        try:
            message: _Message = self.connection.recv()
        except (EOFError, OSError):
            self._process.join()
            return _reason(self._process.exitcode or 0)
        return message

    def end(self) -> None:
        self.connection.close()
        self._process.kill()
        self._process.join()
        self._process.close()


def _work(worker: ShardWorker, connection: Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to all processes; the parent ends this one
    message: _Message = None
    with suppress(EOFError, OSError):  # the parent has ended
        while True:
            connection.send(message)
            piece = connection.recv()
            message = _attempt(worker, piece)


def _attempt(worker: ShardWorker, piece: Piece) -> _Message:
    try:
        return worker(piece)
    except (MemoryError, MemoryExhaustedError):
        return OUT_OF_MEMORY
    except LesionlabError as error:
        return LesionlabError(str(error))  # not all subclasses can be pickled


def _reason(exit_code: int) -> str:
    if exit_code == _KILLED:
        return f"its worker was killed (signal 9); {OUT_OF_MEMORY}"
    if exit_code < 0:
        return f"its worker crashed ({signal.Signals(-exit_code).name})"
    return f"its worker ended with exit code {exit_code}"
