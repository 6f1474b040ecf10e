"""Atomic writes, the policy for existing files, hashes, and the cache folder."""

import hashlib
import json
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from lesionlab.errors import LesionlabError, UsageError

_NAME_LENGTH = 80


def sha256_of_file(path: Path) -> str:
    """Return the SHA-256 of a file's bytes as 64 hexadecimal digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def sha256_of_json(value: Any) -> str:
    """Return the SHA-256 of a JSON value, independent of key order and of white space."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def check_output(path: Path, inputs: Iterable[str | Path | None] = (), *, force: bool | None = None) -> None:
    """Check that writing to `path` destroys nothing, before a command starts to work.

    Args:
        path: The file or folder to write; it may be new, an empty folder or a device.
        inputs: Files and folders that the command reads; None is skipped, and `archive.zip::member` is its archive.
        force: Whether an existing result may be replaced; None for a command without `--force`.

    Raises:
        UsageError: `path` is an input or a folder that holds one, or it exists and `force` is false.
    """
    folder = path.is_dir()
    if not (any(path.iterdir()) if folder else path.is_file()):
        return
    for source in {Path(str(place).partition("::")[0]) for place in inputs if place is not None}:
        if source.exists() and (path.samefile(source) or (folder and path.resolve() in source.resolve().parents)):
            raise UsageError(f"{path} is or holds an input of this command ({source}); choose another --out")
    if not force:
        remedy = "" if force is None else ", or replace it with --force"
        raise UsageError(f"{path} exists; choose another --out{remedy}")


@contextmanager
def replacing(path: Path, *, binary: bool = False) -> Iterator[IO[Any]]:
    """Open a temporary file beside `path` for writing; rename it to `path` once it is complete.

    On any exception the temporary file is removed and an existing file at `path` is unchanged.

    Args:
        path: The file to create or replace. Its folder is created if it is missing. A device such as
            `/dev/stdout` is written directly, since it cannot be replaced.
        binary: Whether to open for bytes (default: UTF-8 text).

    Yields:
        The open file.

    Raises:
        LesionlabError: The file cannot be written, for example because the disk is full.
    """
    # A file name may hold bytes that are not UTF-8; they are escaped.
    text: dict[str, Any] = {"encoding": "utf-8", "errors": "backslashreplace", "newline": ""}
    mode, options = ("wb", {}) if binary else ("w", text)
    temporary: str | None = None
    try:
        if path.exists() and not path.is_file() and not path.is_dir():
            with path.open(mode, **options) as stream:
                yield stream
            return
        if path.is_dir():
            raise IsADirectoryError(None, "a folder of this name exists", str(path))
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
        with open(descriptor, mode, **options) as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(temporary, 0o666 & ~umask)  # mkstemp creates private files
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
    """Create a temporary folder beside `path`; rename it to `path` once the block has filled it.

    On any exception it is removed, and an existing folder at `path` is unchanged.

    Yields:
        The temporary folder.

    Raises:
        LesionlabError: The folder cannot be written.
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
            # A folder cannot be replaced in one step: the old one is renamed until the new one has its name.
            old = path.rename(temporary.with_suffix(".old"))
            temporary.rename(path)
            shutil.rmtree(old)
        else:
            temporary.rename(path)
    except OSError as error:
        raise cannot_write(path, error) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def remove_leftovers(folder: Path) -> None:
    """Remove what killed processes have left half-written in a folder and below; no process may be writing there."""
    for left in [*folder.glob("**/.*.part"), *folder.glob("**/.*.old")]:
        if left.is_dir():
            shutil.rmtree(left, ignore_errors=True)
        else:
            left.unlink(missing_ok=True)


def try_lock(stream: IO[Any]) -> bool:
    """Lock an open file against other processes until it is closed, or its process ends in any way.

    Returns:
        False if another process has locked it; true without a lock on Windows and file systems that have none.
    """
    if sys.platform != "win32":
        import fcntl

        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:
            return True
    return True


class FreeNames:
    """Unique file names derived from image names.

    Args:
        taken: Names that are not available.
    """

    def __init__(self, taken: Iterable[str] = ()) -> None:
        # Case-insensitive, as on the file systems of Windows and macOS.
        self._taken = {name.lower() for name in taken}

    def take(self, stem: str, ending: str) -> str:
        """Return `stem` followed by `ending`, with a number between them if the name is taken.

        Args:
            stem: Name of an image.
            ending: End of the file name, suffix included.
        """
        # Replaces characters with a meaning in file systems, shells or browsers.
        safe = re.sub(r"[^A-Za-z0-9._-]+", "_", stem).strip("._-")[:_NAME_LENGTH] or "image"
        number, name = 1, f"{safe}{ending}"
        while name.lower() in self._taken:
            number += 1
            base, _, suffix = ending.rpartition(".")
            name = f"{safe}{base}-{number}.{suffix}"
        self._taken.add(name.lower())
        return name


def cache_folder() -> Path:
    """Return the folder for files that can be recreated: `LESIONLAB_CACHE`, or the user's cache folder."""
    from platformdirs import user_cache_path

    configured = os.environ.get("LESIONLAB_CACHE")
    return Path(configured) if configured else user_cache_path("lesionlab")


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path` as UTF-8, completely or not at all."""
    with replacing(path) as stream:
        stream.write(text)


def write_json(path: Path, value: Any) -> None:
    """Write `value` to `path` as indented JSON, completely or not at all."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def cannot_write(path: Path, error: OSError) -> LesionlabError:
    """Return the error for a file that cannot be written, with the cause and the remedy."""
    reason = error.strerror or str(error)
    elsewhere = "set LESIONLAB_CACHE to another folder" if cache_folder() in path.parents else "choose another --out"
    return LesionlabError(f"cannot write {path}: {reason}. Free some space or {elsewhere}")
