"""Patient data from a table, and their effect on a prediction."""

from pathlib import Path

import numpy as np
import pytest

from lesionlab.bundle import Bundle, BundleInfo, Patient, PatientEffects, Site
from lesionlab.errors import DataError
from lesionlab.prediction import Predictor
from lesionlab.prediction.io.patients import read_dicom_patients, read_patients
from lesionlab.taxonomy import CODES
from tests.images.dicom.files import PATIENT, dicom


def test_column_names_of_public_datasets_are_known(tmp_path: Path) -> None:
    table = tmp_path / "patients.csv"
    table.write_text(
        "isic_id,age_approx,sex,anatom_site_general\n"
        "ISIC_1,55,female,lower extremity\nISIC_2.jpg,,,\nISIC_3,unknown,Male,head/neck\n",
        encoding="utf-8",
    )
    notes: list[str] = []
    images = ["some/folder/ISIC_1.jpg", "ISIC_2.jpg", "archive.zip::ISIC_3.png", "another.jpg"]
    patient_of = read_patients(table, images, notes.append)
    assert [patient_of(image) for image in images] == [
        Patient(age=55, sex="female", site=Site.LOWER_EXTREMITY),
        Patient(),
        Patient(sex="male"),
        Patient(),
    ]
    assert notes == [f"{table}: 1 of 4 images have no row", f"{table}: unknown sites are not used: 'head/neck' (1)"]


def test_rows_are_found_by_path_and_values_by_their_usual_names(tmp_path: Path) -> None:
    table = tmp_path / "patients.csv"
    table.write_text("Path;Age;Sex;Site\na/x.jpg;20;F;Posterior torso\nb/x.jpg;80,0;m;face\n", encoding="utf-8")
    notes: list[str] = []
    patient_of = read_patients(table, ["a/x.jpg", "in/b/x.jpg"], notes.append)
    assert patient_of("a/x.jpg") == Patient(age=20, sex="female", site=Site.BACK)
    assert patient_of("in/b/x.jpg") == Patient(age=80, sex="male", site=Site.FACE)
    assert not notes


@pytest.mark.parametrize(
    ("rows", "images", "message"),
    [
        ("x,20\nx,80\n", ["x.jpg"], "line 3: a second row for x "),
        ("x,20\n", ["a/x.jpg", "b/x.jpg"], "x may be a/x.jpg or b/x.jpg"),
        ("x,20\nx.jpg,80\n", ["a/x.jpg"], "a/x.jpg may be x or x.jpg"),
        ("x.png,20\nx.tif,80\n", ["x.jpg"], "x.jpg may be x.png or x.tif"),
        ("b/x.jpg,20\na/b/x.jpg,80\n", ["in/a/b/x.jpg"], "in/a/b/x.jpg may be b/x.jpg or a/b/x.jpg"),
    ],
)
def test_ambiguous_rows_are_an_error(tmp_path: Path, rows: str, images: list[str], message: str) -> None:
    table = tmp_path / "patients.csv"
    table.write_text(f"image,age\n{rows}", encoding="utf-8")
    with pytest.raises(DataError, match=message):
        read_patients(table, images, print)


def test_a_row_of_another_folder_is_never_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = tmp_path / "patients.csv"
    table.write_text("image,age\nanna/1.jpg,20\ncarl/1.jpg,40\n", encoding="utf-8")
    notes: list[str] = []
    patient_of = read_patients(table, ["bernd/1.jpg"], notes.append)
    assert patient_of("bernd/1.jpg") == Patient()
    assert notes == [f"{table}: 1 of 1 images have no row"]
    for name, age in (("anna", 20), ("bernd", None)):
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)
        assert read_patients(table, ["1.jpg"], notes.append)("1.jpg") == Patient(age=age)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("name,age\nx,5\n", "needs a column `image`"),
        ("image,weight\nx,5\n", "one of `age`, `sex` and `site`"),
        ("image,age\nx,500\n", "line 2: age"),
        ("image,age\nx,old\n", "line 2: age"),
        ("image,sex\nx,yes\n", "line 2: sex"),
    ],
)
def test_invalid_table_is_one_line(tmp_path: Path, content: str, message: str) -> None:
    table = tmp_path / "patients.csv"
    table.write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=message) as caught:
        read_patients(table, [], print)
    assert "\n" not in str(caught.value)
    with pytest.raises(DataError, match=r"gone\.csv: cannot be read"):
        read_patients(tmp_path / "gone.csv", [], print)


