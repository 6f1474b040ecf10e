"""The confusion matrix and its metrics against scikit-learn."""

import warnings

import numpy as np
import numpy.typing as npt
import pytest
import sklearn.metrics
from hypothesis import given
from hypothesis import strategies as st

from lesionlab.metrics import confusion

CLASSES = 4
Case = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]]


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Generate labels, predictions and weights of few images, often with missing classes."""
    size = draw(st.integers(1, 12))
    column = st.lists(st.integers(0, CLASSES - 1), min_size=size, max_size=size)
    weights = st.lists(st.integers(0, 3), min_size=size, max_size=size).filter(any)
    return np.array(draw(column)), np.array(draw(column)), np.array(draw(weights))


@given(cases())
def test_matrix_equals_scikit_learn(case: Case) -> None:
    labels, predictions, weights = case
    expected = sklearn.metrics.confusion_matrix(labels, predictions, labels=range(CLASSES), sample_weight=weights)
    np.testing.assert_array_equal(confusion.confusion_matrix(labels, predictions, CLASSES, weights), expected)


@given(cases())
def test_weights_equal_repeated_rows_alone_and_in_a_batch(case: Case) -> None:
    labels, predictions, weights = case
    repeated = confusion.confusion_matrix(labels.repeat(weights), predictions.repeat(weights), CLASSES)
    once = confusion.confusion_matrix(labels, predictions, CLASSES)
    both = confusion.confusion_matrix(labels, predictions, CLASSES, np.stack([weights, np.ones_like(weights)]))
    np.testing.assert_array_equal(both, np.stack([repeated, once]))


@given(cases())
def test_metrics_per_class_equal_scikit_learn_with_nan_for_undefined(case: Case) -> None:
    labels, predictions, weights = case
    matrix = confusion.confusion_matrix(labels, predictions, CLASSES, weights)
    precision, recall, f1, support = sklearn.metrics.precision_recall_fscore_support(
        labels, predictions, labels=range(CLASSES), sample_weight=weights, zero_division=np.nan
    )
    np.testing.assert_allclose(confusion.precision(matrix), precision)
    np.testing.assert_allclose(confusion.recall(matrix), recall)
    np.testing.assert_allclose(confusion.f1(matrix), f1)
    np.testing.assert_array_equal(confusion.support(matrix), support)
    for index in range(CLASSES):
        others = sklearn.metrics.recall_score(
            labels != index, predictions != index, sample_weight=weights, zero_division=np.nan
        )
        np.testing.assert_allclose(confusion.specificity(matrix)[index], others)


@pytest.mark.slow
@given(cases())
def test_averages_equal_scikit_learn_defaults(case: Case) -> None:
    labels, predictions, weights = case
    drawn = labels.repeat(weights), predictions.repeat(weights)
    matrix = confusion.confusion_matrix(labels, predictions, CLASSES, weights)
    assert confusion.accuracy(matrix) == pytest.approx(sklearn.metrics.accuracy_score(*drawn))
    assert confusion.macro_f1(matrix) == pytest.approx(sklearn.metrics.f1_score(*drawn, average="macro"))
    assert confusion.weighted_f1(matrix) == pytest.approx(sklearn.metrics.f1_score(*drawn, average="weighted"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about predicted classes without labels
        expected = sklearn.metrics.balanced_accuracy_score(*drawn)
    assert confusion.balanced_accuracy(matrix) == pytest.approx(expected)


def test_class_never_predicted_has_no_precision_and_an_f1_of_zero() -> None:
    matrix = confusion.confusion_matrix(np.array([0, 1]), np.array([0, 0]), 3)
    np.testing.assert_array_equal(confusion.precision(matrix), [0.5, np.nan, np.nan])
    np.testing.assert_array_equal(confusion.f1(matrix), [2 / 3, 0.0, np.nan])


def test_metrics_of_an_empty_resample_are_undefined() -> None:
    matrix = confusion.confusion_matrix(np.array([0, 1]), np.array([0, 1]), 2, np.zeros((1, 2), dtype=np.int64))
    for measure in (confusion.accuracy, confusion.balanced_accuracy, confusion.macro_f1, confusion.weighted_f1):
        assert np.isnan(measure(matrix)).all()


@given(cases())
def test_collapse_equals_merging_the_labels(case: Case) -> None:
    labels, predictions, weights = case
    positive = np.array([True, False, True, False])
    merged = confusion.confusion_matrix(positive[labels].astype(int), positive[predictions].astype(int), 2, weights)
    matrix = confusion.confusion_matrix(labels, predictions, CLASSES, weights)
    np.testing.assert_array_equal(confusion.collapse(matrix, positive), merged)
