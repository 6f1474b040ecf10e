"""Files at URLs (s3, gs, http and others), by fsspec."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

from lesionlab.errors import ImageError, LesionlabError, MissingExtraError

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")  # one letter would be a drive


def is_remote(location: str) -> bool:
    """Return whether a location is a URL."""
    return _URL.match(location) is not None


@contextmanager
def open_remote(url: str) -> Iterator[IO[bytes]]:
    """Open a file at a URL for reading.

    Raises:
        ImageError: It cannot be opened or read.
        MissingExtraError: The package for its protocol is missing.
    """
    with _errors_as_image_errors():
        system, path = file_system(url)
        with system.open(path, "rb") as stream:
            yield stream


def list_remote(url: str) -> list[str]:
    """Return the URLs of the files at a URL: the file itself, those that match a pattern, or those below a folder.

    Raises:
        ImageError: The URL cannot be read.
        MissingExtraError: The package for its protocol is missing.
    """
    with _errors_as_image_errors():
        system, path = file_system(url)
        if any(character in path for character in "*?["):
            found = system.glob(path)
        elif not url.startswith("http") and system.isdir(path):  # a web server has no folders
            found = system.find(path)
        else:
            return [url]
        return sorted(map(system.unstrip_protocol, found))


def file_system(url: str) -> tuple[Any, str]:
    """Return the file system of a URL, and the path in it.

    Raises:
        MissingExtraError: The package for its protocol is missing.
    """
    try:
        from fsspec.core import url_to_fs
    except ImportError as error:
        raise MissingExtraError(url, "cloud", "fsspec") from error
    try:
        system, path = url_to_fs(url)
    except ImportError as error:  # fsspec names the package to install
        raise ImageError(str(error)) from error
    except ValueError as error:
        raise ImageError(f"not a URL that can be read: {error}") from error
    return system, path


@contextmanager
def _errors_as_image_errors() -> Iterator[None]:
    try:
        yield
    except LesionlabError:
        raise
    except FileNotFoundError as error:
        raise ImageError("no such file") from error
    except Exception as error:  # each protocol has exceptions of its own
        reason = " ".join(str(error).split())[:200]
        raise ImageError(f"cannot be read: {reason or type(error).__name__}") from error
