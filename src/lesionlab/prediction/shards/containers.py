"""Images in WebDataset tar archives and in Parquet files, read once from front to back."""

import os
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import IO, Any, Final, Self

from lesionlab.errors import DataError, ImageError, LesionlabError
from lesionlab.images import ImageSource, NamedImage
from lesionlab.images.files import OTHER, LeftOut, is_image_name
from lesionlab.images.read import MAX_FILE_BYTES, ZIP_SEPARATOR
from lesionlab.images.remote import is_remote, open_remote
from lesionlab.prediction.inference.preprocessing import name_of
from lesionlab.results import Failure

TAR_SUFFIXES: Final = (".tar", ".tar.gz", ".tgz")
PARQUET_SUFFIX: Final = ".parquet"
_NAMES: Final = ("__key__", "image_id", "isic_id", "path", "file_name", "filename", "name", "id", "key")
_ROWS_AT_A_TIME: Final = 16


def read_tar(name: str, path: str, left_out: LeftOut) -> Iterator[ImageSource | Failure]:
    """Yield the images in a tar archive as `NAME::MEMBER`; a damaged archive gives a failure after those before it.

    Args:
        name: Its name in the results.
        path: Its path or URL.
        left_out: Counts the members that are no images.
    """
    found = 0
    try:
        with _open(path) as stream, _Archive.open(fileobj=stream, mode="r|*", ignore_zeros=True) as archive:
            for member in archive:
                archive.members.clear()  # they would be kept until the end
                if member.isdir():
                    continue
                if not (member.isfile() and is_image_name(os.path.basename(member.name))):
                    left_out.add(OTHER)
                    continue
                yield _read_member(archive, member, name_of(f"{name}{ZIP_SEPARATOR}{member.name}", 0))
                found += 1
    except (tarfile.TarError, EOFError, OSError, zlib.error, ImageError) as error:
        reason = f"the archive cannot be read after {found:,} images ({error}); copy it again"
        yield Failure(image=name_of(name, 0), error=reason)


def read_parquet(
    name: str, path: str, row_groups: tuple[int, int], rows: tuple[int, int]
) -> Iterator[ImageSource | Failure]:
    """Yield the images in row groups of a Parquet file as `NAME::ID`, or `NAME::ROW` in a file without ids.

    A row without bytes gives a failure, and so does each row from a place where the file is damaged.

    Args:
        name: Its name in the results.
        path: Its path or URL.
        row_groups: The first row group, and the one after the last.
        rows: Their first row, and the one after the last.
    """
    row, prefix = rows[0], f"{name_of(name, 0)}{ZIP_SEPARATOR}"
    try:
        with _parquet_file(path) as file:
            image, key = _columns(file.schema_arrow, path)
            columns = [column for column in (image, key) if column is not None]
            for batch in file.iter_batches(_ROWS_AT_A_TIME, row_groups=list(range(*row_groups)), columns=columns):
                for cells in batch.to_pylist():
                    yield _row(cells, image, key, prefix, row)
                    row += 1
    except (OSError, ValueError, LesionlabError) as error:  # pyarrow's errors are the first two
        for left in range(row, rows[1]):
            yield Failure(image=f"{prefix}{left}", error=f"the Parquet file cannot be read ({error}); copy it again")


def rows_of_groups(path: str) -> list[int]:
    """Return the number of rows in each row group of a Parquet file with images.

    Raises:
        DataError: It cannot be read, or has no column of images.
    """
    with _parquet_file(path) as file:
        _columns(file.schema_arrow, path)
        return [file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)]


class _Member(tarfile.TarInfo):
    @classmethod
    def fromtarfile(cls, archive: tarfile.TarFile) -> Self:
        # tarfile takes a damaged or missing header for the end of the archive.
        try:
            member = super().fromtarfile(archive)
        except tarfile.HeaderError as error:
            end = type(error).__name__
            if isinstance(archive, _Archive) and (
                end == "EOFHeaderError" or (end == "EmptyHeaderError" and archive.ended)
            ):
                archive.ended = True
                raise
            raise tarfile.ReadError(str(error)) from error
        if isinstance(archive, _Archive):
            archive.ended = False
        return member


class _Archive(tarfile.TarFile):
    tarinfo = _Member
    members: list[tarfile.TarInfo]
    ended = False  # whether the last header read was the mark at the end


def _read_member(archive: tarfile.TarFile, member: tarfile.TarInfo, name: str) -> ImageSource | Failure:
    if member.size > MAX_FILE_BYTES:
        return Failure(image=name, error=f"the file is larger than {MAX_FILE_BYTES // 2**20} MiB")
    content = archive.extractfile(member)
    return NamedImage(name, content.read() if content is not None else b"")


def _open(path: str) -> AbstractContextManager[IO[bytes]]:
    return open_remote(path) if is_remote(path) else open(path, "rb")


@contextmanager
def _parquet_file(path: str) -> Iterator[Any]:
    import pyarrow.parquet as pq

    with ExitStack() as opened:
        try:
            file = opened.enter_context(pq.ParquetFile(opened.enter_context(_open(path))))
        except (OSError, ValueError, ImageError) as error:
            raise DataError(f"{path} cannot be read as Parquet: {error}") from error
        yield file


def _columns(schema: Any, path: str) -> tuple[str, str | None]:
    """Return the column with the bytes of images, and the one with their names or None."""
    import pyarrow as pa

    def holds_bytes(kind: Any) -> bool:
        if pa.types.is_struct(kind):  # as Hugging Face stores images
            return any(
                kind.field(i).name == "bytes" and holds_bytes(kind.field(i).type) for i in range(kind.num_fields)
            )
        return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))

    images = [column.name for column in schema if holds_bytes(column.type)]
    if len(images) != 1:
        found = f"columns of bytes: {', '.join(images) or 'none'}"
        raise DataError(f"{path}: one column with the bytes of images is needed ({found})")
    return images[0], next((name for name in _NAMES if name in schema.names and name not in images), None)


def _row(cells: dict[str, Any], image: str, key: str | None, prefix: str, row: int) -> ImageSource | Failure:
    content = cells[image]
    own = cells[key] if key is not None else None
    if isinstance(content, dict):
        own = content.get("path") if own is None else own
        content = content["bytes"]
    name = f"{prefix}{row if own is None else own}"
    return NamedImage(name, content) if content else Failure(image=name, error="the row has no bytes")
