"""The registry's files, in a folder or at a URL of fsspec.

NAME/versions/VERSION/bundle.zip   the bundle
NAME/versions/VERSION/entry.json   its description and hash, written last
NAME/channels/CHANNEL.json         the version that a channel names, and those before it
NAME/changes/NUMBER.json, .md      a record of each promotion, accepted or not, and of each rollback
"""

import datetime as dt
import hashlib
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from lesionlab import __version__
from lesionlab.base_models import Sha256, StrictModel
from lesionlab.bundle import Bundle, save_bundle
from lesionlab.errors import DataError, LesionlabError, UsageError
from lesionlab.files import replacing
from lesionlab.images.remote import file_system

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_VERSION = re.compile(r"[0-9][A-Za-z0-9._-]{0,49}")
_CHANNEL = re.compile(r"[A-Za-z][A-Za-z0-9._-]{0,49}")
Content = TypeVar("Content", bound=StrictModel)


class RegistryEntry(StrictModel):
    """A version of a model.

    Attributes:
        name: Name of the model in the registry.
        version: Its version; begins with a digit.
        sha256: Hash of `bundle.zip`.
        size: Its size in bytes.
        identity: Name and hash of the model.
        task: Its task.
        created: Date of its export, ISO 8601.
        pushed: Time of the push, ISO 8601, UTC.
        lesionlab: Version of lesionlab that pushed it.
    """

    name: str
    version: str
    sha256: Sha256
    size: int
    identity: str
    task: str
    created: str
    pushed: str
    lesionlab: str


class ChannelVersion(StrictModel):
    """A version that a channel names or named.

    Attributes:
        version: The version.
        sha256: Hash of its bundle.
        since: Time from which the channel named it, ISO 8601, UTC.
        record: Number of the change record.
    """

    version: str
    sha256: Sha256
    since: str
    record: int


class Channel(StrictModel):
    """A channel such as `production`.

    Attributes:
        name: Its name.
        present: The version that it names.
        earlier: The versions before it, for rollbacks; the latest one last.
    """

    name: str
    present: ChannelVersion
    earlier: tuple[ChannelVersion, ...] = ()


