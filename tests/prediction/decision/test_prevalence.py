"""Another prevalence changes the probabilities by Bayes' rule, and no decision at a threshold."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lesionlab.bundle import Bundle, BundleInfo, DecisionRule
from lesionlab.errors import UsageError
from lesionlab.export.calibrate import fit_calibration
from lesionlab.metrics import lesion_weights, percentile_interval
from lesionlab.prediction import Predictor
from lesionlab.prediction.decision.prevalence import at_prevalence, prior_shift
from lesionlab.taxonomy import CODES, DIAGNOSIS

COUNTS = dict(zip(CODES, (100, 600, 50, 30, 100, 10, 10), strict=True))
MELANOMA, TARGET = CODES.index("mel"), np.isin(CODES, DIAGNOSIS.malignant)


@pytest.fixture(scope="module")
def info(tiny_info: BundleInfo) -> BundleInfo:
    assert tiny_info.training_data.classes == COUNTS
    return tiny_info


@pytest.fixture(scope="module")
def bundle(info: BundleInfo, tiny_graph: bytes) -> Bundle:
    return Bundle(info, tiny_graph, Path("tiny"))


@given(share=st.floats(0.001, 0.9), name=st.sampled_from([*CODES, "malignant"]))
def test_the_mean_posterior_of_uninformative_images_is_the_prevalence(
    info: BundleInfo, share: float, name: str
) -> None:
    shift = prior_shift(info, {name: share})
    old = np.array(list(COUNTS.values())) / sum(COUNTS.values())
    shifted = shift.applied(old)
    np.testing.assert_allclose(shifted, shift.frequencies)
    members = TARGET if name == "malignant" else np.array(CODES) == name
    assert shifted[members].sum() == pytest.approx(share)
    # Within what was named, and within the rest, the proportions stay.
    for group in (members, ~members):
        np.testing.assert_allclose(shifted[group] / shifted[group].sum(), old[group] / old[group].sum())


@pytest.mark.slow
def test_the_mean_probability_is_the_prevalence_after_a_loss_with_class_weights(info: BundleInfo) -> None:
    # The best network under the class weights f^-0.5 overestimates rare classes, and a temperature cannot undo it.
    rng = np.random.default_rng(0)
    shares = np.array(list(COUNTS.values())) / sum(COUNTS.values())

    def images(count: int) -> tuple[np.ndarray, np.ndarray, list[str]]:
        labels = rng.choice(7, count, p=shares)
        # Of a Gaussian with unit covariance around the class's corner, at distance 2, the log likelihood is 2 x.
        logits = 2 * (rng.normal(0, 1, (count, 7)) + 2 * np.eye(7)[labels]) + 0.5 * np.log(shares)
        return 0.8 * logits, labels, [f"lesion {index // 2}" for index in range(count)]

    fitted_on, new = images(6000), images(6000)
    calibrations = {method: fit_calibration(*fitted_on, shares, method) for method in ("auto", "temperature")}
    assert calibrations["auto"].method == "prior"
    logits, labels, lesions = new
    positive = TARGET[labels]
    weights = np.where(positive, 0.02 / positive.mean(), 0.98 / (1 - positive.mean()))
    shift = prior_shift(info, {"malignant": 0.02})
    held = {}
    for method, calibration in calibrations.items():
        scores = shift.applied(calibration.probabilities(logits))[:, TARGET].sum(axis=1)
        drawn = lesion_weights(lesions, 300, 0) * weights
        low, high = percentile_interval((drawn @ scores) / drawn.sum(axis=1))
        held[method] = low <= 0.02 <= high
    assert held == {"auto": True, "temperature": False}


def test_the_prevalence_of_the_training_data_changes_nothing(info: BundleInfo) -> None:
    total = sum(COUNTS.values())
    rows = np.random.default_rng(0).dirichlet(np.ones(7), 5)
    shift = prior_shift(info, {code: count / total for code, count in COUNTS.items()})
    np.testing.assert_allclose(shift.applied(rows), rows)


def test_the_frequencies_of_the_calibration_come_before_those_of_the_training_data(info: BundleInfo) -> None:
    means = tuple(np.random.default_rng(1).dirichlet(np.ones(7)))
    calibration = info.calibration.model_copy(update={"mean_probabilities": means})
    shift = prior_shift(info.model_copy(update={"calibration": calibration}), {"malignant": 0.02})
    np.testing.assert_allclose(shift.applied(np.array(means)), shift.frequencies)
    assert shift.frequencies[TARGET].sum() == pytest.approx(0.02)


def test_odds_move_by_the_ratio_of_the_prior_odds(info: BundleInfo) -> None:
    rows = np.random.default_rng(0).dirichlet(np.ones(7), 5)
    target = rows[:, TARGET].sum(axis=1)
    moved = prior_shift(info, {"malignant": 0.01}).applied(rows)[:, TARGET].sum(axis=1)
    before = np.array([COUNTS[code] for code in DIAGNOSIS.malignant]).sum() / sum(COUNTS.values())
    factor = (0.01 / 0.99) / (before / (1 - before))
    np.testing.assert_allclose(moved / (1 - moved), factor * target / (1 - target))


@pytest.mark.parametrize(
    ("stated", "message"),
    [
        ({"freckle": 0.1}, "the classes are mel, nv"),
        ({"mel": 1.5}, "between 0 and 1"),
        ({"mel": float("nan")}, "between 0 and 1"),
        ({"mel": 0.7, "nv": 0.7}, "sum to 1.4"),
        ({"mel": 0.5, "nv": 0.5}, "leaves nothing"),
        ({"mel": 0.1, "malignant": 0.2}, "not of both"),
        (dict.fromkeys(CODES, 0.1), "sum to 0.7"),
    ],
)
def test_an_invalid_prevalence_is_an_error(info: BundleInfo, stated: dict[str, float], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        prior_shift(info, stated)


def test_a_model_without_class_frequencies_is_an_error(tiny_info: BundleInfo) -> None:
    data = tiny_info.training_data.model_copy(update={"classes": {}})
    with pytest.raises(UsageError, match="export its run again"):
        prior_shift(tiny_info.model_copy(update={"training_data": data}), {"mel": 0.1})


def test_predictive_values_follow_the_prevalence(info: BundleInfo) -> None:
    point = at_prevalence(info, prior_shift(info, {"malignant": 0.02})).operating_points[0]
    stated = info.operating_points[0]
    assert point.prevalence == pytest.approx(0.02)
    assert (point.threshold, point.sensitivity, point.specificity) == (
        stated.threshold,
        stated.sensitivity,
        stated.specificity,
    )
    found = 0.02 * point.sensitivity
    assert point.ppv == pytest.approx(found / (found + 0.98 * (1 - point.specificity)))


@pytest.mark.parametrize("exponent", [0.0, 0.5, 1.0])
def test_a_predictor_applies_it_and_thresholds_stay_comparable(bundle: Bundle, exponent: float) -> None:
    weights = tuple((np.array(list(COUNTS.values())) / sum(COUNTS.values())) ** -exponent)
    rule = DecisionRule(exponent=exponent, weights=weights)
    changed = Bundle(bundle.info.model_copy(update={"decision_rule": rule}), bundle.graph, bundle.path)
    image = np.full((40, 40, 3), (200, 120, 90), np.uint8)
    plain = Predictor(changed).predict(image)
    elsewhere = Predictor.load(changed, prevalence={"mel": 0.9})
    moved = elsewhere.predict(image)
    compared = [[point.target_probability for point in found.operating_points] for found in (plain, moved)]
    assert compared[0] == compared[1] == [plain.p_malignant]
    assert moved.probabilities["mel"] > plain.probabilities["mel"]
    assert sum(moved.probabilities.values()) == pytest.approx(1)
    # The balanced prediction (exponent 1) does not depend on the prevalence.
    if exponent == 1:
        assert moved.balanced_prediction == plain.balanced_prediction
    if exponent == 0:
        assert moved.balanced_prediction == moved.top[0].code
    assert moved.top[0].code == moved.most_probable
    assert elsewhere.info.operating_points[0].prevalence > 0.9
