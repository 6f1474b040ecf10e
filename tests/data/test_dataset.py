"""Every layout is recognised, and nothing is omitted silently."""

import os
import shutil
import zipfile
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from lesionlab.data import ColumnMapping, ImageRecord, Manifest, load_manifest, make_split, read_dataset
from lesionlab.errors import DataError, UsageError
from lesionlab.images import decode_image, read_image_bytes

Row = dict[str, str]


def test_the_kaggle_layout_is_read_with_unknown_values_as_none(kaggle: Path) -> None:
    manifest = read_dataset(kaggle)
    by_id = {record.image_id: record for record in manifest}
    assert list(by_id) == [f"ISIC_{number}" for number in range(1, 7)]
    assert manifest.lesions_known
    assert manifest.lesion_count == 5
    assert by_id["ISIC_1"].path == "HAM10000_images_part_1/ISIC_1.jpg"
    assert (by_id["ISIC_1"].age, by_id["ISIC_1"].sex, by_id["ISIC_1"].site) == (80.0, "male", "scalp")
    assert (by_id["ISIC_3"].age, by_id["ISIC_3"].sex, by_id["ISIC_3"].site) == (None, None, None)
    assert by_id["ISIC_4"].age == 0.0
    assert (by_id["ISIC_5"].age, by_id["ISIC_5"].sex) == (None, "female")
    assert by_id["ISIC_6"].dx_type is None
    assert {record.source for record in manifest} == {"ham10000"}


def test_lower_case_names_and_duplicated_folders_are_read(kaggle: Path) -> None:
    expected = read_dataset(kaggle).sha256
    (kaggle / "HAM10000_metadata.csv").rename(kaggle / "moved")
    (kaggle / "moved").rename(kaggle / "ham10000_metadata.csv")
    shutil.copytree(kaggle / "HAM10000_images_part_1", kaggle / "ham10000_images_part_1", dirs_exist_ok=True)
    assert read_dataset(kaggle).sha256 == expected


def test_two_different_images_with_one_name_are_an_error(kaggle: Path, make_jpeg: Callable[..., bytes]) -> None:
    (kaggle / "HAM10000_images_part_2" / "ISIC_1.jpg").write_bytes(make_jpeg(0, (400, 300)))
    with pytest.raises(DataError, match=r"different images under one name \(ISIC_1"):
        read_dataset(kaggle)


@pytest.mark.parametrize(("name", "separator"), [("HAM10000_metadata", ","), ("HAM10000_metadata.tab", "\t")])
def test_the_dataverse_layout_is_read_from_a_folder(
    kaggle: Path, rows: list[Row], make_table: Callable[..., Path], name: str, separator: str
) -> None:
    (kaggle / "HAM10000_metadata.csv").unlink()
    make_table(kaggle / name, [row | {"dataset": "vidir_modern"} for row in rows], separator)
    shutil.move(kaggle / "HAM10000_images_part_2", kaggle / "HAM10000_images_part_1" / "more")
    (kaggle / "HAM10000_images_part_1").rename(kaggle / "images")
    manifest = read_dataset(kaggle)
    assert len(manifest) == 6
    assert {record.source for record in manifest} == {"vidir_modern"}


def test_ham10000_has_the_same_hash_with_and_without_sources(
    kaggle: Path, rows: list[Row], make_table: Callable[..., Path], tmp_path: Path
) -> None:
    names = ("rosendahl", "vidir_modern", "vidir_molemax", "vienna_dias", "rosendahl", "vidir_modern")
    sources = [row | {"dataset": name} for row, name in zip(rows, names, strict=True)]
    without = read_dataset(kaggle)
    found = read_dataset(kaggle, metadata=make_table(tmp_path / "HAM10000_metadata_dataverse.csv", sources))
    assert tuple(record.source for record in found) == names
    assert {record.dataset for record in found} == {record.dataset for record in without} == {"ham10000"}
    assert found.sha256 == without.sha256
    found.save(tmp_path / "manifest.csv")
    assert load_manifest(tmp_path / "manifest.csv").records == found.records
    other = make_table(tmp_path / "other.csv", [row | {"dataset": "elsewhere"} for row in rows])
    assert read_dataset(kaggle, metadata=other).sha256 != without.sha256


