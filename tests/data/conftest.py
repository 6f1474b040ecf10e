"""Small datasets."""

import csv
import io
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import pytest
from PIL import Image

Row = dict[str, str]

HAM_HEADER = ("lesion_id", "image_id", "dx", "dx_type", "age", "sex", "localization")


def jpeg(shade: int, size: tuple[int, int] = (48, 36)) -> bytes:
    """Return a plain image; the steps between shades survive JPEG compression."""
    stream = io.BytesIO()
    Image.new("RGB", size, (shade * 20 % 256, shade * 20 // 256 * 20, 80)).save(stream, "JPEG")
    return stream.getvalue()


def ham_rows() -> list[Row]:
    """Six images of five lesions."""
    cells = (
        ("HAM_1", "ISIC_1", "mel", "histo", "80.0", "male", "scalp"),
        ("HAM_1", "ISIC_2", "mel", "histo", "80.0", "male", "scalp"),
        ("HAM_2", "ISIC_3", "nv", "follow_up", "", "unknown", "unknown"),
        ("HAM_3", "ISIC_4", "bcc", "histo", "0.0", "female", "back"),
        ("HAM_4", "ISIC_5", "bkl", "consensus", "unknown", " female ", "face"),
        ("HAM_5", "ISIC_6", "vasc", "unknown", "45", "male", "trunk"),
    )
    return [dict(zip(HAM_HEADER, row, strict=True)) for row in cells]


def write_table(path: Path, rows: Sequence[Row], separator: str = ",") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]), delimiter=separator)
        writer.writeheader()
        writer.writerows(rows)
    return path


def write_images(folder: Path, names: Iterable[str], first_shade: int = 0) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for shade, name in enumerate(names, first_shade):
        (folder / f"{name}.jpg").write_bytes(jpeg(shade))


@pytest.fixture
def kaggle(tmp_path: Path) -> Path:
    """HAM10000 in the Kaggle layout, with masks."""
    root = tmp_path / "ham"
    write_table(root / "HAM10000_metadata.csv", ham_rows())
    write_images(root / "HAM10000_images_part_1", ("ISIC_1", "ISIC_2", "ISIC_3"))
    write_images(root / "HAM10000_images_part_2", ("ISIC_4", "ISIC_5", "ISIC_6"), first_shade=3)
    write_images(root / "HAM10000_segmentations", ("ISIC_1_segmentation",))
    return root


@pytest.fixture
def make_table() -> Callable[..., Path]:
    return write_table


@pytest.fixture
def make_images() -> Callable[..., None]:
    return write_images


@pytest.fixture
def make_jpeg() -> Callable[..., bytes]:
    return jpeg


@pytest.fixture
def rows() -> list[Row]:
    return ham_rows()
