"""Patient data from a table, and their effect on a prediction."""

from pathlib import Path

import numpy as np
import pytest

from lesionlab.bundle import Bundle, BundleInfo, Patient, PatientEffects, Site
from lesionlab.errors import DataError
from lesionlab.prediction import Predictor
from lesionlab.prediction.io.patients import read_patients
from lesionlab.taxonomy import CODES


def test_column_names_of_public_datasets_are_known(tmp_path: Path) -> None:
    table = tmp_path / "patients.csv"
    table.write_text(
        "isic_id,age_approx,sex,anatom_site_general\n"
        "ISIC_1,55,female,lower extremity\nISIC_2.jpg,,,\nISIC_3,unknown,Male,head/neck\n",
        encoding="utf-8",
    )
    patient_of = read_patients(table)
    assert patient_of("some/folder/ISIC_1.jpg") == Patient(age=55, sex="female", site=Site.LOWER_EXTREMITY)
    assert patient_of("ISIC_2.jpg") == Patient()
    assert patient_of("archive.zip::ISIC_3.png") == Patient(sex="male")
    assert patient_of("another.jpg") == Patient()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("name,age\nx,5\n", "needs a column `image`"),
        ("image,weight\nx,5\n", "one of `age`, `sex` and `site`"),
        ("image,age\nx,500\n", "line 2: age"),
        ("image,age\nx,old\n", "line 2: age"),
        ("image,sex\nx,m\n", "line 2: sex"),
    ],
)
def test_invalid_table_is_one_line(tmp_path: Path, content: str, message: str) -> None:
    table = tmp_path / "patients.csv"
    table.write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=message) as caught:
        read_patients(table)
    assert "\n" not in str(caught.value)
    with pytest.raises(DataError, match=r"gone\.csv cannot be read"):
        read_patients(tmp_path / "gone.csv")


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