def test_split_of_ham10000_has_the_same_hash_with_and_without_sources(phantoms: Manifest) -> None:
    whole, parts = (
        replace(phantoms, records=tuple(replace(r, source=names[n % 3]) for n, r in enumerate(phantoms)))
        for names in (["ham10000"] * 3, ["ham10000", "rosendahl", "vidir_molemax"])
    )
    assert make_split(parts).sha256 == make_split(whole).sha256


@pytest.mark.slow
@pytest.mark.skipif("LESIONLAB_DATA" not in os.environ, reason="LESIONLAB_DATA names no folder with ham10000/")
def test_split_of_the_real_ham10000_has_the_same_hash_with_sources() -> None:
    root = Path(os.environ["LESIONLAB_DATA"]) / "ham10000"
    without, found = read_dataset(root), read_dataset(root, metadata=root / "HAM10000_metadata_dataverse.csv")
    assert Counter(record.source for record in found) == {
        "rosendahl": 2259,
        "vidir_modern": 3363,
        "vidir_molemax": 3954,
        "vienna_dias": 439,
    }
    assert make_split(found).sha256 == make_split(without).sha256


@pytest.mark.parametrize(
    ("column", "attribute"), [("center", "source"), ("source", "source"), ("skin_tone_class", "skin_tone")]
)
def test_source_and_skin_tone_are_read_from_known_columns(
    kaggle: Path, rows: list[Row], make_table: Callable[..., Path], tmp_path: Path, column: str, attribute: str
) -> None:
    table = make_table(tmp_path / "t.csv", [row | {column: str(number % 3)} for number, row in enumerate(rows)])
    found = read_dataset(kaggle, metadata=table)
    assert [getattr(record, attribute) for record in found] == ["0", "1", "2", "0", "1", "2"]


def test_the_dataverse_layout_is_read_from_archives_without_unpacking(kaggle: Path) -> None:
    expected = read_dataset(kaggle)
    for part in ("HAM10000_images_part_1", "HAM10000_images_part_2"):
        with zipfile.ZipFile(kaggle / f"{part}.zip", "w") as archive:
            for image in sorted((kaggle / part).iterdir()):
                archive.write(image, image.name)
            archive.writestr(f"__MACOSX/._{part}.jpg", b"no image")
        shutil.rmtree(kaggle / part)
    manifest = read_dataset(kaggle)
    assert manifest.sha256 == expected.sha256
    assert manifest.records[0].path == "HAM10000_images_part_1.zip::ISIC_1.jpg"
    assert decode_image(read_image_bytes(manifest.location(manifest.records[0]))).original_size == (48, 36)


def test_a_damaged_archive_is_an_error(kaggle: Path) -> None:
    (kaggle / "HAM10000_images_part_3.zip").write_bytes(b"PK, and then nothing")
    with pytest.raises(DataError, match=r"HAM10000_images_part_3\.zip: the archive is damaged"):
        read_dataset(kaggle)


def test_a_folder_per_diagnosis_is_read_with_lesions_unknown(tmp_path: Path, make_images: Callable[..., None]) -> None:
    make_images(tmp_path / "mel", ("a", "b"))
    make_images(tmp_path / "Basal_cell_carcinoma", ("c",))
    manifest = read_dataset(tmp_path)
    assert [(r.image_id, r.lesion_id, r.diagnosis) for r in manifest] == [
        ("a", "a", "mel"),
        ("b", "b", "mel"),
        ("c", "c", "bcc"),
    ]
    assert not manifest.lesions_known


