"""Effects of patient data are fitted where they help and left out otherwise."""

import numpy as np
import pytest

from lesionlab.bundle import Patient, Site
from lesionlab.data import ImageRecord
from lesionlab.export.patient import fit_patient_effects, patient_of
from lesionlab.taxonomy import CODES, DIAGNOSIS


def records(count: int, seed: int, *, informative: bool) -> list[ImageRecord]:
    """Return images of melanomas and nevi; if `informative`, melanomas occur on the faces of older patients."""
    rng = np.random.default_rng(seed)
    made = []
    for index in range(count):
        melanoma = index % 2 == 0
        age = float(np.clip(rng.normal(70 if melanoma and informative else 40, 10), 0, 100).round(-1))
        site = "face" if informative and melanoma and rng.random() < 0.7 else "back"
        made.append(
            ImageRecord(
                f"{seed}-{index}",
                "x.jpg",
                f"{seed}-{index // 2 * 2 + index % 2}",
                "mel" if melanoma else "nv",
                age=age,
                sex=("male", "female")[int(rng.integers(2))],
                site=site,
            )
        )
    return made


def predictions(validation: list[ImageRecord], seed: int) -> np.ndarray:
    """Return calibrated probabilities of a weak model."""
    rng = np.random.default_rng(seed)
    truth = np.array([CODES.index(record.diagnosis) for record in validation])
    rows = np.full((len(truth), 7), 0.002)
    right = rng.random(len(truth)) < 0.7
    other = np.where(truth == CODES.index("mel"), CODES.index("nv"), CODES.index("mel"))
    rows[np.arange(len(truth)), np.where(right, truth, other)] = 0.693
    rows[np.arange(len(truth)), np.where(right, other, truth)] = 0.297
    return np.asarray(rows / rows.sum(axis=1, keepdims=True))


def test_effects_are_fitted_on_training_lesions() -> None:
    validation = records(300, 2, informative=True)
    effects = fit_patient_effects(records(400, 1, informative=True), validation, predictions(validation, 0), DIAGNOSIS)
    assert effects is not None
    assert effects.nll_with < effects.nll_without
    ratio = effects.log_ratio(Patient(age=75, site=Site.FACE))
    assert ratio[CODES.index("mel")] - ratio[CODES.index("nv")] > 2
    # Sex is uninformative, and rare sites are left out.
    assert np.abs(effects.log_ratio(Patient(sex="male"))).max() < 0.3
    assert set(effects.site) == {"face", "back"}


def test_uninformative_data_have_no_effects() -> None:
    validation = records(300, 2, informative=False)
    effects = fit_patient_effects(records(400, 1, informative=False), validation, predictions(validation, 0), DIAGNOSIS)
    assert effects is None or effects.nll_without - effects.nll_with < 0.01


def test_missing_data_have_no_effects() -> None:
    bare = [ImageRecord(str(i), "x.jpg", str(i), "nv") for i in range(30)]
    assert fit_patient_effects(bare, bare, np.full((30, 7), 1 / 7), DIAGNOSIS) is None


@pytest.mark.parametrize(
    ("record", "patient"),
    [
        (
            ImageRecord("a", "a.jpg", "a", "nv", age=50, sex="male", site="back"),
            Patient(age=50, sex="male", site="back"),
        ),
        (ImageRecord("a", "a.jpg", "a", "nv", age=500, sex="other", site="head/neck"), Patient()),
    ],
)
def test_unknown_values_are_left_out(record: ImageRecord, patient: Patient) -> None:
    assert patient_of(record) == patient
