"""The pixel tables of HAM10000 (`hmnist_28_28_RGB.csv` etc.): one row of pixels and a label per image.

The columns are `pixel0000`, `pixel0001`, ... and `label`. Pixels are written row by row, with three interleaved
channels for colour images and one for greyscale images.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from lesionlab.data.manifest import ImageRecord, Manifest
from lesionlab.data.medmnist import read_dermamnist
from lesionlab.data.small_images import check_empty, shrink_images, write_small_images
from lesionlab.errors import DataError, UsageError
from lesionlab.files import replacing

# The class order of these tables, which differs from the taxonomy's.
LABELS = ("akiec", "bcc", "bkl", "df", "nv", "vasc", "mel")

_LABEL = "label"
_VALUES = tuple(map(str, range(256)))


def read_hmnist(path: Path) -> tuple[np.ndarray, list[str]]:
    """Read a pixel table; size and number of channels follow from the number of columns.

    Returns:
        The pixels, uint8 [images, side, side, 3] in RGB order or [images, side, side, 1], and the diagnoses as codes of
        `lesionlab.taxonomy.CODES`.

    Raises:
        DataError: The file cannot be read, its columns are not those of a pixel table, it has no rows, or a row has the
            wrong number of values, a value that is not an integer from 0 to 255, or an unknown label.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not a text file; a pixel table such as hmnist_28_28_RGB.csv is needed") from error
    side, channels = _shape(path, lines[0] if lines else "")
    columns = side * side * channels + 1
    rows = [line for line in lines[1:] if line.strip()]
    if not rows:
        raise DataError(f"{path}: the table has no row below its column names; download or export it again")
    try:
        table = np.loadtxt(rows, dtype=np.uint8, delimiter=",", comments=None, ndmin=2)
    except ValueError as error:
        raise DataError(f"{path}: {_first_error(lines, columns) or error}") from error
    if table.shape[1] != columns or table[:, -1].max() >= len(LABELS):
        raise DataError(f"{path}: {_first_error(lines, columns)}")
    pixels = np.ascontiguousarray(table[:, :-1]).reshape(-1, side, side, channels)
    return pixels, [LABELS[label] for label in table[:, -1]]


def write_hmnist(path: Path, pixels: np.ndarray, diagnoses: Sequence[str]) -> None:
    """Write a pixel table.

    Args:
        path: The file to write.
        pixels: uint8 [images, side, side, 3] in RGB order, or [images, side, side, 1].
        diagnoses: The images' diagnoses, as codes of `lesionlab.taxonomy.CODES`.

    Raises:
        UsageError: The pixels have another type or shape, the number of diagnoses differs, or a diagnosis is unknown.
        LesionlabError: The file cannot be written.
    """
    shape = pixels.shape
    if pixels.dtype != np.uint8 or len(shape) != 4 or shape[1] != shape[2] or shape[3] not in (1, 3) or 0 in shape:
        raise UsageError(
            f"a pixel table requires uint8 [images, side, side, 3 or 1], not {pixels.dtype} {list(shape)}; convert them"
        )
    if len(diagnoses) != len(pixels):
        raise UsageError(f"{len(pixels)} images and {len(diagnoses)} diagnoses: give one for each image")
    unknown = set(diagnoses) - set(LABELS)
    if unknown:
        raise UsageError(f"diagnosis {min(unknown)!r} is none of {', '.join(LABELS)}")
    with replacing(path) as stream:
        stream.write(",".join(_column_names(math.prod(shape[1:]))) + "\n")
        for square, diagnosis in zip(pixels, diagnoses, strict=True):
            values = [_VALUES[value] for value in square.tobytes()]
            stream.write(",".join([*values, str(LABELS.index(diagnosis))]) + "\n")


