"""Tasks that run at the same time, in processes of this machine or on the nodes of a Ray cluster."""

import math
import multiprocessing
import os
import signal
import socket
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from multiprocessing import connection
from multiprocessing.process import BaseProcess
from typing import Any, Final, Protocol, TypeAlias

import torch

from lesionlab import __version__
from lesionlab.cpu import available_cores, limit_cores
from lesionlab.errors import LesionlabError
from lesionlab.ray_cluster import one_line, ray_cluster

Task: TypeAlias = Callable[..., Any]

_SPAWN: Final = multiprocessing.get_context("spawn")
_WAIT_SECONDS: Final = 1
_END_SECONDS: Final = 10
_RETRIES: Final = 3  # of a task whose node or worker on a Ray cluster is lost


@dataclass(frozen=True)
class Ended:
    """A task that has ended.

    Attributes:
        index: Its position among the tasks.
        value: The value that it returned.
        error: Why it failed; empty for one that succeeded.
    """

    index: int
    value: Any = None
    error: str = ""


class Workers:
    """Runs tasks, as many at a time as there are jobs.

    Args:
        jobs: Number of tasks at a time.
        starter: Starts them.
    """

    def __init__(self, jobs: int, starter: "_Starter") -> None:
        self._jobs, self._starter = jobs, starter

    def run(
        self, task: Task, calls: Sequence[tuple[Any, ...]], waiting: Callable[[], None] | None = None
    ) -> Generator[Ended, None, None]:
        """Yield the tasks in the order in which they end; those that run when the generator is closed are ended.

        Args:
            task: A function of a module. A `LesionlabError` is its failure.
            calls: Its arguments, for each task.
            waiting: Called once a second while tasks run.
        """
        left, starter = enumerate(calls), self._starter
        running: dict[Any, int] = {}
        try:
            while True:
                for index, call in islice(left, self._jobs - len(running)):
                    running[starter.start(task, call)] = index
                if not running:
                    return
                for handle in starter.ended(list(running)):
                    value, error = starter.result(handle)
                    yield Ended(running.pop(handle), value, error)
                if waiting is not None:
                    waiting()
        finally:
            for handle in running:
                starter.stop(handle)


