"""A prediction never contradicts itself, for any logits, thresholds, limits, patients and prevalences."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pydantic import ValidationError

from lesionlab.bundle import (
    BundleInfo,
    DecisionRule,
    OperatingPoint,
    Patient,
    PatientEffects,
    PredictionSets,
    Reference,
)
from lesionlab.prediction.decision.prediction_builder import PredictionBuilder
from lesionlab.prediction.decision.risk import RiskRule
from lesionlab.prediction.decision.setting import Setting
from lesionlab.prediction.inference.preprocessing import PreparedImage
from lesionlab.prediction.inference.session import GraphOutput
from lesionlab.results import Prediction
from lesionlab.taxonomy import CODES, DIAGNOSIS, Risk, is_of_target

SHARES = st.floats(0.005, 0.99)
RULES = st.sampled_from(["sensitivity=0.9", "sensitivity=0.95", "cost=0.2", "cost=3", "cost=50", "diagnosis", None])


def points(thresholds: list[float]) -> tuple[OperatingPoint, ...]:
    figures: dict[str, Any] = {"sensitivity": 0.9, "specificity": 0.6, "ppv": 0.4, "npv": 0.95, "prevalence": 0.2}
    return tuple(
        OperatingPoint(
            name=f"{100 * sensitivity:g}% sensitivity",
            target=target,
            target_sensitivity=sensitivity,
            threshold=threshold,
            measured_on="test",
            **figures,
        )
        for (target, sensitivity), threshold in zip(
            (("malignant", 0.9), ("malignant", 0.95), ("melanoma", 0.9), ("melanoma", 0.95)), thresholds, strict=True
        )
    )


EFFECTS = PatientEffects(
    ages=(20, 80),
    age=((-3,) * 7, (0, -2, 3, 4, 2, 0, -1)),
    sex={"female": (0,) * 7, "male": (0.5, -0.5, 1, 1, 0, 0, 0)},
    site={"face": (0, -1, 2, 3, 1, -1, 0)},
    strength=1.0,
    images=10,
    nll_without=1.0,
    nll_with=0.9,
)


def predict(info: BundleInfo, logits: np.ndarray, rule: str | None, prevalence: float | None) -> Prediction:
    shares = {"malignant": prevalence} if prevalence is not None else None
    setting = Setting.of(info, shares, RiskRule.parse(rule) if rule else None)
    builder = PredictionBuilder(Reference(), setting)
    image = PreparedImage("a.jpg", np.zeros((4, 4, 3), np.uint8), (), Patient(age=85, sex="male", site="face"))
    return builder.build([image], GraphOutput(logits[None].astype(np.float32)))[0]


@given(
    logits=arrays(np.float64, 7, elements=st.floats(-8, 8)),
    thresholds=st.lists(SHARES, min_size=4, max_size=4),
    limits=st.lists(st.one_of(st.none(), SHARES), min_size=7, max_size=7),
    exponent=st.floats(0, 1),
    confidence=st.floats(0, 0.6),
    rule=RULES,
    prevalence=st.one_of(st.none(), SHARES),
    patient=st.booleans(),
)
def test_no_prediction_contradicts_itself(
    tiny_info: BundleInfo,
    logits: np.ndarray,
    thresholds: list[float],
    limits: list[float | None],
    exponent: float,
    confidence: float,
    rule: str | None,
    prevalence: float | None,
    patient: bool,
) -> None:
    counts = np.array(list(tiny_info.training_data.classes.values()))
    weights = tuple((counts / counts.sum()) ** -exponent)
    sets = PredictionSets(
        coverage=0.9,
        marginal=0.5,
        class_conditional=dict(zip(CODES, limits, strict=True)),
        lesions=dict.fromkeys(CODES, 30),
    )
    info = tiny_info.model_copy(
        update={
            "operating_points": points(thresholds),
            "prediction_sets": sets,
            "decision_rule": DecisionRule(exponent=exponent, weights=weights, min_confidence=confidence),
            "patient_effects": EFFECTS if patient else None,
        }
    )
    prediction = predict(info, logits, rule, prevalence)
    check_consistency(prediction)
    assert Prediction.model_validate_json(prediction.model_dump_json()) == prediction


def check_consistency(prediction: Prediction) -> None:
    """Check what the model validator checks, and the relations to the risk level, independently of it."""
    assert sum(prediction.probabilities.values()) == pytest.approx(1)
    if prediction.status == "abstained":
        assert prediction.abstain_reasons
        assert (prediction.top, prediction.risk, prediction.prediction_set) == ((), None, None)
        assert prediction.balanced_prediction is None
        assert all(point.positive is None for point in prediction.operating_points)
        assert prediction.headline.startswith("No result: ")
        return
    first, found = prediction.top[0], prediction.prediction_set
    assert first.probability == max(prediction.probabilities.values())
    assert all(a.probability >= b.probability for a, b in pairwise(prediction.top))
    assert found is not None
    assert found.codes[0] == first.code
    for point in prediction.operating_points:
        assert point.positive == (point.target_probability >= point.threshold)
        if point.positive:
            assert any(is_of_target(code, point.target) for code in found.codes)
    assert not (prediction.risk is Risk.LOW and first.code in DIAGNOSIS.malignant)
    if prediction.probabilities["mel"] > 0.5:
        assert first.code == "mel"
        assert "Melanoma" in prediction.headline


def prediction_of(**changes: Any) -> Prediction:
    content: dict[str, Any] = {
        "image": "a.jpg",
        "status": "ok",
        "p_malignant": 0.3,
        "risk": "moderate",
        "operating_points": [
            {
                "name": "95% sensitivity",
                "target": "malignant",
                "threshold": 0.1,
                "target_probability": 0.3,
                "positive": True,
            }
        ],
        "probabilities": {"mel": 0.3, "nv": 0.7},
        "top": [{"code": "nv", "name": "Melanocytic nevus", "probability": 0.7}],
        "prediction_set": {"coverage": 0.9, "codes": ["nv", "mel"]},
        "balanced_prediction": "mel",
        "model": "tiny@0",
    }
    return Prediction.model_validate(content | changes)


def test_the_headline_holds_probability_decision_and_prediction_set() -> None:
    assert prediction_of().headline == (
        "P(malignant) 30.0%, positive at 95% sensitivity, most probable: Melanocytic nevus 70.0%; "
        "cannot be ruled out: Melanoma"
    )
    melanoma = {"name": "90% sensitivity", "target": "melanoma", "threshold": 0.5, "target_probability": 0.3}
    other = prediction_of(p_malignant=None, operating_points=[melanoma | {"positive": False}], prediction_set=None)
    assert other.headline == ("P(melanoma) 30.0%, negative at 90% sensitivity, most probable: Melanocytic nevus 70.0%")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"top": [{"code": "mel", "name": "Melanoma", "probability": 0.3}]}, "not the most probable"),
        ({"prediction_set": {"coverage": 0.9, "codes": ["mel"]}}, "not in the prediction set"),
        ({"prediction_set": {"coverage": 0.9, "codes": ["nv"]}}, "has no such class"),
        ({"top": []}, "needs a diagnosis"),
        ({"risk": None}, "risk level"),
        ({"status": "abstained"}, "an abstention has no diagnosis"),
        (
            {
                "probabilities": {"mel": 0.7, "nv": 0.3},
                "top": [{"code": "mel", "name": "Melanoma", "probability": 0.7}],
                "risk": "low",
            },
            "low risk beside",
        ),
    ],
)
def test_a_contradiction_is_an_error(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        prediction_of(**changes)


def test_melanoma_above_one_half_leads_whatever_the_patient(tiny_info: BundleInfo) -> None:
    weights = (0.4, 0.05, 1.0, 60.0, 1.0, 5.0, 5.0)  # they favour akiec
    info = tiny_info.model_copy(
        update={"patient_effects": EFFECTS, "decision_rule": DecisionRule(exponent=1, weights=weights)}
    )
    prediction = predict(info, np.array([9.0, 3.0, -6.0, -3.0, -6.0, -6.0, -6.0]), None, None)
    assert prediction.probabilities["mel"] > 0.5
    assert prediction.balanced_prediction == "akiec"
    assert prediction.top[0].code == "mel"
    assert "most probable: Melanoma" in prediction.headline
