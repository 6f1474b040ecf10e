"""Pixel tables: reading, writing, import, export and errors."""

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

from lesionlab.data import (
    ImageRecord,
    Manifest,
    check_dataset,
    export_hmnist,
    import_hmnist,
    read_dataset,
    read_hmnist,
    write_hmnist,
)
from lesionlab.errors import DataError, LesionlabError, UsageError
from lesionlab.taxonomy import CODES

HEADER_2X2 = "pixel0000,pixel0001,pixel0002,pixel0003,label"
pixel_arrays = st.tuples(st.integers(1, 4), st.integers(1, 6), st.sampled_from((1, 3))).flatmap(
    lambda shape: arrays.arrays(np.uint8, (shape[0], shape[1], shape[1], shape[2]))
)


def table(tmp_path: Path, *lines: str) -> Path:
    path = tmp_path / "hmnist_2_2_L.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def colourful(images: int, side: int, channels: int = 3) -> np.ndarray:
    return np.random.default_rng(5).integers(0, 256, (images, side, side, channels), dtype=np.uint8)


@given(pixel_arrays, st.data())
@settings(max_examples=50, deadline=None)
def test_a_written_table_is_read_back(pixels: np.ndarray, data: st.DataObject) -> None:
    size = len(pixels)
    diagnoses = data.draw(st.lists(st.sampled_from(CODES), min_size=size, max_size=size))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "table.csv"
        write_hmnist(path, pixels, diagnoses)
        read, codes = read_hmnist(path)
    assert read.dtype == np.uint8
    np.testing.assert_array_equal(read, pixels)
    assert codes == diagnoses


@pytest.mark.parametrize(
    ("side", "channels", "last"), [(28, 3, "pixel2351"), (28, 1, "pixel0783"), (8, 3, "pixel0191"), (8, 1, "pixel0063")]
)
def test_columns_equal_those_of_the_published_tables(tmp_path: Path, side: int, channels: int, last: str) -> None:
    path = tmp_path / "table.csv"
    write_hmnist(path, colourful(2, side, channels), ["mel", "nv"])
    names = path.read_text().splitlines()[0].split(",")
    assert (names[0], names[-2], names[-1], len(names)) == ("pixel0000", last, "label", side * side * channels + 1)


def test_pixels_are_interleaved_row_by_row(tmp_path: Path) -> None:
    header = ",".join(f"pixel{number:04d}" for number in range(12)) + ",label"
    path = table(tmp_path, header, "255,1,2,0,254,3,4,5,253,9,8,7,6")
    pixels, codes = read_hmnist(path)
    assert pixels.tolist() == [[[[255, 1, 2], [0, 254, 3]], [[4, 5, 253], [9, 8, 7]]]]
    assert codes == ["mel"]


@pytest.mark.parametrize(("side", "channels", "mode"), [(8, 3, "RGB"), (28, 3, "RGB"), (28, 1, "L")])
def test_imported_images_have_the_pixels_of_the_table(tmp_path: Path, side: int, channels: int, mode: str) -> None:
    pixels = colourful(2, side, channels)
    write_hmnist(tmp_path / "table.csv", pixels, ["mel", "nv"])
    manifest = import_hmnist(tmp_path / "table.csv", tmp_path / "set")
    for record, square in zip(manifest, pixels, strict=True):
        with Image.open(manifest.location(record)) as image:
            assert (image.size, image.mode) == ((side, side), mode)
            np.testing.assert_array_equal(np.asarray(image).reshape(square.shape), square)


def test_images_below_the_smallest_size_are_not_written(tmp_path: Path) -> None:
    write_hmnist(tmp_path / "table.csv", colourful(2, 7), ["mel", "nv"])
    with pytest.raises(DataError, match=r"set: images of 7x7 pixels are too small; the minimum is 8x8"):
        import_hmnist(tmp_path / "table.csv", tmp_path / "set")
    assert [entry.name for entry in tmp_path.iterdir()] == ["table.csv"]


def test_labels_equal_those_of_the_published_tables(tmp_path: Path) -> None:
    path = table(tmp_path, HEADER_2X2, *(f"0,0,0,0,{label}" for label in range(7)))
    assert read_hmnist(path)[1] == ["akiec", "bcc", "bkl", "df", "nv", "vasc", "mel"]


def test_windows_line_endings_byte_order_mark_and_quotes_are_read(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    names = ",".join(f'"{name}"' for name in HEADER_2X2.split(","))
    path.write_bytes(f"\ufeff{names}\r\n1,2,3,4,0\r\n\r\n".encode())
    assert read_hmnist(path)[0].ravel().tolist() == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ((HEADER_2X2, "1,2,3,4,0", "1,2,3,0"), "line 3: 4 values under 5 column names"),
        ((HEADER_2X2, "1,2,3,4,5,6"), "line 2: 6 values under 5 column names"),
        ((HEADER_2X2, "1,2,3,4,0", "", "1,256,3,4,0"), "line 4: pixel0001 is '256'"),
        ((HEADER_2X2, "1,2,-3,4,0"), "line 2: pixel0002 is '-3'"),
        ((HEADER_2X2, "1,2,3.5,4,0"), "line 2: pixel0002 is '3.5'"),
        ((HEADER_2X2, "1,2,,4,0"), "line 2: pixel0002 is ''"),
        ((HEADER_2X2, "1,2,3,4,0", "1,2,3,4,7"), "line 3: label '7' is unknown; the labels are 0 akiec, .*6 mel"),
        ((HEADER_2X2, "1,2,3,4,mel"), "line 2: label 'mel' is unknown"),
        ((HEADER_2X2,), "the table has no row below its column names"),
        (("",), "line 1: 1 columns are not a pixel table"),
        (("pixel0000,pixel0001,label", "1,2,0"), "line 1: 3 columns are not a pixel table.* 2,353 columns"),
        (("label,pixel0000,pixel0001,pixel0002,pixel0003", "0,1,2,3,4"), "line 1: column 'label' in place of"),
    ],
)
def test_an_invalid_table_is_reported_with_line_and_column(
    tmp_path: Path, lines: tuple[str, ...], message: str
) -> None:
    with pytest.raises(DataError, match=f"hmnist_2_2_L.csv:? {message}") as caught:
        read_hmnist(table(tmp_path, *lines))
    assert "\n" not in str(caught.value)


