"""Risk levels from a stated sensitivity, a stated cost, or the most probable diagnosis."""

from pathlib import Path

import numpy as np
import pytest

from lesionlab.bundle import Bundle, BundleInfo, CurvePoint, SensitivityCurve
from lesionlab.errors import UsageError
from lesionlab.prediction import Predictor, RiskRule
from lesionlab.prediction.decision.risk import RiskScale
from lesionlab.taxonomy import DIAGNOSIS, Risk


@pytest.fixture
def info(tiny_info: BundleInfo) -> BundleInfo:
    points = tuple(
        CurvePoint(
            target_sensitivity=target, threshold=threshold, sensitivity=target + 0.004, specificity=1 - target / 2
        )
        for target, threshold in ((0.5, 0.4), (0.8, 0.2), (0.98, 0.02))
    )
    curve = SensitivityCurve(target="malignant", prevalence=0.2, points=points)
    return tiny_info.model_copy(update={"sensitivity_curves": (curve,)})


@pytest.mark.parametrize(
    ("rule", "levels"),
    [
        (None, "low moderate moderate high"),  # the bundle's threshold for 95 % is 0.08
        ("sensitivity=0.95", "low moderate moderate high"),
        ("sensitivity=0.8", "low low moderate high"),
        ("sensitivity=0.9", "moderate moderate moderate high"),  # the next that the curve has is that for 98 %
        ("cost=9", "low low moderate high"),  # 1 / (1 + 9)
        ("cost=99", "moderate moderate moderate high"),
        ("cost=0.25", "low low low low"),  # 0.8
    ],
)
def test_the_level_follows_from_the_rule(info: BundleInfo, rule: str | None, levels: str) -> None:
    scale = RiskScale.of(info, RiskRule.parse(rule) if rule else None)
    found = [scale.level("nv", value, value).value for value in (0.05, 0.09, 0.3, 0.7)]
    assert found == levels.split()
    assert scale.text.startswith("risk is low below ")


def test_the_rule_diagnosis_uses_the_diagnosis_alone(info: BundleInfo) -> None:
    scale = RiskScale.of(info, RiskRule.parse("diagnosis"))
    for code in DIAGNOSIS.classes:
        assert scale.level(code, 0.99, 0.99) is DIAGNOSIS.risk_of(code)
    assert scale.text == "risk is that of the most probable diagnosis"


def test_a_sensitivity_ignores_the_prevalence_and_a_cost_does_not(info: BundleInfo) -> None:
    by_sensitivity = RiskScale.of(info, RiskRule.parse("sensitivity=0.95"))
    by_cost = RiskScale.of(info, RiskRule.parse("cost=9"))
    # Positive at the threshold with a low probability at the stated prevalence, and the other way round.
    assert by_sensitivity.level("nv", 0.09, 0.01) is Risk.MODERATE
    assert by_cost.level("nv", 0.09, 0.01) is Risk.LOW
    assert by_sensitivity.level("nv", 0.05, 0.2) is Risk.LOW
    assert by_cost.level("nv", 0.05, 0.2) is Risk.MODERATE


def test_a_further_sensitivity_is_added_to_the_operating_points(info: BundleInfo, tiny_bundle: Path) -> None:
    stored = Bundle.load(tiny_bundle)
    bundle = Bundle(info, stored.graph, stored.path)
    predictor = Predictor.load(bundle, risk="sensitivity=0.8")
    own = predictor.info.operating_points[-1]
    assert (own.name, own.threshold, own.measured_on) == ("80% sensitivity", 0.2, "validation")
    assert own.ppv == pytest.approx(0.804 * 0.2 / (0.804 * 0.2 + 0.4 * 0.8))
    assert len(predictor.info.operating_points) == 1 + len(info.operating_points)
    elsewhere = Predictor.load(bundle, risk="sensitivity=0.8", prevalence={"malignant": 0.02})
    assert elsewhere.info.operating_points[-1].ppv < own.ppv
    # A sensitivity of the model's own is not added again.
    assert Predictor.load(bundle, risk="sensitivity=0.95").info.operating_points == info.operating_points


def test_a_model_without_thresholds_uses_the_diagnosis_or_a_cost(tiny_info: BundleInfo) -> None:
    bare = tiny_info.model_copy(update={"operating_points": ()})
    assert RiskScale.of(bare, None).text == "risk is that of the most probable diagnosis"
    assert RiskScale.of(bare, RiskRule.parse("cost=4")).threshold == pytest.approx(0.2)
    with pytest.raises(UsageError, match="has no threshold for 95% sensitivity"):
        RiskScale.of(bare, RiskRule.parse("sensitivity=0.95"))


def test_low_risk_never_stands_beside_a_malignant_diagnosis(info: BundleInfo) -> None:
    scale = RiskScale.of(info, RiskRule.parse("cost=0.25"))  # a threshold of 0.8
    assert scale.level("nv", 0.4, 0.4) is Risk.LOW
    assert scale.level("mel", 0.4, 0.4) is Risk.MODERATE


def test_a_cost_is_the_first_operating_point(info: BundleInfo, tiny_graph: bytes) -> None:
    predictor = Predictor.load(Bundle(info, tiny_graph, Path("tiny")), risk="cost=3")
    prediction = predictor.predict(np.full((40, 40, 3), (200, 120, 90), np.uint8))
    first = prediction.operating_points[0]
    assert (first.name, first.threshold, first.target_probability) == ("cost=3", 0.25, prediction.p_malignant)
    assert first.sensitivity is None
    assert len(prediction.operating_points) == 1 + len(info.operating_points)


@pytest.mark.parametrize(
    "text",
    ["", "always", "sensitivity", "sensitivity=1", "sensitivity=x", "cost=0", "cost=-3", "cost=inf", "diagnosis=1"],
)
def test_an_invalid_rule_is_an_error(text: str) -> None:
    with pytest.raises(UsageError, match="write sensitivity="):
        RiskRule.parse(text)
