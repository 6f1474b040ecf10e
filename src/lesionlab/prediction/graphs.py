"""The graph of a bundle, opened for a few images or for many."""

from collections.abc import Iterable
from functools import cached_property
from operator import length_hint

from lesionlab.bundle import Bundle
from lesionlab.images import ImageSource
from lesionlab.prediction.session import GraphSession, available_cores
from lesionlab.prediction.views import MirroredSession, Session, Views

# From so many images on it pays to open the graph once more, which takes a tenth of a second.
_MANY = 64


class Graphs:
    """Sessions of one graph. Safe to use from several threads.

    Threads that share a run wait for one another after every layer: one image is answered sooner, many are answered
    later than with each run on one thread.

    Attributes:
        threads: Threads to compute with.
        shared: Each run on all of them.
    """

    def __init__(self, bundle: Bundle, threads: int | None, views: Views) -> None:
        """Open the graph for a few images.

        Args:
            bundle: The bundle.
            threads: Threads to compute with; default: one per available core.
            views: What each image is averaged over.

        Raises:
            BundleError: The graph cannot be opened, or is not what its description says.
        """
        self.threads = threads or available_cores()
        self._bundle, self._views = bundle, views
        self.shared = self._open(self.threads)

    def suited_to(self, images: Iterable[ImageSource]) -> Session:
        """Return the session that is quickest for so many images; of an unknown number there may be very many."""
        return self.beside(others=length_hint(images, _MANY) >= _MANY)

    def beside(self, *, others: bool) -> Session:
        """Return the session for a run with all cores to itself, or for one with others beside it."""
        return self._single if others and self.threads > 1 else self.shared

    @cached_property
    def _single(self) -> Session:
        return self._open(1)

    def _open(self, threads: int) -> Session:
        session = GraphSession(self._bundle, threads)
        return session if self._views == "one" else MirroredSession(session)
