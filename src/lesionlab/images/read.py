"""Reading of image bytes from a file, a member of a zip archive, or a URL."""

import os
import stat
import zipfile
import zlib
from functools import lru_cache
from pathlib import Path

from lesionlab.errors import ImageError
from lesionlab.images.remote import is_remote, open_remote

ZIP_SEPARATOR = "::"
_MAX_DIGITS = 6  # of the number of a frame
# Far above any dermoscopic image; protects the memory from a wrong path.
MAX_FILE_BYTES = 256 * 1024 * 1024


def split_frame(location: str) -> tuple[str, int | None]:
    """Return the location of a file, and the number of the frame if one is named: `scan.dcm::2`, from 1.

    `archive.zip::2` is a member of the archive.
    """
    file, separator, number = location.rpartition(ZIP_SEPARATOR)
    is_frame = separator and number.isascii() and number.isdecimal() and len(number) <= _MAX_DIGITS
    return (file, int(number)) if is_frame and not file.lower().endswith(".zip") else (location, None)


def read_image_bytes(location: str) -> bytes:
    """Return the bytes of the file with the image at `location`.

    Args:
        location: A file's path or URL, or `archive.zip::member` for a member of a zip archive, each with `::2` for a
            frame.

    Raises:
        ImageError: The file or member does not exist, is not readable, is empty, is larger than 256 MiB, or changes
            while it is read.
        MissingExtraError: A URL without fsspec or the package for its protocol.
    """
    location, _ = split_frame(location)
    archive, separator, member = location.partition(ZIP_SEPARATOR)
    try:
        if is_remote(location):
            data = _read_url(location)
        else:
            data = _read_member(Path(archive), member) if separator else _read_file(Path(location))
    except FileNotFoundError as error:
        raise ImageError("no such file") from error
    except IsADirectoryError as error:
        raise ImageError(_folder_problem(location)) from error
    except KeyError as error:
        raise ImageError(f"the archive has no member {member}") from error
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise ImageError(damaged_archive(error)) from error
    except (RuntimeError, NotImplementedError) as error:
        # A password, or a compression method that Python does not support.
        raise ImageError(f"the archive cannot be unpacked ({error}); unpack it first") from error
    except OSError as error:
        raise ImageError(f"cannot be read: {error.strerror or error}") from error
    except ValueError as error:
        raise ImageError(f"not a valid path: {error}") from error
    if not data:
        raise ImageError("the file is empty (0 bytes); copy or download it again")
    return data


def damaged_archive(error: Exception) -> str:
    """Return the text on an archive that cannot be opened or read."""
    return f"the archive is damaged ({error}); download it again"


def _folder_problem(folder: str) -> str:
    try:
        os.listdir(folder)
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    return "this is a folder, not an image"


def _read_file(path: Path) -> bytes:
    if path.suffix.lower() == ".zip":
        with zipfile.ZipFile(path):
            raise ImageError(f"this is an archive; name an image in it: {path.name}{ZIP_SEPARATOR}IMAGE")
    with path.open("rb") as stream:
        status = os.fstat(stream.fileno())
        _check_size(status.st_size)
        # The size of a device or a pipe is unknown.
        data = stream.read(-1 if stat.S_ISREG(status.st_mode) else MAX_FILE_BYTES + 1)
        after = os.fstat(stream.fileno())
    _check_size(len(data))
    if (after.st_size, after.st_mtime_ns) != (status.st_size, status.st_mtime_ns) and stat.S_ISREG(status.st_mode):
        raise ImageError("the file changed while it was read; predict it again when it is complete")
    return data


def _read_url(url: str) -> bytes:
    with open_remote(url) as stream:
        data = stream.read(MAX_FILE_BYTES + 1)
    _check_size(len(data))
    return data


def _read_member(archive: Path, member: str) -> bytes:
    status = archive.stat()
    opened = _open_archive(archive, status.st_mtime_ns, status.st_size)
    _check_size(opened.getinfo(member).file_size)
    return opened.read(member)


def _check_size(size: int) -> None:
    if size > MAX_FILE_BYTES:
        raise ImageError(f"the file is larger than {MAX_FILE_BYTES // 2**20} MiB; it is not a dermoscopic image")


@lru_cache(maxsize=8)
def _open_archive(archive: Path, _modified: int, _size: int) -> zipfile.ZipFile:
    # Kept open while the file is unchanged: the directory of a HAM10000 archive has 5,000 entries and would be parsed
    # for each image. zipfile locks the file, so that reads from several threads are safe.
    return zipfile.ZipFile(archive)
