"""The version that a channel names, as a local file that follows the channel."""

import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from lesionlab.errors import DataError, LesionlabError, UsageError
from lesionlab.files import replacing, sha256_of_file
from lesionlab.prediction import Predictor
from lesionlab.registry.store import ChannelVersion, Registry

_RETRY_SECONDS: Final = 300.0  # between downloads of a version that could not be used
_log = logging.getLogger(__name__)


class FollowedChannel:
    """A local copy of the bundle that a channel names.

    Several processes may share the copy: one calls `look`, and all notice the change by `changed`.

    Args:
        url: The registry; see `Registry`.
        reference: The channel, as `NAME@CHANNEL`.
        folder: Folder for the copy.
        load: Loads a bundle for its use.

    Raises:
        UsageError: The reference is not of this form.
    """

    def __init__(self, url: str, reference: str, folder: Path, load: Callable[[Path], Predictor]) -> None:
        self.reference = reference
        self._name, _, self._channel = reference.partition("@")
        if not self._name or not self._channel:
            raise UsageError(f"channel {reference!r}: write it like skin@production")
        # A file system may start threads, which a later fork would not have: the registry is opened when it is read.
        self._url = url
        self._path = folder / "bundle.zip"
        self._load = load
        self._loaded: tuple[int, int] | None = None
        self._failure: tuple[type[Exception], str] | None = None
        self._rejected, self._retry_at = "", 0.0

    def load(self) -> Predictor:
        """Load the copy, which is fetched if it is missing.

        Raises:
            LesionlabError: The registry cannot be read, or the version cannot be used.
        """
        if not self._path.exists():
            with self._bundle(self._present()) as bundle:
                self._keep(bundle)
        self._loaded = _signature(self._path)
        return self._load(self._path)

    def changed(self) -> bool:
        """Return whether the copy is another one than was loaded last."""
        found = _signature(self._path)
        return found is not None and found != self._loaded

    def look(self) -> None:
        """Replace the copy if the channel names another version that can be loaded. A failure is logged once."""
        version = ""
        try:
            wanted = self._present()
            version = wanted.sha256
            if version == self._rejected and time.monotonic() < self._retry_at:
                return
            if not self._path.exists() or version != sha256_of_file(self._path):
                with self._bundle(wanted) as bundle:
                    self._load(bundle)
                    self._keep(bundle)
        except (LesionlabError, OSError) as error:
            self._rejected, self._retry_at = version, time.monotonic() + _RETRY_SECONDS
            if (type(error), version) != self._failure:
                self._failure = type(error), version
                _log.error("channel %s is not followed, and the present model stays: %s", self.reference, error)
        else:
            if self._failure is not None:
                _log.info("channel %s is followed again", self.reference)
            self._failure, self._rejected = None, ""

    def follow(self, seconds: float) -> None:
        """Look for another version again and again, until the process ends.

        Args:
            seconds: Time between two looks.
        """
        while True:
            time.sleep(seconds)
            self.look()

    def _present(self) -> ChannelVersion:
        channel = Registry(self._url).channel(self._name, self._channel)
        if channel is None:
            raise UsageError(f"{self._url}: nothing was promoted to channel {self._channel} of {self._name}")
        return channel.present

    @contextmanager
    def _bundle(self, wanted: ChannelVersion) -> Iterator[Path]:
        registry = Registry(self._url)
        entry = registry.find(f"{self._name}@{wanted.version}")
        if entry.sha256 != wanted.sha256:
            raise DataError(
                f"{self._url}: {self._name}@{wanted.version} is not the bundle that was promoted; promote it again"
            )
        with registry.opened(entry) as bundle:
            yield bundle.path

    def _keep(self, bundle: Path) -> None:
        with replacing(self._path, binary=True) as stream:
            stream.write(bundle.read_bytes())


def _signature(path: Path) -> tuple[int, int] | None:
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_mtime_ns
