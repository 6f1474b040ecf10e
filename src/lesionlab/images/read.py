"""Reading the bytes of an image from a file or from a member of a zip archive."""

import os
import stat
import zipfile
import zlib
from functools import lru_cache
from pathlib import Path

from lesionlab.errors import ImageError

ZIP_SEPARATOR = "::"
# Far above any dermoscopic photograph, low enough that a mistaken path cannot fill the memory.
MAX_FILE_BYTES = 256 * 1024 * 1024


def read_image_bytes(location: str) -> bytes:
    """Return the bytes of the image at `location`.

    Args:
        location: A file's path, or `archive.zip::member` for a member of a zip archive.

    Raises:
        ImageError: There is no such file or member, it is not readable, empty, or larger than 256 MiB.
    """
    archive, separator, member = location.partition(ZIP_SEPARATOR)
    try:
        data = _read_member(Path(archive), member) if separator else _read_file(Path(location))
    except FileNotFoundError as error:
        raise ImageError("no such file") from error
    except IsADirectoryError as error:
        raise ImageError("this is a folder, not an image") from error
    except KeyError as error:
        raise ImageError(f"the archive has no member {member}") from error
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise ImageError(f"the archive is damaged ({error}); download it again") from error
    except (RuntimeError, NotImplementedError) as error:
        # A password, or a compression that Python does not know.
        raise ImageError(f"the archive cannot be unpacked here ({error}); unpack it first") from error
    except OSError as error:
        raise ImageError(f"cannot be read: {error.strerror or error}") from error
    except ValueError as error:
        raise ImageError(f"not a valid path: {error}") from error
    if not data:
        raise ImageError("the file is empty (0 bytes); copy or download it again")
    return data


def _read_file(path: Path) -> bytes:
    with path.open("rb") as stream:
        status = os.fstat(stream.fileno())
        _refuse_too_large(status.st_size)
        # A device or a pipe does not tell its size.
        data = stream.read(-1 if stat.S_ISREG(status.st_mode) else MAX_FILE_BYTES + 1)
    _refuse_too_large(len(data))
    return data


def _read_member(archive: Path, member: str) -> bytes:
    status = archive.stat()
    opened = _open_archive(archive, status.st_mtime_ns, status.st_size)
    _refuse_too_large(opened.getinfo(member).file_size)
    return opened.read(member)


def _refuse_too_large(size: int) -> None:
    if size > MAX_FILE_BYTES:
        raise ImageError(f"the file is larger than {MAX_FILE_BYTES // 2**20} MiB; this is no dermoscopic photograph")


@lru_cache(maxsize=8)
def _open_archive(archive: Path, _modified: int, _size: int) -> zipfile.ZipFile:
    # Kept open while the file stays the same: the table of contents of a HAM10000 archive has 5,000 entries and
    # would be parsed per image. Reads from several threads are safe (zipfile locks the shared file).
    return zipfile.ZipFile(archive)
