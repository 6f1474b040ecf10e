"""Limits on the images that the server holds at a time, and on the bytes of their files."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from lesionlab.results import ProblemType
from lesionlab.serving.clients import FairLimit
from lesionlab.serving.problem import ProblemError

_RETRY_BUSY: Final = 1
_RETRY_STOPPING: Final = 5  # a restart takes less
_SMALL_BYTES: Final = 1_000_000
# A client with large files or batches gets half of what there is, and room is left for its small requests.
_SMALL, _LARGE = 3, 1  # times what remains free


class ConcurrencyLimit:
    """The images and bytes in the server. For use from the event loop only.

    Attributes:
        images: Images that have arrived.
        bytes: Bytes of bodies that have arrived, completely or in part. What a header merely declares takes nothing.
        requests: Requests admitted and not yet completed.
        closed: Whether further requests are rejected.
    """

    def __init__(self, max_images: int, max_bytes: int) -> None:
        self.images = FairLimit(max_images)
        self.bytes = FairLimit(max_bytes)
        self.requests = 0
        self.closed = False

    @contextmanager
    def admit(self, client: str, declared: int = 0) -> Iterator["Admission"]:
        """Admit a request while the block runs, and give back what it held.

        Args:
            client: The client, which shares the limits with others.
            declared: Size of the body that its header states; 0 if unknown.

        Raises:
            ProblemError: 503, there is no place for it, or the server is stopping.
        """
        if self.closed:
            raise _unavailable(ProblemType.STOPPING, "the server is stopping", _RETRY_STOPPING)
        admission = Admission(self, client)
        if not (
            self.images.allows(client, 1, times_free=_SMALL)
            and self.bytes.allows(client, declared, times_free=_times_free(declared))
        ):
            raise _unavailable(ProblemType.BUSY, "the server is busy", _RETRY_BUSY)
        self.requests += 1
        try:
            yield admission
        finally:
            self.requests -= 1
            self.images.give_back(client, admission.images)
            self.bytes.give_back(client, admission.bytes)

    def close(self) -> None:
        """Reject further requests; those in the server are completed."""
        self.closed = True


class Admission:
    """What one request holds."""

    def __init__(self, limit: ConcurrencyLimit, client: str) -> None:
        self.client = client
        self.images = 0
        self.bytes = 0
        self._limit = limit

    def add_bytes(self, size: int) -> None:
        """Hold bytes that have arrived.

        Raises:
            ProblemError: 503, there is no place for them.
        """
        if not self._limit.bytes.take(self.client, size, times_free=_times_free(self.bytes + size)):
            raise _unavailable(ProblemType.BUSY, "the server is busy", _RETRY_BUSY)
        self.bytes += size

    def add_images(self, count: int) -> None:
        """Hold images that have arrived.

        Raises:
            ProblemError: 503, there is no place for them.
        """
        if not self._limit.images.take(self.client, count, times_free=_SMALL if count == 1 else _LARGE):
            raise _unavailable(ProblemType.BUSY, "the server is busy", _RETRY_BUSY)
        self.images += count


def _times_free(size: int) -> int:
    return _SMALL if size <= _SMALL_BYTES else _LARGE


def _unavailable(kind: ProblemType, cause: str, seconds: int) -> ProblemError:
    return ProblemError(kind, f"{cause}; try again in {seconds} s", headers={"Retry-After": str(seconds)})
