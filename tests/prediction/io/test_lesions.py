"""Grouping of images by lesion."""

from pathlib import Path

import pytest

from lesionlab.bundle import IMAGE_TYPES, Patient
from lesionlab.errors import DataError, UsageError
from lesionlab.prediction import Lesion
from lesionlab.prediction.io.lesions import lesions_of_table, pairs, table_of_dataset, with_patients

IMAGES = ["d/a.jpg", "d/b.jpg", "d/c.jpg", "d/e.jpg"]
TABLE = "isic_id,lesion_id,image_type\na,L1,dermoscopic\nb,L2,dermoscopic\nc,L1,clinical: close-up\n"


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "table.csv"
    path.write_text(TABLE)
    return path


@pytest.fixture
def notes() -> list[str]:
    return []


def test_images_are_grouped_by_a_column_of_a_table(table: Path, notes: list[str]) -> None:
    found = lesions_of_table(table, "Lesion_ID", IMAGES, [], IMAGE_TYPES, notes.append)
    assert found == [
        Lesion("L1", ("d/a.jpg",), ("d/c.jpg",)),
        Lesion("L2", ("d/b.jpg",)),
        Lesion("d/e.jpg", ("d/e.jpg",)),
    ]
    assert notes == [f"{table}: 1 of 4 images have no Lesion_ID; each is a lesion of its own"]


def test_images_of_a_type_that_the_model_does_not_take_are_left_out_and_counted(table: Path, notes: list[str]) -> None:
    table.write_text(TABLE + "e,L3,clinical\n")
    found = lesions_of_table(table, "lesion_id", IMAGES, [], ("dermoscopic",), notes.append)
    assert found == [Lesion("L1", ("d/a.jpg",)), Lesion("L2", ("d/b.jpg",))]
    assert notes == ["left out: 2 clinical images, since the model takes dermoscopic ones; 1 lesions have no other"]
    with pytest.raises(UsageError, match="no image is left: the model takes dermoscopic images"):
        lesions_of_table(table, "lesion_id", IMAGES[2:], [], ("dermoscopic",), notes.append)


def test_an_image_that_is_named_as_clinical_is_clinical(table: Path, notes: list[str]) -> None:
    found = lesions_of_table(table, "lesion_id", IMAGES[:1], ["d/b.jpg"], IMAGE_TYPES, notes.append)
    assert found == [Lesion("L1", ("d/a.jpg",)), Lesion("L2", (), ("d/b.jpg",))]


@pytest.mark.parametrize(
    ("content", "column", "message"),
    [
        (TABLE, "patient", "no column patient; the columns are isic_id, lesion_id, image_type"),
        ("name,lesion_id\na,L1\n", "lesion_id", "no column of the image"),
        (TABLE + "a,L2,dermoscopic\n", "lesion_id", "line 5: a second row for a with another lesion"),
        (TABLE + "e,L2\n", "lesion_id", "line 5: 2 cells under 3 column names"),
    ],
)
def test_what_a_table_lacks_is_named(table: Path, notes: list[str], content: str, column: str, message: str) -> None:
    table.write_text(content)
    with pytest.raises(DataError, match=message):
        lesions_of_table(table, column, IMAGES, [], IMAGE_TYPES, notes.append)


def test_one_dermoscopic_and_one_clinical_image_are_one_lesion(notes: list[str]) -> None:
    assert pairs(["a.jpg"], ["b.jpg"], IMAGE_TYPES, notes.append) == [Lesion("a", ("a.jpg",), ("b.jpg",))]


def test_several_are_paired_by_name(notes: list[str]) -> None:
    found = pairs(["d/a.jpg", "d/b.jpg"], ["c/b.png", "c/a.png"], IMAGE_TYPES, notes.append)
    assert found == [Lesion("a", ("d/a.jpg",), ("c/a.png",)), Lesion("b", ("d/b.jpg",), ("c/b.png",))]
    with pytest.raises(UsageError, match="c: 1 dermoscopic and 0 clinical images of this name"):
        pairs(["d/a.jpg", "d/c.jpg"], ["c/a.png"], IMAGE_TYPES, notes.append)
    with pytest.raises(UsageError, match="a: 2 dermoscopic and 1 clinical images of this name"):
        pairs(["d/a.jpg", "e/a.jpg"], ["c/a.png"], IMAGE_TYPES, notes.append)


def test_clinical_images_alone_are_lesions_of_their_own(notes: list[str]) -> None:
    assert pairs([], ["a.jpg", "b.jpg"], IMAGE_TYPES, notes.append) == [
        Lesion("a", (), ("a.jpg",)),
        Lesion("b", (), ("b.jpg",)),
    ]


def test_patient_data_are_those_of_the_first_image_that_has_any() -> None:
    known = {"b.jpg": Patient(age=50), "c.jpg": Patient(age=60)}
    (found,) = with_patients([Lesion("L", ("a.jpg", "b.jpg"), ("c.jpg",))], lambda name: known.get(name, Patient()))
    assert found == Lesion("L", ("a.jpg", "b.jpg"), ("c.jpg",), Patient(age=50))


def test_the_table_of_a_dataset_is_found(tmp_path: Path) -> None:
    assert table_of_dataset([str(tmp_path)]) is None
    (tmp_path / "HAM10000_metadata.csv").write_text("lesion_id,image_id,dx\n")
    assert table_of_dataset([str(tmp_path)]) == tmp_path / "HAM10000_metadata.csv"
    assert table_of_dataset([str(tmp_path), "other"]) is None
