"""What `evaluation.json` may say."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from lesionlab import RESEARCH_ONLY
from lesionlab.bundle import Bundle, EvaluationSummary, Roc, RocPoint


@pytest.fixture(scope="module")
def evaluation(tiny_whole_bundle: Path) -> EvaluationSummary:
    found = Bundle.load(tiny_whole_bundle).evaluation
    assert found is not None
    return found


def test_it_holds_the_notice(evaluation: EvaluationSummary) -> None:
    assert evaluation.model_dump()["notice"] == RESEARCH_ONLY


@pytest.mark.parametrize(
    "changes",
    [
        {"classes": ("benign", "malignant")},
        {"confusion_matrix": ((1, 2), (3, 4))},
        {"support": {"mel": 3}},
        {"graph_sha256": "abc"},
        {"colour": "red"},
        {"n_images": 0},
    ],
)
def test_inconsistent_content_is_an_error(evaluation: EvaluationSummary, changes: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        EvaluationSummary.model_validate(evaluation.model_dump() | changes)


def test_the_length_of_a_curve_is_bounded(evaluation: EvaluationSummary) -> None:
    points = tuple(RocPoint(fpr=i / 300, tpr=1) for i in range(201))
    with pytest.raises(ValidationError, match="at most 200"):
        Roc(auc=evaluation.overall["accuracy"], points=points)
