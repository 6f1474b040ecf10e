"""Room for a bounded number of images: who finds none is told so at once."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from lesionlab.serving.problem import ProblemError

_RETRY_FULL: Final = 1
_RETRY_STOPPING: Final = 5  # a restart takes less


class ConcurrencyLimit:
    """Places for images, and for the bytes of their files. Used from the event loop alone."""

    def __init__(self, images: int, size: int) -> None:
        """Open with room for so many images and so many bytes."""
        self.images = 0
        self.bytes = 0
        self._most_images = images
        self._most_bytes = size
        self.closed = False

    @contextmanager
    def taken(self, images: int = 0, size: int = 0) -> Iterator[None]:
        """Hold places while the block runs.

        Raises:
            ProblemError: 503, there is no room, or the server is stopping.
        """
        if self.closed and images:
            raise _unavailable("the server is stopping", _RETRY_STOPPING)
        if self.images + images > self._most_images or self.bytes + size > self._most_bytes:
            raise _unavailable("the server is busy", _RETRY_FULL)
        self.images += images
        self.bytes += size
        try:
            yield
        finally:
            self.images -= images
            self.bytes -= size

    def close(self) -> None:
        """Let nobody in any more; who is in may stay to the end."""
        self.closed = True


def _unavailable(why: str, seconds: int) -> ProblemError:
    return ProblemError(503, f"{why}; try again in {seconds} s", headers={"Retry-After": str(seconds)})