def test_models_use_patient_data_or_note_that_they_do_not(tiny_info: BundleInfo, tiny_graph: bytes) -> None:
    lifted = tuple(2.0 * (code == "bcc") for code in CODES)
    effects = PatientEffects(
        ages=(20, 80),
        age=((0.0,) * 7, lifted),
        sex={},
        site={"face": lifted},
        strength=0.5,
        images=10,
        nll_without=1,
        nll_with=0.9,
    )
    using = Predictor(Bundle(tiny_info.model_copy(update={"patient_effects": effects}), tiny_graph, Path("tiny")))
    alone = Predictor(Bundle(tiny_info, tiny_graph, Path("tiny")))
    image = np.full((40, 40, 3), 120, np.uint8)
    old = Patient(age=80, site=Site.FACE, sex="male")
    plain, with_data = alone.predict(image), using.predict(image, old)
    assert using.predict(image).probabilities == plain.probabilities  # to the bit
    assert using.predict(image, Patient(age=20)).probabilities == pytest.approx(plain.probabilities)
    odds = {
        name: p.probabilities["bcc"] / p.probabilities["nv"] for name, p in (("plain", plain), ("with_data", with_data))
    }
    assert odds["with_data"] / odds["plain"] == pytest.approx(np.exp(2.0))
    assert with_data.notes == ("age and sex and site taken into account",)
    ignored = alone.predict(image, old)
    assert ignored.probabilities == plain.probabilities
    assert ignored.notes == ("age and sex and site ignored: this model uses the image alone",)
    listed = using.predict_many([image, image], patient_of=lambda name: old if name == "image 1" else Patient())
    assert [one.notes for one in listed if not hasattr(one, "error")] == [(), with_data.notes]


def test_dicom_headers_give_age_sex_and_site(tmp_path: Path) -> None:
    pixels = np.zeros((8, 8, 3), np.uint8)
    files = {
        "a.dcm": dicom(pixels, **PATIENT),
        "b": dicom(pixels, PatientAge="018M", BodyPartExamined="FOREARM"),
        "c.dcm": dicom(pixels, BodyPartExamined="HEAD"),
        "d.jpg": b"no DICOM",
        "e.dcm": dicom(pixels, PatientAge="900Y"),
        "f.dcm": dicom(pixels)[:150],
    }
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    images = [*(str(tmp_path / name) for name in files), str(tmp_path / "missing.dcm")]
    notes: list[str] = []
    patient_of = read_dicom_patients(images, notes.append)
    assert [patient_of(image) for image in images] == [
        Patient(age=65, sex="female", site=Site.BACK),
        Patient(age=1.5, site=Site.UPPER_EXTREMITY),
        *[Patient()] * 5,
    ]
    assert notes == [
        "5 of 7 images have no age, sex or site in a DICOM header",
        "DICOM headers: unknown sites are not used: 'head' (1)",
    ]


def test_rows_name_frames_by_path_or_name(tmp_path: Path) -> None:
    table = tmp_path / "patients.csv"
    table.write_text("image,age\na/scan.dcm::2,20\nscan-1,30\n1.2.840.7,40\n", encoding="utf-8")
    notes: list[str] = []
    images = ["x/a/scan.dcm::1", "x/a/scan.dcm::2", "x/1.2.840.7", "set.zip::2"]
    patient_of = read_patients(table, images, notes.append)
    assert [patient_of(image).age for image in images] == [30, 20, 40, None]
