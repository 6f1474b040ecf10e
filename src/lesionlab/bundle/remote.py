"""Bundles at URLs, by fsspec; a checked copy of each stays in the cache folder."""

import hashlib
import io
import logging
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from lesionlab.bundle.store import DESCRIPTION, Bundle
from lesionlab.errors import BundleError, LesionlabError
from lesionlab.files import cache_folder, replacing_folder, sha256_of_file, write_text
from lesionlab.images.remote import file_system

_log = logging.getLogger(__name__)
_Read = Callable[[str], bytes]


def fetch_bundle(url: str) -> Path:
    """Return the folder of a bundle that is at a URL, after a check of its files.

    The folder is in the cache folder and named by the hash of the bundle's description, which holds the hashes of all
    other files. Only the description is read if the folder is there already. If the URL cannot be read, the bundle that
    it had last is used, with a warning in the log.

    Args:
        url: URL of fsspec, of a .zip file or a folder: `hf://OWNER/REPO`, `s3://bucket/bundle.zip`.

    Raises:
        BundleError: The bundle is damaged.
        LesionlabError: The URL cannot be read, and no copy of the bundle is in the cache folder.
        MissingExtraError: The package for the URL is missing.
    """
    last = cache_folder() / "bundles" / f"{_sha256(url.encode())}.txt"
    try:
        with _opened(url) as read:
            description = _sha256(read(DESCRIPTION))
            if not _is_intact(_folder(description), description):
                _copy(url, read, _folder(description))
    except LesionlabError:
        raise
    except (KeyError, zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise BundleError(f"{url} is not a bundle or is damaged: {_reason(error)}") from error
    except Exception as error:  # each protocol has exceptions of its own
        known = last.read_text("utf-8").strip() if last.is_file() else ""
        if not known or not _is_intact(_folder(known), known):
            raise LesionlabError(f"{url} cannot be read, and no copy is in the cache: {_reason(error)}") from error
        _log.warning("%s cannot be read; its copy in the cache is used: %s", url, _reason(error))
        return _folder(known)
    write_text(last, f"{description}\n")
    return _folder(description)


def _folder(description: str) -> Path:
    return cache_folder() / "bundles" / description[:32]


def _is_intact(folder: Path, description: str) -> bool:
    if not (folder / DESCRIPTION).is_file() or sha256_of_file(folder / DESCRIPTION) != description:
        return False
    try:
        Bundle.load(folder)
    except BundleError:
        return False
    return True


def _copy(url: str, read: _Read, folder: Path) -> None:
    contents: dict[str, bytes] = {}

    def read_and_keep(name: str) -> bytes:
        contents[name] = read(name)
        return contents[name]

    Bundle.read(url, read_and_keep)
    with replacing_folder(folder) as temporary:
        for name, data in contents.items():
            (temporary / name).parent.mkdir(exist_ok=True)
            (temporary / name).write_bytes(data)


@contextmanager
def _opened(url: str) -> Iterator[_Read]:
    """Open the bundle at a URL; yield a function that reads one of its files."""
    system, path = file_system(url)
    system.invalidate_cache()
    if not urlsplit(url).path.endswith(".zip"):
        yield lambda name: bytes(system.cat_file(f"{path.rstrip('/')}/{name}"))
        return
    with _stream(system, path) as stream, zipfile.ZipFile(stream) as archive:
        yield archive.read


def _stream(system: Any, path: str) -> Any:
    """Return a file for random access, so that the description can be read alone."""
    stream = system.open(path, "rb")
    try:
        stream.seek(-1, io.SEEK_END)
        stream.read(1)
        stream.seek(0)
    except ValueError:  # a web server that sends whole files only
        stream.close()
        return io.BytesIO(system.cat_file(path))
    return stream


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