def import_hmnist(path: Path, folder: Path, *, progress: Callable[[int, int], None] | None = None) -> Manifest:
    """Write the images of a pixel table, or of an archive of DermaMNIST, as a dataset: PNG files and a manifest.

    The images are named `hmnist_00000`, `hmnist_00001` and so on, by row; those of DermaMNIST `dermamnist_train_00000`
    and so on, with their subset in the manifest. There are no lesion ids: each image counts as its own lesion, and a
    leak cannot be excluded.

    Args:
        path: The pixel table, or the `.npz` archive. Its name without the extension becomes the source.
        folder: A new or empty folder.
        progress: Called after each image with the number of images written and their total.

    Raises:
        DataError: The table cannot be read (see `read_hmnist`), its images are too small, or `folder` is not empty.
        LesionlabError: The folder cannot be written.
    """
    check_empty(folder)
    if path.suffix.lower() == ".npz":
        pixels, found = read_dermamnist(path)
        return write_small_images(folder, found, pixels, lesions_known=False, progress=progress)
    pixels, diagnoses = read_hmnist(path)
    names = [f"hmnist_{row:05d}" for row in range(len(diagnoses))]
    records = [
        ImageRecord(name, "", lesion_id=name, diagnosis=diagnosis, source=path.stem)
        for name, diagnosis in zip(names, diagnoses, strict=True)
    ]
    return write_small_images(folder, records, pixels, lesions_known=False, progress=progress)


def export_hmnist(
    manifest: Manifest,
    path: Path,
    *,
    size: int = 28,
    grey: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Write the images of a manifest, in its order, as a pixel table.

    Args:
        manifest: The images.
        path: The file to write.
        size: Side in pixels to which images are resized; 28 and 8 in the published tables.
        grey: Whether to write greyscale images.
        progress: Called after each image with the number of images done and their total.

    Raises:
        DataError: An image is missing or cannot be decoded.
        LesionlabError: The file cannot be written.
    """
    pixels = shrink_images(manifest, size, grey=grey, progress=progress)
    write_hmnist(path, pixels, [record.diagnosis for record in manifest])


def _column_names(values: int) -> list[str]:
    return [*(f"pixel{number:04d}" for number in range(values)), _LABEL]


def _shape(path: Path, header: str) -> tuple[int, int]:
    """Return the side of the images and the number of channels."""
    names = [name.strip().strip('"') for name in header.split(",")]
    values = len(names) - 1
    # Unambiguous: a number and its third cannot both be squares.
    for channels in (1, 3):
        side = math.isqrt(values // channels)
        if side and side * side * channels == values:
            break
    else:
        raise DataError(
            f"{path} line 1: {len(names):,} columns are not a pixel table; it has pixel0000, pixel0001, ... and label: "
            "2,353 columns for 28x28 pixels in colour, 785 in greyscale, 193 and 65 for 8x8"
        )
    for name, expected in zip(names, _column_names(values), strict=True):
        if name != expected:
            raise DataError(f"{path} line 1: column {name!r} in place of {expected!r}; rename or reorder the columns")
    return side, channels


def _first_error(lines: Sequence[str], columns: int) -> str | None:
    """Return the first error of a row with its remedy, or None."""
    return next(_errors(lines, columns), None)


def _errors(lines: Sequence[str], columns: int) -> Iterator[str]:
    for number, line in enumerate(lines[1:], start=2):
        cells = [cell.strip() for cell in line.split(",")]
        if not line.strip():
            continue
        if len(cells) != columns:
            yield (
                f"line {number}: {len(cells):,} values under {columns:,} column names; "
                "the row is damaged: download or export the table again"
            )
            continue
        for name, cell in zip(_column_names(columns - 1), cells, strict=True):
            if name == _LABEL and cell not in _VALUES[: len(LABELS)]:
                known = ", ".join(f"{label} {code}" for label, code in enumerate(LABELS))
                yield f"line {number}: label {cell!r} is unknown; the labels are {known}"
            elif not (cell.isascii() and cell.isdecimal() and int(cell) < 256):
                yield f"line {number}: {name} is {cell!r}; a pixel is an integer from 0 to 255"