def test_a_file_that_is_no_table_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.csv: cannot be read: No such file"):
        read_hmnist(tmp_path / "none.csv")
    (tmp_path / "photo.png").write_bytes(b"\x89PNG\xff\xfe")
    with pytest.raises(DataError, match=r"photo\.png: not a text file"):
        read_hmnist(tmp_path / "photo.png")


@pytest.mark.parametrize(
    ("pixels", "diagnoses", "message"),
    [
        (colourful(1, 4).astype(np.float32), ["mel"], "not float32"),
        (colourful(1, 4)[:, :, :3], ["mel"], r"not uint8 \[1, 4, 3, 3\]"),
        (colourful(1, 4)[:0], [], r"not uint8 \[0, 4, 4, 3\]"),
        (colourful(2, 4), ["mel"], "2 images and 1 diagnoses"),
        (colourful(1, 4), ["wart"], "'wart' is none of akiec"),
    ],
)
def test_invalid_pixels_leave_no_file(tmp_path: Path, pixels: np.ndarray, diagnoses: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        write_hmnist(tmp_path / "table.csv", pixels, diagnoses)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("side", [8, 28])
def test_an_imported_table_is_a_valid_dataset_and_exported_unchanged(tmp_path: Path, side: int, channels: int) -> None:
    path, again = tmp_path / "small.csv", tmp_path / "again.csv"
    write_hmnist(path, colourful(7, side, channels), list(CODES))
    calls: list[tuple[int, int]] = []
    manifest = import_hmnist(path, tmp_path / "set", progress=lambda done, total: calls.append((done, total)))
    assert calls == [(number, 7) for number in range(1, 8)]
    assert read_dataset(tmp_path / "set") == manifest
    assert check_dataset(tmp_path / "set").ok
    assert manifest.records[3] == ImageRecord(
        "hmnist_00003", "images/hmnist_00003.png", "hmnist_00003", CODES[3], source="small"
    )
    assert not manifest.lesions_known
    export_hmnist(manifest, again, size=side, grey=channels == 1)
    assert again.read_bytes() == path.read_bytes()


def test_import_requires_an_empty_folder(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    write_hmnist(path, colourful(1, 8), ["mel"])
    (tmp_path / "empty").mkdir()
    import_hmnist(path, tmp_path / "empty")
    assert sorted(entry.name for entry in (tmp_path / "empty").iterdir()) == ["images", "manifest.csv"]
    with pytest.raises(DataError, match="is not empty"):
        import_hmnist(path, tmp_path / "empty")
    with pytest.raises(DataError, match="is a file"):
        import_hmnist(path, path)


def test_an_interrupted_import_leaves_no_files(tmp_path: Path) -> None:
    def full(done: int, total: int) -> None:
        if done == 2:
            raise OSError(28, "No space left on device")

    path = tmp_path / "table.csv"
    write_hmnist(path, colourful(3, 8), ["mel"] * 3)
    with pytest.raises(LesionlabError, match=r"cannot write .*set: No space left"):
        import_hmnist(path, tmp_path / "set", progress=full)
    assert list(tmp_path.iterdir()) == [path]


def test_export_resizes_in_the_order_of_the_manifest(tmp_path: Path, photograph: Image.Image) -> None:
    for name, picture in (("b", photograph), ("a", Image.new("RGB", (90, 60), (200, 100, 50)))):
        picture.save(tmp_path / f"{name}.png")
    records = [ImageRecord(name, f"{name}.png", name, code) for name, code in (("b", "mel"), ("a", "df"))]
    manifest = Manifest(tmp_path, tuple(records))
    export_hmnist(manifest, tmp_path / "table.csv")
    pixels, codes = read_hmnist(tmp_path / "table.csv")
    assert codes == ["df", "mel"]
    assert (pixels[0] == (200, 100, 50)).all()
    np.testing.assert_array_equal(pixels[1], np.asarray(photograph.resize((28, 28), Image.Resampling.BILINEAR)))
    export_hmnist(manifest, tmp_path / "grey.csv", size=8, grey=True)
    assert read_hmnist(tmp_path / "grey.csv")[0].shape == (2, 8, 8, 1)


def test_export_of_an_unreadable_image_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "bad.png").write_bytes(b"no image")
    manifest = Manifest(tmp_path, (ImageRecord("bad", "bad.png", "bad", "nv"),))
    with pytest.raises(DataError, match=r"bad\.png: the file holds text"):
        export_hmnist(manifest, tmp_path / "table.csv")
    assert not (tmp_path / "table.csv").exists()
