"""Risk levels from a stated sensitivity, a stated cost, or the most probable diagnosis."""

from pathlib import Path

import numpy as np
import pytest

from lesionlab.bundle import Bundle, BundleInfo, CurvePoint, Patient, PatientEffects, PatientThreshold, SensitivityCurve
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
    plain = tiny_info.operating_points[0].model_copy(
        update={"patient": PatientThreshold(threshold=0.12, sensitivity=0.96, specificity=0.7)}
    )
    guaranteed = {"name": "95% sensitivity at 95% confidence", "confidence": 0.95, "threshold": 0.03}
    update = {
        "sensitivity_curves": (curve,),
        "operating_points": (plain, tiny_info.operating_points[0].model_copy(update=guaranteed)),
    }
    return tiny_info.model_copy(update=update)


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
        ("threshold=0.1", "low low moderate high"),
        ("specificity=0.6", "low low moderate high"),  # that of the point for 80 % is 0.6
        ("specificity=0.7", "low low low high"),  # only the point for 50 % has as much
        ("sensitivity=0.95,confidence=0.95", "moderate moderate moderate high"),  # 0.03
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
    # Guaranteed thresholds are compared on request only.
    assert [point.name for point in prediction.operating_points] == ["cost=3", "95% sensitivity"]


def test_a_guaranteed_threshold_is_compared_on_request(info: BundleInfo, tiny_graph: bytes) -> None:
    bundle, pixels = Bundle(info, tiny_graph, Path("tiny")), np.full((40, 40, 3), (200, 120, 90), np.uint8)
    assert [p.name for p in Predictor.load(bundle).predict(pixels).operating_points] == ["95% sensitivity"]
    asked = Predictor.load(bundle, risk="sensitivity=0.95,confidence=0.95")
    assert asked.risk_rule.startswith("risk is low below the threshold for 95% sensitivity at 95% confidence")
    names = ["95% sensitivity at 95% confidence", "95% sensitivity"]
    assert [p.name for p in asked.predict(pixels).operating_points] == names
    with pytest.raises(UsageError, match="its guaranteed thresholds are for 95% sensitivity at 95% confidence;"):
        Predictor.load(bundle, risk="sensitivity=0.9,confidence=0.95")


def test_the_point_behind_the_risk_comes_first_at_another_prevalence(info: BundleInfo, tiny_graph: bytes) -> None:
    lower = info.operating_points[0].model_copy(update={"name": "90% sensitivity", "target_sensitivity": 0.9})
    changed = info.model_copy(update={"operating_points": (lower, *info.operating_points)})
    predictor = Predictor.load(Bundle(changed, tiny_graph, Path("tiny")), prevalence={"malignant": 0.02})
    first = predictor.predict(np.full((40, 40, 3), (200, 120, 90), np.uint8)).operating_points[0]
    assert first.name == "95% sensitivity"
    assert first.prevalence == pytest.approx(0.02)


def test_a_threshold_and_a_specificity_of_the_user(info: BundleInfo, tiny_graph: bytes) -> None:
    bundle = Bundle(info, tiny_graph, Path("tiny"))
    pixels = np.full((40, 40, 3), (200, 120, 90), np.uint8)
    own = Predictor.load(bundle, threshold=0.15)
    first = own.predict(pixels).operating_points[0]
    assert (first.name, first.threshold, first.sensitivity) == ("threshold=0.15", 0.15, None)
    assert own.risk_rule.startswith("risk is low below 15%, high where")
    specific = Predictor.load(bundle, risk="specificity=0.6").predict(pixels).operating_points[0]
    assert (specific.name, specific.threshold, specific.specificity) == ("60% specificity", 0.2, 0.6)
    with pytest.raises(UsageError, match=r"no threshold for 99% specificity: its thresholds have at most 75\.0%"):
        Predictor.load(bundle, risk="specificity=0.99")
    with pytest.raises(UsageError, match="exclude each other"):
        Predictor.load(bundle, risk="cost=3", threshold=0.15)
    for wrong in (0.0, 1.0, float("nan")):
        with pytest.raises(UsageError, match="give a probability between 0 and 1"):
            Predictor.load(bundle, threshold=wrong)


def test_patient_data_are_compared_with_thresholds_of_their_own(info: BundleInfo, tiny_graph: bytes) -> None:
    effects = PatientEffects(
        ages=(),
        age=(),
        sex={"female": (0.0,) * 7, "male": (0.1,) * 7},
        site={},
        strength=1.0,
        images=10,
        nll_without=1.0,
        nll_with=0.9,
    )
    bundle = Bundle(info.model_copy(update={"patient_effects": effects}), tiny_graph, Path("tiny"))
    pixels, predictor = np.full((40, 40, 3), (200, 120, 90), np.uint8), Predictor.load(bundle)
    for patient, threshold in ((None, 0.08), (Patient(site="back"), 0.08), (Patient(sex="male"), 0.12)):
        point = predictor.predict(pixels, patient).operating_points[0]
        assert point.threshold == threshold
        assert point.positive == (point.target_probability >= threshold)
    assert (point.sensitivity, point.specificity, point.measured_on) == (0.96, 0.7, "validation")
    assert point.ppv == pytest.approx(0.96 * 0.195 / (0.96 * 0.195 + 0.3 * 0.805))
    scale = RiskScale.of(bundle.info, None)
    assert scale.level("nv", 0.1, 0.1) is Risk.MODERATE
    assert scale.level("nv", 0.1, 0.1, patient=True) is Risk.LOW


@pytest.mark.parametrize(
    "text",
    [
        "specificity=0",
        "threshold=1",
        "cost=3,confidence=0.9",
        "sensitivity=0.9,confidence=1",
        "",
        "always",
        "sensitivity",
        "sensitivity=1",
        "sensitivity=x",
        "cost=0",
        "cost=-3",
        "cost=inf",
        "diagnosis=1",
    ],
)
def test_an_invalid_rule_is_an_error(text: str) -> None:
    with pytest.raises(UsageError, match="write sensitivity="):
        RiskRule.parse(text)
