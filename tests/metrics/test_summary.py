"""The metrics summary against scikit-learn and the official ISIC scorer, and edge cases."""

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
import sklearn.metrics
from isic_challenge_scoring.classification import ClassificationMetric, ClassificationScore
from scipy.stats import binomtest

from lesionlab.errors import DataError, UsageError
from lesionlab.metrics import Estimate, MetricsSummary, evaluate_predictions, lesion_weights, softmax
from lesionlab.taxonomy import CODES, DIAGNOSIS

MALIGNANT = np.isin(CODES, DIAGNOSIS.malignant)
TARGET_CALIBRATION = (
    "ece",
    "calibration_in_the_large",
    "brier",
    "brier_reliability",
    "brier_resolution",
    "brier_uncertainty",
)
OVERALL = [
    "accuracy",
    "balanced_accuracy",
    "macro_f1",
    "weighted_f1",
    "macro_auc",
    "malignant_auc",
    "malignant_recall",
    "malignant_specificity",
    "malignant_precision",
    "melanoma_auc",
    "ece",
    "classwise_ece",
    *(f"{target}_{name}" for target in ("malignant", "melanoma") for name in TARGET_CALIBRATION),
    "brier",
    "nll",
]
PER_CLASS = ["precision", "recall", "f1", "specificity", "auc", "average_precision"]


@dataclass(frozen=True)
class Sample:
    """Simulated predictions for lesions with one to four images each."""

    labels: npt.NDArray[np.int64]
    probabilities: npt.NDArray[np.float64]
    lesion_ids: list[str]


@pytest.fixture
def sample() -> Sample:
    generator = np.random.default_rng(3)
    shares = [0.12, 0.6, 0.06, 0.06, 0.1, 0.03, 0.03]
    lesions = np.concatenate([np.arange(7), generator.choice(7, 213, p=shares)])
    images = np.repeat(np.arange(220), generator.integers(1, 5, 220))
    labels = lesions[images]
    logits = generator.normal(size=(220, 7))[images] + generator.normal(scale=0.5, size=(len(images), 7))
    logits[np.arange(len(images)), labels] += 1.5
    return Sample(labels, softmax(logits), [f"lesion-{lesion}" for lesion in images])


def test_metrics_equal_scikit_learn(sample: Sample) -> None:
    labels, probabilities = sample.labels, sample.probabilities
    summary = evaluate_predictions(labels, probabilities, sample.lesion_ids, resamples=0)
    predicted = probabilities.argmax(axis=1)
    malignant, predicted_malignant = MALIGNANT[labels], MALIGNANT[predicted]
    expected = {
        "accuracy": sklearn.metrics.accuracy_score(labels, predicted),
        "balanced_accuracy": sklearn.metrics.balanced_accuracy_score(labels, predicted),
        "macro_f1": sklearn.metrics.f1_score(labels, predicted, average="macro"),
        "weighted_f1": sklearn.metrics.f1_score(labels, predicted, average="weighted"),
        "macro_auc": sklearn.metrics.roc_auc_score(labels, probabilities, multi_class="ovr"),
        "malignant_auc": sklearn.metrics.roc_auc_score(malignant, probabilities[:, MALIGNANT].sum(axis=1)),
        "malignant_recall": sklearn.metrics.recall_score(malignant, predicted_malignant),
        "malignant_specificity": sklearn.metrics.recall_score(~malignant, ~predicted_malignant),
        "malignant_precision": sklearn.metrics.precision_score(malignant, predicted_malignant),
        "melanoma_auc": sklearn.metrics.roc_auc_score(labels == 0, probabilities[:, 0]),
        "malignant_brier": sklearn.metrics.brier_score_loss(malignant, probabilities[:, MALIGNANT].sum(axis=1)),
        "melanoma_brier": sklearn.metrics.brier_score_loss(labels == 0, probabilities[:, 0]),
        "melanoma_calibration_in_the_large": probabilities[:, 0].mean() - (labels == 0).mean(),
        "nll": sklearn.metrics.log_loss(labels, probabilities),
    }
    assert list(summary.overall) == OVERALL
    assert {name: summary.overall[name].value for name in expected} == pytest.approx(expected)
    matrix = sklearn.metrics.confusion_matrix(labels, predicted)
    assert summary.confusion_matrix == tuple(map(tuple, matrix.tolist()))
    assert summary.support == dict(zip(CODES, np.bincount(labels).tolist(), strict=True))
    assert (summary.n_images, summary.n_lesions) == (len(labels), len(set(sample.lesion_ids)))


