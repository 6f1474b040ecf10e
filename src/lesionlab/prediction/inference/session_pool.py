"""Inference sessions of one graph: one with all threads, one with a single thread."""

from collections.abc import Iterable
from functools import cached_property
from operator import length_hint

from lesionlab.bundle import Bundle
from lesionlab.cpu import available_cores
from lesionlab.prediction.inference.device import Device
from lesionlab.prediction.inference.session import GraphSession
from lesionlab.prediction.inference.tta import FlipAveragedSession, Session, TestTimeAugmentation

# From this number of images a second session pays off; opening it takes a tenth of a second.
_MANY = 64


class SessionPool:
    """Sessions of one graph. Safe to use from several threads.

    Threads that share a run synchronise after every layer. This shortens the latency of one image, but lowers the
    throughput of many images compared with one thread per run.

    Attributes:
        threads: Number of threads.
        shared: The session with all threads.
    """

    def __init__(self, bundle: Bundle, threads: int | None, tta: TestTimeAugmentation, device: Device = "cpu") -> None:
        """Open the session with all threads.

        Args:
            bundle: The bundle.
            threads: Number of threads; default: one per available core.
            tta: Test-time augmentation.
            device: The device that runs the graph.

        Raises:
            UsageError: The device is not available.
            BundleError: The graph cannot be opened, or does not match its description.
        """
        self.threads = threads or available_cores()
        self._bundle, self._tta, self._device = bundle, tta, device
        self.shared = self._open(self.threads)

    def for_images(self, images: Iterable[object]) -> Session:
        """Return the fastest session for this number of images; an unknown number counts as many."""
        return self.session(concurrent=length_hint(images, _MANY) >= _MANY)

    def session(self, *, concurrent: bool) -> Session:
        """Return a session of one thread for concurrent runs, or of all threads for a single run.

        Another device than the CPU has one session.
        """
        return self._single if concurrent and self.threads > 1 and self._device == "cpu" else self.shared

    @cached_property
    def _single(self) -> Session:
        return self._open(1)

    def _open(self, threads: int) -> Session:
        session = GraphSession(self._bundle, threads, self._device)
        return session if self._tta == "none" else FlipAveragedSession(session)
