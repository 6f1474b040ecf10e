"""A limit on the images that the server holds at a time."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from lesionlab.serving.problem import ProblemError

_RETRY_BUSY: Final = 1
_RETRY_STOPPING: Final = 5  # a restart takes less


class ConcurrencyLimit:
    """Limits the number of images in the server, and the bytes of their files. For use from the event loop only."""

    def __init__(self, max_images: int, max_bytes: int) -> None:
        self.images = 0
        self.bytes = 0
        self.closed = False
        self._max_images = max_images
        self._max_bytes = max_bytes

    @contextmanager
    def reserve(self, images: int = 0, size: int = 0) -> Iterator[None]:
        """Count images and bytes while the block runs.

        Raises:
            ProblemError: 503, a limit is reached, or the server is stopping.
        """
        if self.closed and images:
            raise _unavailable("the server is stopping", _RETRY_STOPPING)
        if self.images + images > self._max_images or self.bytes + size > self._max_bytes:
            raise _unavailable("the server is busy", _RETRY_BUSY)
        self.images += images
        self.bytes += size
        try:
            yield
        finally:
            self.images -= images
            self.bytes -= size

    def close(self) -> None:
        """Reject further images; those in the server are finished."""
        self.closed = True


def _unavailable(cause: str, seconds: int) -> ProblemError:
    return ProblemError(503, f"{cause}; try again in {seconds} s", headers={"Retry-After": str(seconds)})