def test_metrics_equal_the_official_isic_scorer(sample: Sample) -> None:
    columns = [code.upper() for code in CODES]
    truth = pd.DataFrame(np.eye(7)[sample.labels], columns=columns)
    predictions = pd.DataFrame(sample.probabilities, columns=columns)
    weights = pd.DataFrame({"score_weight": 1.0, "validation_weight": 1.0}, index=truth.index)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pandas warnings of the scorer
        official = ClassificationScore(truth, predictions, weights, ClassificationMetric.BALANCED_ACCURACY)
    summary = evaluate_predictions(sample.labels, sample.probabilities, sample.lesion_ids, resamples=0)
    assert summary.overall["balanced_accuracy"].value == pytest.approx(official.overall)
    assert summary.overall["macro_auc"].value == pytest.approx(official.macro_average["auc"])
    for code in CODES:
        ours, theirs = summary.per_class[code], official.per_category.loc[code.upper()]
        assert ours["auc"].value == pytest.approx(theirs["auc"])
        assert ours["average_precision"].value == pytest.approx(theirs["ap"])


@pytest.mark.slow
def test_intervals_equal_those_of_separately_measured_resamples(sample: Sample) -> None:
    resamples = 40
    summary = evaluate_predictions(sample.labels, sample.probabilities, sample.lesion_ids, resamples=resamples, seed=4)
    alone = []
    for weights in lesion_weights(sample.lesion_ids, resamples, seed=4):
        rows = np.repeat(np.arange(len(weights)), weights)
        alone.append(
            evaluate_predictions(
                sample.labels[rows], sample.probabilities[rows], [sample.lesion_ids[row] for row in rows], resamples=0
            )
        )

    def agrees(estimate: Estimate, value_in: Callable[[MetricsSummary], float | None]) -> None:
        values = [math.nan if (value := value_in(one)) is None else value for one in alone]
        assert (estimate.low, estimate.high) == pytest.approx(tuple(np.nanquantile(values, [0.025, 0.975])))

    for name, estimate in summary.overall.items():
        agrees(estimate, lambda one, name=name: one.overall[name].value)  # type: ignore[misc]
    for code, metrics in summary.per_class.items():
        for name, estimate in metrics.items():
            agrees(estimate, lambda one, code=code, name=name: one.per_class[code][name].value)  # type: ignore[misc]


