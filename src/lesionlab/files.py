"""Writing files so that a reader never meets half of one, hashing them, and where the cache is."""

import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from platformdirs import user_cache_path

from lesionlab.errors import LesionlabError

_NAME_LENGTH = 80


def sha256_of_file(path: Path) -> str:
    """Return the SHA-256 of a file's bytes as 64 hexadecimal digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def sha256_of_json(value: Any) -> str:
    """Return the SHA-256 of a JSON value, independent of key order and of white space."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


@contextmanager
def replacing(path: Path, *, binary: bool = False) -> Iterator[IO[Any]]:
    """Open a temporary file beside `path` for writing; give it the name `path` once it is whole.

    On any exception the temporary file is removed and whatever stood at `path` stays as it was.

    Args:
        path: The file to create or replace. Its folder is made if it is missing. A device such as
            `/dev/stdout` is written directly, since it cannot be replaced.
        binary: Whether to open for bytes (default: UTF-8 text).

    Yields:
        The open file.

    Raises:
        LesionlabError: The folder cannot be written, the disk is full, and the like.
    """
    mode, encoding, newline = ("wb", None, None) if binary else ("w", "utf-8", "")
    temporary: str | None = None
    try:
        if path.exists() and not path.is_file() and not path.is_dir():
            with path.open(mode, encoding=encoding, newline=newline) as stream:
                yield stream
            return
        if path.is_dir():
            raise IsADirectoryError(None, "a folder of this name is in the way", str(path))
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
        with open(descriptor, mode, encoding=encoding, newline=newline) as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(temporary, 0o666 & ~umask)  # mkstemp makes it private; a result is an ordinary file
        os.replace(temporary, path)
        temporary = None
    except BrokenPipeError:
        raise
    except OSError as error:
        raise cannot_write(path, error) from error
    finally:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)


@contextmanager
def replacing_folder(path: Path) -> Iterator[Path]:
    """Make a temporary folder beside `path` to be filled; give it the name `path` once it is whole.

    On any exception it is removed, and whatever stood at `path` stays as it was.

    Yields:
        The temporary folder.

    Raises:
        LesionlabError: The place cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part"))
    except OSError as error:
        raise cannot_write(path, error) from error
    try:
        temporary.chmod(0o755)
        yield temporary
        if path.exists():
            # A folder cannot be replaced in one step; the old one stands aside until the new one is in place.
            old = path.rename(temporary.with_suffix(".old"))
            temporary.rename(path)
            shutil.rmtree(old)
        else:
            temporary.rename(path)
    except OSError as error:
        raise cannot_write(path, error) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


class FreeNames:
    """Names for files made from names of images, none of them twice.

    Args:
        taken: Names that must not be used either.
    """

    def __init__(self, taken: Iterable[str] = ()) -> None:
        # Without regard to case, as on the file systems of Windows and macOS.
        self._taken = {name.lower() for name in taken}

    def take(self, stem: str, ending: str) -> str:
        """Return `stem` followed by `ending`, with a number between them where that is taken.

        Args:
            stem: Whatever an image is called.
            ending: What follows, suffix included.
        """
        # What a file system, a shell or a browser may take for something else.
        safe = re.sub(r"[^A-Za-z0-9._-]+", "_", stem).strip("._-")[:_NAME_LENGTH] or "image"
        number, name = 1, f"{safe}{ending}"
        while name.lower() in self._taken:
            number += 1
            base, _, suffix = ending.rpartition(".")
            name = f"{safe}{base}-{number}.{suffix}"
        self._taken.add(name.lower())
        return name


def cache_folder() -> Path:
    """Return the folder for what can be made again; `LESIONLAB_CACHE` names another than the user's."""
    configured = os.environ.get("LESIONLAB_CACHE")
    return Path(configured) if configured else user_cache_path("lesionlab")


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path` as UTF-8, all of it or nothing."""
    with replacing(path) as stream:
        stream.write(text)


def write_json(path: Path, value: Any) -> None:
    """Write `value` to `path` as indented JSON, all of it or nothing."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def cannot_write(path: Path, error: OSError) -> LesionlabError:
    """Return the error for a file that could not be written, with its cause and the remedy."""
    reason = error.strerror or str(error)
    return LesionlabError(f"cannot write {path}: {reason}. Free some space or choose another place to write to")
