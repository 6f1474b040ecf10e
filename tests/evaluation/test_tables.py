"""The tables of the report: operating points, confusion matrix."""

from collections.abc import Callable

import numpy as np
import pytest

from lesionlab.evaluation.report import ReportContext
from lesionlab.evaluation.results import EvaluatedSubset
from lesionlab.evaluation.tables import confusion_cells, operating_point_rows, positives_and_scores
from lesionlab.taxonomy import TASKS

MakeSubset = Callable[..., EvaluatedSubset]
MakeContext = Callable[..., ReportContext]


def test_malignancy_score_is_the_sum_of_three_classes(make_subset: MakeSubset) -> None:
    evaluated = make_subset([0, 1, 2, 3, 4, 5, 6])
    positive, scores = positives_and_scores(evaluated)
    assert positive.tolist() == [True, False, True, True, False, False, False]
    assert scores == pytest.approx(evaluated.probabilities[:, [0, 2, 3]].sum(axis=1))


def test_operating_point_is_measured_with_an_interval(make_subset: MakeSubset, make_context: MakeContext) -> None:
    evaluated = make_subset(np.arange(140) % 7)
    row = operating_point_rows(evaluated, make_context().bundle.operating_points)[0]
    positive, scores = positives_and_scores(evaluated)
    assert row.sensitivity.value == pytest.approx((scores[positive] >= 0.3).mean())
    assert row.specificity.value == pytest.approx((scores[~positive] < 0.3).mean())
    low, value, high = row.sensitivity.low, row.sensitivity.value, row.sensitivity.high
    assert low is not None
    assert value is not None
    assert high is not None
    assert low < value < high
    assert [prevalence for prevalence, _, _ in row.elsewhere] == [0.01, 0.05, 0.2]
    predictive = [ppv for _, ppv, _ in row.elsewhere]
    assert predictive == sorted(predictive)


def test_confusion_rows_sum_to_one_or_have_no_share(make_subset: MakeSubset) -> None:
    cells = confusion_cells(make_subset([0, 0, 1, 4]))
    sums = [sum(cell.share or 0 for cell in row) for row in cells]
    assert sums == pytest.approx([1, 1, 0, 0, 1, 0, 0])
    assert cells[2][0].share is None


@pytest.mark.parametrize(("task", "positives"), [("malignant", [0, 2, 3]), ("melanoma", [0])])
def test_tables_of_a_binary_task(
    make_subset: MakeSubset, make_context: MakeContext, task: str, positives: list[int]
) -> None:
    evaluated = make_subset(np.arange(140) % 7, task=TASKS[task])
    positive, scores = positives_and_scores(evaluated)
    np.testing.assert_array_equal(positive, np.isin(np.arange(140) % 7, positives))
    np.testing.assert_array_equal(scores, evaluated.probabilities[:, 1])
    row = operating_point_rows(evaluated, make_context(task=task).bundle.operating_points)[0]
    assert row.sensitivity.value == pytest.approx((scores[positive] >= 0.3).mean())
    assert row.here.prevalence == pytest.approx(positive.mean())
    assert [len(cells) for cells in confusion_cells(evaluated)] == [2, 2]