def test_intervals_depend_on_the_seed_and_not_on_the_chunk_size(
    sample: Sample, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = (sample.labels, sample.probabilities, sample.lesion_ids)
    whole = evaluate_predictions(*arguments, resamples=30, seed=2)
    monkeypatch.setattr("lesionlab.metrics.bootstrap._WEIGHTS_PER_CHUNK", 7 * len(sample.labels))
    chunked = evaluate_predictions(*arguments, resamples=30, seed=2)
    assert chunked.support == whole.support
    for name, estimate in whole.overall.items():
        assert chunked.overall[name].model_dump() == pytest.approx(estimate.model_dump())
    other = evaluate_predictions(*arguments, resamples=30, seed=3)
    assert other.overall["accuracy"].value == whole.overall["accuracy"].value
    assert other.overall["accuracy"] != whole.overall["accuracy"]


def test_json_round_trip_with_null_for_undefined_metrics(sample: Sample) -> None:
    without_df = sample.labels != CODES.index("df")
    ids = [lesion for lesion, kept in zip(sample.lesion_ids, without_df, strict=True) if kept]
    summary = evaluate_predictions(sample.labels[without_df], sample.probabilities[without_df], ids, resamples=20)
    text = summary.model_dump_json()
    assert "NaN" not in text
    assert MetricsSummary.model_validate_json(text) == summary
    assert summary.support["df"] == 0
    undefined = Estimate(value=None, low=None, high=None)
    for name in ("recall", "auc", "average_precision"):
        assert summary.per_class["df"][name] == undefined
    assert summary.per_class["df"]["specificity"].value is not None
    present = [summary.per_class[code]["recall"].value for code in CODES if code != "df"]
    assert summary.overall["balanced_accuracy"].value == pytest.approx(np.mean(np.array(present, dtype=np.float64)))


def test_single_image() -> None:
    summary = evaluate_predictions([1], [[0.1, 0.6, 0.1, 0.05, 0.05, 0.05, 0.05]], ["a"], resamples=10)
    assert list(summary.per_class["nv"]) == PER_CLASS
    assert summary.overall["accuracy"].model_dump() == pytest.approx({"value": 1, "low": 0.025, "high": 1})
    assert summary.overall["malignant_specificity"].value == 1
    assert summary.overall["macro_auc"].value is None
    assert summary.overall["malignant_recall"].value is None
    assert summary.overall["malignant_precision"].value is None
    assert summary.overall["nll"].value == pytest.approx(-math.log(0.6))


def test_one_class_predicted_for_everything(sample: Sample) -> None:
    always_nv = np.tile(np.eye(7)[1], (len(sample.labels), 1))
    summary = evaluate_predictions(sample.labels, always_nv, sample.lesion_ids, resamples=20)
    assert summary.overall["balanced_accuracy"].value == pytest.approx(1 / 7)
    auc = summary.overall["macro_auc"]
    assert auc.low is not None
    assert auc.high is not None
    assert auc.value == 0.5
    assert auc.low < 0.5 < auc.high
    assert summary.overall["malignant_recall"].value == 0
    assert summary.per_class["mel"]["precision"] == Estimate(value=None, low=None, high=None)
    assert summary.per_class["mel"]["f1"].value == 0


def test_interval_needs_half_of_the_resamples() -> None:
    # The AUC needs both lesions, which about half of the resamples contain.
    probabilities = [[0.05] * 6 + [0.7], [0.05, 0.7] + [0.05] * 5]
    seen = set()
    for seed in range(10):
        auc = evaluate_predictions([6, 1], probabilities, ["a", "b"], resamples=25, seed=seed).per_class["vasc"]["auc"]
        defined = (lesion_weights(["a", "b"], 25, seed) > 0).all(axis=1).mean() >= 0.5
        assert auc.value == 1
        # One pair of lesions: the exact limit is 2.5%.
        assert (auc.low, auc.high) == (pytest.approx((0.025, 1)) if defined else (None, None))
        seen.add(bool(defined))
    assert seen == {True, False}


def test_three_correct_lesions_of_one_class_have_exact_intervals() -> None:
    probabilities = np.full((3, 7), 0.02)
    probabilities[:, 0] = 0.88
    for images, lesions in ((1, 3), (4, 3), (1, 1)):  # several images of a lesion are one trial
        labels, rows = np.zeros(images * lesions, dtype=np.int64), np.resize(probabilities, (images * lesions, 7))
        ids = [f"{number // images}" for number in range(images * lesions)]
        summary = evaluate_predictions(labels, rows, ids)
        expected = binomtest(lesions, lesions).proportion_ci(method="exact")
        rates = [summary.overall[name] for name in ("accuracy", "balanced_accuracy", "malignant_recall")]
        for rate in (*rates, summary.per_class["mel"]["recall"], summary.per_class["mel"]["precision"]):
            assert rate.model_dump() == pytest.approx({"value": 1, "low": expected.low, "high": expected.high})
        share = expected.low
        assert summary.per_class["mel"]["f1"].low == pytest.approx(2 * share / (1 + share))
        assert_no_interval_without_width(summary)


def test_perfect_predictions_have_exact_intervals() -> None:
    labels = np.repeat(np.arange(7), [5, 40, 6, 6, 8, 4, 4])
    probabilities = np.full((73, 7), 0.01)
    probabilities[np.arange(73), labels] = 0.94
    summary = evaluate_predictions(labels, probabilities, [str(number) for number in range(73)])
    for name, trials in (("accuracy", 73), ("malignant_recall", 17), ("malignant_auc", 17), ("melanoma_auc", 5)):
        assert summary.overall[name].model_dump() == pytest.approx(
            {"value": 1, "low": 0.025 ** (1 / trials), "high": 1}
        )
    assert summary.overall["balanced_accuracy"].low == pytest.approx(
        np.mean([0.025 ** (1 / count) for count in (5, 40, 6, 6, 8, 4, 4)])
    )
    assert summary.per_class["mel"]["average_precision"] == Estimate(value=1, low=None, high=None)
    assert_no_interval_without_width(summary)


@pytest.mark.slow
@pytest.mark.parametrize("lesions", [1, 2, 3, 10])
@pytest.mark.parametrize("classes", [(0,), (1,), (0, 1), (0, 1, 5)])
@pytest.mark.parametrize("skill", [-50.0, 0.0, 50.0])
def test_no_small_evaluation_has_an_interval_without_width(
    lesions: int, classes: tuple[int, ...], skill: float
) -> None:
    labels = np.resize(classes, 2 * lesions)
    logits = np.random.default_rng(lesions).normal(size=(2 * lesions, 7)) * (skill == 0)
    logits[np.arange(2 * lesions), labels] += skill
    summary = evaluate_predictions(labels, softmax(logits), [str(i % lesions) for i in range(2 * lesions)])
    assert_no_interval_without_width(summary)


def assert_no_interval_without_width(summary: MetricsSummary) -> None:
    for metrics in (summary.overall, *summary.per_class.values()):
        for name, estimate in metrics.items():
            if estimate.low is not None:
                assert estimate.value is not None
                assert estimate.high is not None
                assert estimate.high > estimate.low + 1e-9, name
                biased = name.endswith("ece") or "brier_" in name
                assert biased or estimate.low - 1e-9 <= estimate.value <= estimate.high + 1e-9, name
            without = name in ("average_precision", "nll", "classwise_ece") or "brier_" in name
            if not without and estimate.value is not None and estimate.low is None:
                # Fewer than half of the resamples define it.
                assert summary.n_lesions <= 3, name


def test_correlated_images_of_a_lesion_widen_the_interval(sample: Sample) -> None:
    arguments = (sample.labels, sample.probabilities)
    together = evaluate_predictions(*arguments, sample.lesion_ids, resamples=400).overall["accuracy"]
    apart = evaluate_predictions(*arguments, [str(i) for i in range(len(sample.labels))], resamples=400).overall[
        "accuracy"
    ]
    assert None not in (together.low, together.high, apart.low, apart.high)
    assert together.high - together.low > 1.2 * (apart.high - apart.low)  # type: ignore[operator]


def test_binary_task() -> None:
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 2, 80)
    score = np.clip(0.5 + 0.2 * (labels - 0.5) + generator.normal(scale=0.15, size=80), 0, 1)
    summary = evaluate_predictions(
        labels,
        np.stack([1 - score, score], axis=1),
        [str(image) for image in range(80)],
        codes=("benign", "malignant"),
        malignant=("malignant",),
        resamples=20,
    )
    assert summary.overall["malignant_auc"].value == pytest.approx(sklearn.metrics.roc_auc_score(labels, score))
    assert summary.overall["malignant_recall"].value == pytest.approx(sklearn.metrics.recall_score(labels, score > 0.5))
    assert summary.overall["melanoma_auc"].value is None
    assert list(summary.per_class) == ["benign", "malignant"]


