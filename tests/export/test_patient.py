"""What patients' data add is learnt where there is something to learn, and left out where there is not."""

import numpy as np
import pytest

from lesionlab.bundle import Patient, Site
from lesionlab.data import ImageRecord
from lesionlab.export.patient import fit_patient_effects, patient_of
from lesionlab.taxonomy import CODES, DIAGNOSIS


def records(count: int, seed: int, *, told: bool) -> list[ImageRecord]:
    """Return images of melanomas and nevi; if `told`, melanomas are found on old faces."""
    rng = np.random.default_rng(seed)
    made = []
    for index in range(count):
        melanoma = index % 2 == 0
        age = float(np.clip(rng.normal(70 if melanoma and told else 40, 10), 0, 100).round(-1))
        site = "face" if told and melanoma and rng.random() < 0.7 else "back"
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


def guesses(validation: list[ImageRecord], seed: int) -> np.ndarray:
    """Return what a model that sees a little says: calibrated probabilities."""
    rng = np.random.default_rng(seed)
    truth = np.array([CODES.index(record.diagnosis) for record in validation])
    rows = np.full((len(truth), 7), 0.002)
    right = rng.random(len(truth)) < 0.7
    other = np.where(truth == CODES.index("mel"), CODES.index("nv"), CODES.index("mel"))
    rows[np.arange(len(truth)), np.where(right, truth, other)] = 0.693
    rows[np.arange(len(truth)), np.where(right, other, truth)] = 0.297
    return np.asarray(rows / rows.sum(axis=1, keepdims=True))


def test_it_is_learnt_from_training_lesions() -> None:
    validation = records(300, 2, told=True)
    effects = fit_patient_effects(records(400, 1, told=True), validation, guesses(validation, 0), DIAGNOSIS)
    assert effects is not None
    assert effects.nll_with < effects.nll_without
    ratio = effects.log_ratio(Patient(age=75, site=Site.FACE))
    assert ratio[CODES.index("mel")] - ratio[CODES.index("nv")] > 2
    # Sex told nothing, and rare places are not there.
    assert np.abs(effects.log_ratio(Patient(sex="male"))).max() < 0.3
    assert set(effects.site) == {"face", "back"}


def test_what_tells_nothing_is_left_out() -> None:
    validation = records(300, 2, told=False)
    effects = fit_patient_effects(records(400, 1, told=False), validation, guesses(validation, 0), DIAGNOSIS)
    assert effects is None or effects.nll_without - effects.nll_with < 0.01


def test_no_data_no_effects() -> None:
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
