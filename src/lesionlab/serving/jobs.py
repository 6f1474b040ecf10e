"""Jobs: many images in several requests, predicted in the background. They are kept in memory only."""

import asyncio
import secrets
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

from lesionlab.results import BatchItem, BatchLine, Job, ModelName, ProblemType
from lesionlab.serving.parameters import SettingParameters
from lesionlab.serving.problem import ProblemError
from lesionlab.serving.settings import Settings

_RETRY_FULL: Final = 5
# Of one job, and of all jobs together: the images of other requests take turns with them.
_PARALLEL: Final = 2

Predict = Callable[[int, bytes, str, str, SettingParameters], Awaitable[BatchItem]]


@dataclass(eq=False)
class _State:
    """A job in progress; its lines are results as they are sent."""

    id: str
    images: int
    parameters: SettingParameters
    created: datetime
    expires: datetime
    status: Literal["running", "completed", "cancelled"] = "running"
    received: int = 0
    failed: int = 0
    waiting: deque[tuple[int, bytes, str]] = field(default_factory=deque)
    lines: list[bytes] = field(default_factory=list)
    workers: set[asyncio.Task[None]] = field(default_factory=set)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def notify(self) -> None:
        """Wake all that wait for a change."""
        self.changed.set()
        self.changed = asyncio.Event()


class Jobs:
    """The jobs of one server. For use from the event loop only.

    The number of images in all jobs and the bytes of those that wait are limited. A job is deleted some time after its
    last upload, or after its end.
    """

    def __init__(self, settings: Settings) -> None:
        """Start without jobs; `use` is to be called before one is created."""
        self._settings = settings
        self._slots = asyncio.Semaphore(_PARALLEL)
        self._jobs: dict[str, _State] = {}
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._bytes = 0

    def use(self, predict: Predict, model: ModelName) -> None:
        """Predict further images with a model.

        Args:
            predict: Returns the item for an image: its index, its bytes, the identifier of its request, its job, and
                the parameters of the job.
            model: The model.
        """
        self._predict = predict
        self._model = model

    def create(self, images: int, parameters: SettingParameters) -> str:
        """Make a job of a number of images, and return its identifier, which cannot be guessed.

        The parameters are applied to the model of each image, which may be another one after a reload.

        Raises:
            ProblemError: 409, the server has no jobs; 413, a job cannot have so many images; 503, others have too many.
        """
        if not self._settings.jobs:
            raise ProblemError(ProblemType.NO_JOBS, "the server has several processes, which do not share jobs")
        if images > self._settings.max_job_images:
            detail = f"a job has at most {self._settings.max_job_images} images; send them as several jobs"
            raise ProblemError(ProblemType.TOO_LARGE, detail)
        if images + sum(job.images for job in self._jobs.values()) > self._settings.max_job_images:
            raise _full()
        now = datetime.now(UTC)
        state = _State(secrets.token_urlsafe(16), images, parameters, now, now)
        self._jobs[state.id] = state
        self._postpone(state)
        return state.id

    def add(self, job: str, files: Sequence[bytes], request_id: str) -> None:
        """Add images to a job, all or none.

        Raises:
            ProblemError: 404, there is no such job; 409, it has ended or has fewer images; 503, there is no memory.
        """
        state = self._state(job)
        if state.status != "running" or state.received + len(files) > state.images:
            left = state.images - state.received
            detail = f"the job is {state.status} and takes {left if state.status == 'running' else 0} more images"
            raise ProblemError(ProblemType.JOB_CLOSED, detail)
        size = sum(map(len, files))
        if self._bytes + size > self._settings.max_job_bytes:
            raise _full()
        self._bytes += size
        state.waiting.extend((state.received + index, data, request_id) for index, data in enumerate(files))
        state.received += len(files)
        self._postpone(state)
        while len(state.workers) < min(_PARALLEL, len(state.waiting)):
            worker = asyncio.create_task(self._work(state))
            state.workers.add(worker)
            worker.add_done_callback(state.workers.discard)

    def describe(self, job: str, request_id: str) -> Job:
        """Return the state of a job.

        Raises:
            ProblemError: 404, there is no such job.
        """
        state = self._state(job)
        return Job(
            request_id=request_id,
            model=self._model,
            id=state.id,
            status=state.status,
            images=state.images,
            received=state.received,
            done=len(state.lines),
            failed=state.failed,
            created=state.created,
            expires=state.expires,
        )

    def lines(self, job: str, first: int) -> AsyncIterator[bytes]:
        """Return the results of a job in the order of completion, from one of them on, until the job ends.

        Raises:
            ProblemError: 404, there is no such job.
        """
        return self._follow(self._state(job), first)

    def cancel(self, job: str) -> None:
        """Drop the images of a job that wait; its results are kept.

        Raises:
            ProblemError: 404, there is no such job.
        """
        state = self._state(job)
        if state.status == "running":
            self._end(state, "cancelled")

    def delete(self, job: str) -> None:
        """Cancel a job and delete its results.

        Raises:
            ProblemError: 404, there is no such job.
        """
        self._remove(self._state(job))

    def close(self) -> None:
        """Delete all jobs."""
        for state in list(self._jobs.values()):
            self._remove(state)

    def _state(self, job: str) -> _State:
        if job not in self._jobs:
            raise ProblemError(ProblemType.NO_JOB, "there is no such job; it may have expired, or the server restarted")
        return self._jobs[job]

    async def _work(self, state: _State) -> None:
        while state.waiting:
            async with self._slots:
                if not state.waiting:
                    return
                index, data, request_id = state.waiting.popleft()
                predict, model = self._predict, self._model  # one pair, also after a reload of the model
                try:
                    item = await predict(index, data, request_id, state.id, state.parameters)
                finally:
                    self._bytes -= len(data)
            line = BatchLine.of(item, request_id, model)
            state.lines.append(line.model_dump_json().encode() + b"\n")
            state.failed += item.problem is not None
            if state.status == "running" and len(state.lines) == state.images:
                self._end(state, "completed")
            state.notify()

    async def _follow(self, state: _State, first: int) -> AsyncIterator[bytes]:
        while True:
            changed = state.changed
            while first < len(state.lines):
                yield state.lines[first]
                first += 1
            if state.status != "running":
                return
            await changed.wait()

    def _end(self, state: _State, status: Literal["completed", "cancelled"]) -> None:
        state.status = status
        self._bytes -= sum(len(data) for _, data, _ in state.waiting)
        state.waiting.clear()
        self._postpone(state)
        state.notify()

    def _postpone(self, state: _State) -> None:
        """Delete a job later than before."""
        seconds = self._settings.job_seconds
        state.expires = datetime.now(UTC) + timedelta(seconds=seconds)
        if timer := self._timers.pop(state.id, None):
            timer.cancel()
        self._timers[state.id] = asyncio.get_running_loop().call_later(seconds, self._remove, state)

    def _remove(self, state: _State) -> None:
        if state.status == "running":
            self._end(state, "cancelled")
        for worker in state.workers:
            worker.cancel()
        del self._jobs[state.id]
        self._timers.pop(state.id).cancel()


def _full() -> ProblemError:
    detail = f"the server has no memory for more images of jobs; try again in {_RETRY_FULL} s"
    return ProblemError(ProblemType.BUSY, detail, headers={"Retry-After": str(_RETRY_FULL)})