@contextmanager
def opened_workers(jobs: int, ray: str | None = None) -> Iterator[Workers | None]:
    """Yield workers while the block runs; None for one job on this machine, which needs no process of its own.

    Args:
        jobs: Number of tasks at a time. Each has its share of the cores.
        ray: Address of a Ray cluster; None for processes of this machine.

    Raises:
        LesionlabError: There is no cluster at the address, or it fails.
        MissingExtraError: Ray is not installed.
    """
    if ray is not None:
        with ray_cluster(ray):
            from ray.exceptions import RayError

            try:
                yield Workers(jobs, _RayTasks(jobs))
            except RayError as error:
                raise LesionlabError(f"the Ray cluster failed: {one_line(error)}") from error
    else:
        yield Workers(jobs, _Processes(max(1, available_cores() // jobs))) if jobs > 1 else None


def run_here(task: Task, calls: Sequence[tuple[Any, ...]]) -> Iterator[Ended]:
    """Run tasks one after another in this process; see `Workers.run`."""
    for index, call in enumerate(calls):
        yield Ended(index, *_attempt(task, call))


class _Starter(Protocol):
    """Starts tasks, each of which has a handle."""

    def start(self, task: Task, call: tuple[Any, ...]) -> Any: ...

    def ended(self, handles: list[Any]) -> Sequence[Any]:
        """Wait for a second, or until a task has ended."""

    def result(self, handle: Any) -> tuple[Any, str]:
        """Return the value and the error of a task that has ended."""

    def stop(self, handle: Any) -> None: ...


class _Processes:
    """Starts processes; the handle is the connection to one."""

    def __init__(self, cores: int) -> None:
        self._cores = cores
        self._processes: dict[Any, BaseProcess] = {}

    def start(self, task: Task, call: tuple[Any, ...]) -> connection.Connection:
        handle, other = _SPAWN.Pipe(duplex=False)
        process = _SPAWN.Process(target=_in_process, args=(other, self._cores, task, call), daemon=True)
        process.start()
        other.close()  # so that the end of the process closes the connection
        self._processes[handle] = process
        return handle

    @staticmethod
    def ended(handles: list[Any]) -> Sequence[Any]:
        return connection.wait(handles, _WAIT_SECONDS)

    def result(self, handle: connection.Connection) -> tuple[Any, str]:
        process = self._processes[handle]
        try:
            answer: tuple[Any, str] = handle.recv()
        except (EOFError, OSError):
            process.join()
            answer = None, _reason(process.exitcode or 0)
        process.join(_END_SECONDS)
        self.stop(handle)
        return answer

    def stop(self, handle: connection.Connection) -> None:
        process = self._processes.pop(handle)
        handle.close()
        process.kill()  # all that a task writes is whole at any time
        process.join()
        process.close()


class _RayTasks:
    """Starts tasks of Ray; the handle is the reference to the result of one."""

    def __init__(self, jobs: int) -> None:
        import ray

        nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]  # type: ignore[no-untyped-call]
        nodes = [node for node in nodes if node.get("GPU", 0) >= 1] or nodes
        cpus = [int(node.get("CPU", 0)) for node in nodes]
        gpus = sum(int(node.get("GPU", 0)) for node in nodes)
        if not any(cpus):
            raise LesionlabError("the Ray cluster has no CPU")
        # The largest number of cores with which all tasks find a place: a task is on one node.
        shares = [cores for cores in range(1, max(cpus) + 1) if sum(cpu // cores for cpu in cpus) >= jobs]
        self._cores = max(shares, default=1)
        self._remote = ray.remote(
            num_cpus=self._cores,
            num_gpus=1 / math.ceil(jobs / gpus) if gpus else 0,
            max_retries=_RETRIES,
            max_calls=1,  # a new process for each task, as on one machine
        )(_on_node).remote

    def start(self, task: Task, call: tuple[Any, ...]) -> Any:
        return self._remote(__version__, os.getcwd(), self._cores, task, call)

    @staticmethod
    def ended(handles: list[Any]) -> Sequence[Any]:
        import ray

        return ray.wait(handles, timeout=_WAIT_SECONDS)[0]

    @staticmethod
    def result(handle: Any) -> tuple[Any, str]:
        import ray
        from ray.exceptions import RayError

        try:
            answer: tuple[Any, str] = ray.get(handle)
        except RayError as error:
            return None, f"its task on the Ray cluster failed ({one_line(error)})"
        return answer

    @staticmethod
    def stop(handle: Any) -> None:
        import ray

        ray.cancel(handle, force=True)


def _in_process(connected: connection.Connection, cores: int, task: Task, call: tuple[Any, ...]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to all processes; the parent ends this one
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _take_cores(cores)
    connected.send(_attempt(task, call))


def _end_with_parent() -> None:
    """End this process with its parent: killed, that one cannot do it, and the same command would run beside it."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _on_node(version: str, folder: str, cores: int, task: Task, call: tuple[Any, ...]) -> tuple[Any, str]:
    node = socket.gethostname()
    if version != __version__:
        return None, f"{node} has lesionlab {__version__}, this machine {version}; install the same"
    try:
        os.chdir(folder)  # paths may be relative
    except OSError:
        return None, f"{node} has no folder {folder}; start the command in a folder that all nodes share"
    _take_cores(cores)
    return _attempt(task, call)


def _take_cores(number: int) -> None:
    limit_cores(number)
    torch.set_num_threads(number)


def _attempt(task: Task, call: tuple[Any, ...]) -> tuple[Any, str]:
    try:
        return task(*call), ""
    except LesionlabError as error:
        return None, str(error)


def _reason(exit_code: int) -> str:
    if exit_code < 0:
        name = signal.Signals(-exit_code).name
        memory = "; memory may be exhausted: use fewer --jobs" if name == "SIGKILL" else ""
        return f"its process was ended by {name}{memory}"
    return f"its process ended with exit code {exit_code}"