def test_unknown_class_folders_are_an_error(tmp_path: Path, make_images: Callable[..., None]) -> None:
    make_images(tmp_path / "mel", ("a",))
    make_images(tmp_path / "warts", ("b",))
    with pytest.raises(DataError, match="1 problem") as caught:
        read_dataset(tmp_path)
    assert "folder 'warts'" in str(caught.value)
    assert f"lesionlab data check {tmp_path}" in str(caught.value)


def test_any_table_is_read_by_a_mapping_of_columns(
    tmp_path: Path, make_table: Callable[..., Path], make_images: Callable[..., None]
) -> None:
    make_images(tmp_path / "images" / "deep", ("a", "b"))
    rows = [
        {"file": "images/deep/a.jpg", "name": "one", "label": "Melanoma", "lesion": "L1", "years": "61"},
        {"file": "images/deep/b.jpg", "name": "two", "label": "nevus", "lesion": "L1", "years": ""},
    ]
    table = make_table(tmp_path / "elsewhere" / "labels.csv", rows, ";")
    columns = ColumnMapping.parse("path=file, image_id=name, diagnosis=label, lesion_id=lesion, age=years")
    manifest = read_dataset(tmp_path, columns=columns, metadata=table)
    assert [(r.image_id, r.path, r.diagnosis, r.age) for r in manifest] == [
        ("one", "images/deep/a.jpg", "mel", 61.0),
        ("two", "images/deep/b.jpg", "nv", None),
    ]
    assert manifest.lesions_known


def test_ids_with_a_suffix_and_empty_lesion_ids_are_read(
    tmp_path: Path, make_table: Callable[..., Path], make_images: Callable[..., None]
) -> None:
    make_images(tmp_path / "images", ("a", "b"))
    rows = [{"image": "a.jpg", "dx": "df", "lesion_id": "L1"}, {"image": "images/b.jpg", "dx": "nv", "lesion_id": ""}]
    manifest = read_dataset(tmp_path, metadata=make_table(tmp_path / "labels.csv", rows))
    assert [(r.image_id, r.path, r.lesion_id) for r in manifest] == [
        ("a", "images/a.jpg", "L1"),
        ("b", "images/b.jpg", "b"),
    ]
    assert not manifest.lesions_known


def test_one_hot_columns_are_read(
    tmp_path: Path, make_table: Callable[..., Path], make_images: Callable[..., None]
) -> None:
    make_images(tmp_path, ("a", "b"))
    zeros = dict.fromkeys(("MEL", "NV", "BCC", "AKIEC", "BKL", "DF", "VASC"), "0.0")
    table = make_table(tmp_path / "truth.csv", [{"image": "a"} | zeros | {"AKIEC": "1.0"}, {"image": "b"} | zeros])
    with pytest.raises(DataError, match=r"1 problem .*\(b: not exactly one 1"):
        read_dataset(tmp_path, metadata=table)
    make_table(table, [{"image": "a"} | zeros | {"AKIEC": "1.0"}])
    assert read_dataset(tmp_path, metadata=table).records[0].diagnosis == "akiec"


def test_a_saved_manifest_is_read_back(kaggle: Path) -> None:
    manifest = read_dataset(kaggle)
    manifest.save(kaggle / "manifest.csv")
    for name in ("HAM10000_metadata.csv",):
        (kaggle / name).unlink()
    assert read_dataset(kaggle) == manifest
    assert load_manifest(kaggle / "manifest.csv") == manifest


def test_a_saved_manifest_keeps_patients_that_stand_for_lesions(tmp_path: Path) -> None:
    records = tuple(ImageRecord(f"i{n}", f"{n}.jpg", "P1", "nv", patient_id="P1") for n in range(2))
    Manifest(tmp_path, records).save(tmp_path / "manifest.csv")
    assert load_manifest(tmp_path / "manifest.csv").records == records