GOOD = np.full((2, 7), 1 / 7)


@pytest.mark.parametrize(
    ("labels", "probabilities", "lesion_ids", "message"),
    [
        ([], np.zeros((0, 7)), [], "no images"),
        ([0], GOOD, ["a", "b"], "give one"),
        ([0, 1], GOOD[:, :6], ["a", "b"], "give one"),
        ([0, 1], GOOD, ["a"], "give one"),
        ([0, 7], GOOD, ["a", "b"], "not indices of the 7 classes"),
        ([0, -1], GOOD, ["a", "b"], "not indices of the 7 classes"),
        ([0.0, 1.0], GOOD, ["a", "b"], "not indices of the 7 classes"),
        ([0, 1], GOOD * [[1], [2]], ["a", "b"], "row 1 of the probabilities"),
        ([0, 1], GOOD * [[np.nan], [1]], ["a", "b"], "row 0 of the probabilities"),
    ],
)
def test_invalid_predictions_are_rejected(
    labels: npt.ArrayLike, probabilities: npt.ArrayLike, lesion_ids: list[str], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        evaluate_predictions(labels, probabilities, lesion_ids)


def test_negative_number_of_resamples_is_rejected() -> None:
    with pytest.raises(UsageError, match="give 0 or more"):
        evaluate_predictions([0, 1], GOOD, ["a", "b"], resamples=-1)