class Registry:
    """A registry.

    Args:
        url: Folder, or URL of fsspec such as `s3://bucket/models`.

    Raises:
        MissingExtraError: The package for the URL is missing.
    """

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self._system, path = file_system(self.url)
        self._root = path.rstrip("/")
        protocol = self._system.protocol
        self._local = "file" in ((protocol,) if isinstance(protocol, str) else protocol)

    def push(self, bundle: Bundle, *, name: str | None = None, version: str | None = None) -> RegistryEntry:
        """Add a bundle. The same bundle under the same version is not written again.

        Args:
            bundle: The bundle.
            name: Its name in the registry; default: that of the model.
            version: Its version; default: the next integer.

        Raises:
            UsageError: The name or version is invalid, or the version exists with another bundle.
            LesionlabError: The registry cannot be written.
        """
        name = _valid(_NAME, name or re.sub(r"[^A-Za-z0-9._-]+", "-", bundle.info.name), "name")
        existing = {entry.version: entry for entry in self.entries(name)}
        numbers = [int(known) for known in existing if known.isdigit()]
        version = _valid(_VERSION, version or str(max(numbers, default=0) + 1), "version")
        data = _zip_bytes(bundle)
        entry = RegistryEntry(
            name=name,
            version=version,
            sha256=hashlib.sha256(data).hexdigest(),
            size=len(data),
            identity=bundle.info.identity,
            task=bundle.info.task,
            created=bundle.info.created,
            pushed=now(),
            lesionlab=__version__,
        )
        if (found := existing.get(version)) is not None:
            if found.sha256 == entry.sha256:
                return found
            raise UsageError(f"{self.url}: {name}@{version} exists and is {found.identity}; choose another --version")
        self.write(f"{name}/versions/{version}/bundle.zip", data)
        self.write(f"{name}/versions/{version}/entry.json", _json(entry))
        return entry

    def names(self) -> list[str]:
        """Return the names of the models."""
        return self._children("")

    def entries(self, name: str) -> list[RegistryEntry]:
        """Return the complete versions of a model in the order of their pushes; empty for an unknown one."""
        found = (
            self._read(f"{name}/versions/{version}/entry.json", RegistryEntry)
            for version in self._children(f"{name}/versions")
        )
        return sorted(filter(None, found), key=lambda entry: (entry.pushed, entry.version))

    def channels(self, name: str) -> list[Channel]:
        """Return the channels of a model."""
        files = (file for file in self._children(f"{name}/channels") if file.endswith(".json"))
        found = (self._read(f"{name}/channels/{file}", Channel) for file in files)
        return [channel for channel in found if channel is not None]

    def channel(self, name: str, channel: str) -> Channel | None:
        """Return a channel; None if nothing was promoted to it.

        Raises:
            UsageError: The name is invalid.
        """
        return self._read(f"{name}/channels/{_valid(_CHANNEL, channel, 'channel')}.json", Channel)

    def save_channel(self, name: str, channel: Channel) -> None:
        """Write a channel, in one step: a reader has the old one or the new one."""
        self.write(f"{name}/channels/{channel.name}.json", _json(channel))

    def find(self, reference: str) -> RegistryEntry:
        """Return the entry of `NAME@VERSION`, `NAME@CHANNEL`, or the last version of `NAME`.

        Raises:
            UsageError: There is none.
            DataError: A file of the registry is damaged.
        """
        name, _, selector = reference.partition("@")
        entries = self.entries(_valid(_NAME, name, "name"))
        if not entries:
            known = ", ".join(self.names()) or "no models"
            raise UsageError(f"{self.url} has no model {name}; it has {known}")
        if not selector:
            return entries[-1]
        version = selector
        if not selector[0].isdigit():
            channel = self.channel(name, selector)
            if channel is None:
                raise UsageError(f"{self.url}: nothing was promoted to channel {selector} of {name}")
            version = channel.present.version
        for entry in entries:
            if entry.version == version:
                return entry
        raise UsageError(f"{self.url}: {name} has the versions {', '.join(e.version for e in entries)}, not {version}")

    @contextmanager
    def opened(self, entry: RegistryEntry) -> Iterator[Bundle]:
        """Yield a version's bundle, checked against the hash of its entry.

        Raises:
            DataError: The bundle is missing or is not the one that was pushed.
            BundleError: It cannot be used.
        """
        place = f"{entry.name}/versions/{entry.version}/bundle.zip"
        data = self._bytes(place)
        if data is None or hashlib.sha256(data).hexdigest() != entry.sha256:
            what = "is missing" if data is None else "was changed: its hash is not that of its entry"
            raise DataError(f"{self.url}/{place} {what}; push the bundle again as another version")
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "bundle.zip"
            path.write_bytes(data)
            yield Bundle.load(path)

    def change_number(self, name: str) -> int:
        """Return the number of the next change record."""
        numbers = [int(file.partition(".")[0]) for file in self._children(f"{name}/changes") if file[:1].isdigit()]
        return max(numbers, default=0) + 1

    def write(self, place: str, data: bytes) -> None:
        """Write a file, completely or not at all.

        Raises:
            LesionlabError: It cannot be written.
        """
        path = f"{self._root}/{place}"
        if self._local:
            with replacing(Path(path), binary=True) as stream:
                stream.write(data)
            return
        try:  # object stores show a file when it is complete
            self._system.pipe_file(path, data)
        except Exception as error:  # each protocol has exceptions of its own
            raise LesionlabError(f"cannot write {self.url}/{place}: {_reason(error)}") from error

    def _children(self, place: str) -> list[str]:
        path = f"{self._root}/{place}".rstrip("/")
        try:
            self._system.invalidate_cache()
            found = self._system.ls(path, detail=False)
        except FileNotFoundError:
            return []
        except Exception as error:  # each protocol has exceptions of its own
            raise LesionlabError(f"cannot read {self.url}/{place}: {_reason(error)}") from error
        names = (str(one).rstrip("/").rpartition("/")[2] for one in found)
        return sorted(name for name in names if name[:1].isalnum())

    def _bytes(self, place: str) -> bytes | None:
        try:
            self._system.invalidate_cache()
            data: bytes = self._system.cat_file(f"{self._root}/{place}")
        except FileNotFoundError:
            return None
        except Exception as error:  # each protocol has exceptions of its own
            raise LesionlabError(f"cannot read {self.url}/{place}: {_reason(error)}") from error
        return data

    def _read(self, place: str, model: type[Content]) -> Content | None:
        data = self._bytes(place)
        if data is None:
            return None
        try:
            return model.model_validate_json(data)
        except ValidationError as error:
            raise DataError(f"{self.url}/{place} is damaged; restore it from a copy") from error


def now() -> str:
    """Return the time in ISO 8601, UTC."""
    return dt.datetime.now(dt.UTC).isoformat(timespec="microseconds")


def _json(content: StrictModel) -> bytes:
    return (content.model_dump_json(indent=2) + "\n").encode()


def copy_bundle(bundle: Bundle, path: Path) -> None:
    """Write a bundle to another place, as a folder or a .zip file.

    Raises:
        LesionlabError: It cannot be written.
    """
    save_bundle(
        path,
        bundle.info,
        bundle.graph,
        reference=bundle.reference,
        evaluation=bundle.evaluation,
        training_images=bundle.training_images,
        seen_images=bundle.seen_images,
        clinical=bundle.clinical,
    )


def _zip_bytes(bundle: Bundle) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bundle.zip"
        copy_bundle(bundle, path)
        return path.read_bytes()


def _valid(pattern: re.Pattern[str], text: str, what: str) -> str:
    if not pattern.fullmatch(text):
        first = {"version": "a digit", "channel": "a letter"}.get(what, "a letter or digit")
        raise UsageError(f"{what} {text!r}: use letters, digits, '.', '_' and '-'; it begins with {first}")
    return text


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
