"""Risk levels from a stated sensitivity, a stated cost, or the answer."""

from pathlib import Path

import numpy as np
import pytest

from lesionlab.bundle import Bundle, BundleInfo, CurvePoint, SensitivityCurve
from lesionlab.errors import UsageError
from lesionlab.prediction import Ensemble, Predictor, RiskRule
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
def test_a_level_follows_from_what_was_stated(info: BundleInfo, rule: str | None, levels: str) -> None:
    scale = RiskScale.of(info, RiskRule.parse(rule) if rule else None)
    found = [scale.level("nv", info, value, value).value for value in (0.05, 0.09, 0.3, 0.7)]
    assert found == levels.split()
    assert scale.meaning.startswith("risk is low below ")


def test_the_rule_of_the_answer_goes_by_the_diagnosis_alone(info: BundleInfo) -> None:
    scale = RiskScale.of(info, RiskRule.parse("answer"))
    for code in DIAGNOSIS.classes:
        assert scale.level(code, info, 0.99, 0.99) is DIAGNOSIS.risk_of(code)
    assert scale.meaning == "risk is that of the answer"


def test_a_sensitivity_is_one_of_the_training_data_and_a_cost_one_of_the_place(info: BundleInfo) -> None:
    by_sensitivity = RiskScale.of(info, RiskRule.parse("sensitivity=0.95"))
    by_cost = RiskScale.of(info, RiskRule.parse("cost=9"))
    # Suspicious by the threshold, while in this place few are malignant; and the other way round.
    assert by_sensitivity.level("nv", info, 0.09, 0.01) is Risk.MODERATE
    assert by_cost.level("nv", info, 0.09, 0.01) is Risk.LOW
    assert by_sensitivity.level("nv", info, 0.05, 0.2) is Risk.LOW
    assert by_cost.level("nv", info, 0.05, 0.2) is Risk.MODERATE


def test_a_threshold_of_ones_own_stands_beside_the_others(info: BundleInfo, tiny_bundle: Path) -> None:
    stored = Bundle.load(tiny_bundle)
    bundle = Bundle(info, stored.graph, stored.path)
    predictor = Predictor(bundle, risk=RiskRule.parse("sensitivity=0.8"))
    own = predictor.info.operating_points[-1]
    assert (own.name, own.threshold, own.measured_on) == ("sensitivity_80", 0.2, "validation")
    assert own.ppv == pytest.approx(0.804 * 0.2 / (0.804 * 0.2 + 0.4 * 0.8))
    assert len(predictor.info.operating_points) == 1 + len(info.operating_points)
    elsewhere = Predictor(bundle, risk=RiskRule.parse("sensitivity=0.8"), prevalence={"malignant": 0.02})
    assert elsewhere.info.operating_points[-1].ppv < own.ppv
    # The model's own threshold is not told twice.
    assert Predictor(bundle, risk=RiskRule.parse("sensitivity=0.95")).info.operating_points == info.operating_points


def test_without_thresholds_there_is_the_answer_or_a_cost(tiny_info: BundleInfo) -> None:
    bare = tiny_info.model_copy(update={"operating_points": ()})
    assert RiskScale.of(bare, None).meaning == "risk is that of the answer"
    assert RiskScale.of(bare, RiskRule.parse("cost=4")).threshold == pytest.approx(0.2)
    with pytest.raises(UsageError, match="has no threshold for 95% sensitivity"):
        RiskScale.of(bare, RiskRule.parse("sensitivity=0.95"))


def test_an_ensemble_has_no_threshold_of_its_own(tiny_info: BundleInfo, tiny_bundle: Path) -> None:
    stored = Bundle.load(tiny_bundle)
    other = Bundle(tiny_info.model_copy(update={"graph_sha256": "c" * 64}), stored.graph, stored.path)
    members = [Predictor(stored), Predictor(other)]
    image = np.full((40, 40, 3), (200, 120, 90), np.uint8)
    (answer,) = Ensemble(members).predict_many([image])
    assert answer.risk == DIAGNOSIS.risk_of(answer.top[0].code)  # type: ignore[union-attr]
    (judged,) = Ensemble(members, RiskRule.parse("cost=1e6")).predict_many([image])
    assert judged.risk is not Risk.LOW  # type: ignore[union-attr]
    with pytest.raises(UsageError, match="an ensemble of bundles has none"):
        Ensemble(members, RiskRule.parse("sensitivity=0.9"))


@pytest.mark.parametrize(
    "text", ["", "always", "sensitivity", "sensitivity=1", "sensitivity=x", "cost=0", "cost=-3", "cost=inf", "answer=1"]
)
def test_what_is_no_rule_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(UsageError, match="write sensitivity="):
        RiskRule.parse(text)
