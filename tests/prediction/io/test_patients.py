"""Patient data from a table, and what they do to an answer."""

from pathlib import Path

import numpy as np
import pytest

from lesionlab.bundle import Bundle, BundleInfo, Patient, PatientEffects, Site
from lesionlab.errors import DataError
from lesionlab.prediction import Predictor
from lesionlab.prediction.io.patients import read_patients
from lesionlab.taxonomy import CODES


def test_names_of_columns_and_images_are_those_of_the_field(tmp_path: Path) -> None:
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
def test_a_bad_table_is_one_clear_line(tmp_path: Path, content: str, message: str) -> None:
    table = tmp_path / "patients.csv"
    table.write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=message) as caught:
        read_patients(table)
    assert "\n" not in str(caught.value)
    with pytest.raises(DataError, match=r"gone\.csv cannot be read"):
        read_patients(tmp_path / "gone.csv")


def test_models_use_them_or_say_that_they_do_not(tiny_info: BundleInfo, tiny_graph: bytes) -> None:
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
    reading = Predictor(Bundle(tiny_info.model_copy(update={"patient_effects": effects}), tiny_graph, Path("tiny")))
    alone = Predictor(Bundle(tiny_info, tiny_graph, Path("tiny")))
    image = np.full((40, 40, 3), 120, np.uint8)
    old = Patient(age=80, site=Site.FACE, sex="male")
    plain, told = alone.predict(image), reading.predict(image, old)
    assert reading.predict(image).probabilities == plain.probabilities  # to the bit
    assert reading.predict(image, Patient(age=20)).probabilities == pytest.approx(plain.probabilities)
    odds = {name: p.probabilities["bcc"] / p.probabilities["nv"] for name, p in (("plain", plain), ("told", told))}
    assert odds["told"] / odds["plain"] == pytest.approx(np.exp(2.0))
    assert told.notes == ("age and sex and site taken into account",)
    unread = alone.predict(image, old)
    assert unread.probabilities == plain.probabilities
    assert unread.notes == ("age and sex and site given, but not read: this model judges the picture alone",)
    listed = reading.predict_many([image, image], patient_of=lambda name: old if name == "image 1" else Patient())
    assert [answer.notes for answer in listed if not hasattr(answer, "error")] == [(), told.notes]