def test_a_manifest_is_loaded_without_its_images_but_not_read_as_a_dataset(kaggle: Path) -> None:
    manifest = read_dataset(kaggle)
    manifest.save(kaggle / "manifest.csv")
    shutil.rmtree(kaggle / "HAM10000_images_part_2")
    assert load_manifest(kaggle / "manifest.csv") == manifest
    with pytest.raises(DataError, match=r"3 problems .*missing image \(ISIC_4"):
        read_dataset(kaggle)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"dx": "wart"}, r"unknown diagnosis \(ISIC_1: 'wart' is none of mel, nv"),
        ({"dx": ""}, r"unknown diagnosis \(ISIC_1: '' is none of"),
        ({"image_id": "ISIC_2"}, r"image id that occurs twice \(ISIC_2: again in HAM10000_metadata.csv line 3"),
        ({"image_id": ""}, r"row that cannot be read \(HAM10000_metadata.csv line 2: no image id"),
        ({"image_id": "ISIC_9"}, r"missing image \(ISIC_9: no such image file"),
        ({"age": "old"}, r"ISIC_1: age 'old' is not a number of years"),
        ({"age": "-3"}, r"ISIC_1: age '-3' is not a number of years"),
        ({"sex": "mail"}, r"ISIC_1: sex 'mail' is neither male nor female"),
    ],
)
def test_an_invalid_row_is_an_error(
    kaggle: Path, rows: list[Row], make_table: Callable[..., Path], change: Row, message: str
) -> None:
    make_table(kaggle / "HAM10000_metadata.csv", [rows[0] | change, *rows[1:]])
    with pytest.raises(DataError, match=message):
        read_dataset(kaggle)


def test_a_row_with_too_few_cells_is_reported_with_its_line(kaggle: Path) -> None:
    with (kaggle / "HAM10000_metadata.csv").open("a") as stream:
        stream.write("\nHAM_7,ISIC_7\n")
    with pytest.raises(DataError, match="line 9: 2 cells under 7 column names"):
        read_dataset(kaggle)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the table is empty"),
        (b"image_id,dx\n", "the table is empty"),
        (b"\xff\xfe\x00", "not text in UTF-8"),
        (b"image_id,dx,dx\na,nv,nv\n", "column 'dx' occurs more than once"),
        (b"image_id,kind\na,nv\n", "no column of diagnosis among image_id, kind; give it with --columns diagnosis="),
        (b"name,dx\na,nv\n", "no column of image_id among name, dx"),
    ],
)
def test_an_invalid_table_is_an_error(kaggle: Path, content: bytes, message: str) -> None:
    (kaggle / "HAM10000_metadata.csv").write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_dataset(kaggle)


def test_an_unknown_layout_lists_known_layouts_and_entries(tmp_path: Path, make_images: Callable[..., None]) -> None:
    make_images(tmp_path, ("a", "b"))
    (tmp_path / "labels.csv").write_text("image,label\n")
    with pytest.raises(DataError, match=r"unknown layout.*HAM10000.*--metadata.*Found: 2 images, files labels\.csv"):
        read_dataset(tmp_path)
    with pytest.raises(DataError, match="no such folder"):
        read_dataset(tmp_path / "nowhere")


def test_a_layout_without_any_image_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "mel").mkdir()
    with pytest.raises(DataError, match="no image was found"):
        read_dataset(tmp_path)


@pytest.mark.parametrize("text", ["image_id", "=x", "image_id=", "colour=x"])
def test_an_invalid_mapping_is_an_error(text: str) -> None:
    with pytest.raises(UsageError, match="columns: "):
        ColumnMapping.parse(text)


def test_a_missing_mapped_column_is_an_error(kaggle: Path) -> None:
    with pytest.raises(DataError, match="no column 'label'; the columns are lesion_id, image_id"):
        read_dataset(kaggle, columns=ColumnMapping(diagnosis="label"))
