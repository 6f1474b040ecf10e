"""The views of a model's classes as those of other tasks."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lesionlab.taxonomy import DIAGNOSIS, DIAGNOSIS_11, TASKS
from lesionlab.taxonomy.views import ISIC_2018, columns_of, view_of


@pytest.mark.parametrize(
    ("model", "tasks"),
    [
        ("diagnosis", ["diagnosis", "malignant", "melanoma"]),
        ("diagnosis-11", ["diagnosis", "diagnosis-11", "malignant", "melanoma"]),
        ("malignant", ["malignant"]),
        ("melanoma", ["melanoma"]),
    ],
)
def test_a_view_needs_every_class(model: str, tasks: list[str]) -> None:
    assert [name for name, task in TASKS.items() if view_of(TASKS[model], task) is not None] == tasks


@given(st.integers(0, 2**32 - 1))
def test_the_seven_are_conditional_and_malignancy_is_summed(seed: int) -> None:
    rows = np.random.default_rng(seed).dirichlet(np.ones(11), 3)
    seven, two = view_of(DIAGNOSIS_11, DIAGNOSIS), view_of(DIAGNOSIS_11, TASKS["malignant"])
    assert seven is not None
    assert two is not None
    np.testing.assert_allclose(seven.probabilities(rows), rows[:, :7] / rows[:, :7].sum(axis=1, keepdims=True))
    assert (seven.conditional, seven.selects) == (True, True)
    malignant = [DIAGNOSIS_11.classes.index(code) for code in ("mel", "bcc", "akiec", "scc", "mal_oth")]
    np.testing.assert_allclose(two.probabilities(rows)[:, 1], rows[:, malignant].sum(axis=1))
    assert (two.conditional, two.selects) == (False, False)


def test_a_model_of_the_seven_is_its_own_view() -> None:
    rows = np.random.default_rng(0).dirichlet(np.ones(7), 5)
    for view in (view_of(DIAGNOSIS, DIAGNOSIS), columns_of(DIAGNOSIS, ISIC_2018)):
        assert view is not None
        assert (view.probabilities(rows) == rows).all()


def test_certainty_of_another_diagnosis_tells_nothing_about_the_seven() -> None:
    view = view_of(DIAGNOSIS_11, DIAGNOSIS)
    assert view is not None
    np.testing.assert_allclose(view.probabilities(np.eye(11)[DIAGNOSIS_11.classes.index("scc")]), 1 / 7)
