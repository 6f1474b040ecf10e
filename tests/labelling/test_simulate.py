"""The replayed loop: its budget, its held-out lesions, and its curves against random sampling."""

import numpy as np
import pytest

from lesionlab.data.stratify import lesion_folds
from lesionlab.errors import UsageError
from lesionlab.labelling.curves import Simulation, curves_as_csv, learning_curves
from lesionlab.labelling.figure import draw_curves
from lesionlab.labelling.head import Head, Projection, balanced_classes
from lesionlab.labelling.simulate import Plan, Replay, replay
from lesionlab.labelling.strategies import select

LESIONS = 400
PLAN = Plan(("random", "entropy"), seeds=2, start=20, batch=30, budget=100)


def rare_classes() -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Return features, labels and ids of lesions of which nine in ten are of one class."""
    rng = np.random.default_rng(0)
    labels = np.where(rng.random(LESIONS) < 0.9, 0, rng.integers(1, 3, LESIONS))
    features = 2.5 * np.eye(3, 8)[labels] + rng.normal(size=(LESIONS, 8))
    return features, labels, [f"L{number}" for number in range(LESIONS)]


@pytest.fixture(scope="module")
def replayed() -> Replay:
    return replay(*rare_classes(), 3, PLAN)


def test_every_strategy_is_measured_at_the_same_numbers_of_labels(replayed: Replay) -> None:
    assert PLAN.steps == [20, 50, 80, 100]
    assert replayed.correct.shape == (2, 2, 4, len(replayed.labels))
    assert replayed.candidates + len(replayed.labels) == LESIONS
    # All strategies share the first labels of a seed.
    np.testing.assert_array_equal(replayed.correct[0, :, 0], replayed.correct[1, :, 0])
    assert (replayed.correct[0, :, -1] != replayed.correct[1, :, -1]).any()


def test_replay_is_repeatable(replayed: Replay) -> None:
    np.testing.assert_array_equal(replay(*rare_classes(), 3, PLAN).correct, replayed.correct)


def test_held_out_lesions_never_reach_a_strategy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Their features may be anything: the choices are the same."""
    from lesionlab.labelling import simulate

    features, labels, groups = rare_classes()
    held_out = np.array(lesion_folds(groups, labels.tolist(), 5, seed=0)) == 0
    chosen: list[list[int]] = []

    def noted(*arguments: object) -> np.ndarray:
        chosen.append((found := select(*arguments)).tolist())  # type: ignore[arg-type]
        return found

    monkeypatch.setattr(simulate, "select", noted)
    plan = Plan(("random", "badge"), seeds=1, start=20, batch=20, budget=60)
    replay(features, labels, groups, 3, plan)
    expected, chosen[:] = list(chosen), []
    features[held_out] = 1e6
    replay(features, labels, groups, 3, plan)
    assert chosen == expected


def test_curves_are_mean_recalls_with_paired_differences(replayed: Replay) -> None:
    base, other = learning_curves(replayed, PLAN, 3)
    recalls = [replayed.correct[1, :, -1][:, replayed.labels == code].mean(axis=1) for code in range(3)]
    last = other.points[-1]
    assert last.balanced_accuracy.value == pytest.approx(np.mean(recalls))
    assert last.balanced_accuracy.low < last.balanced_accuracy.value < last.balanced_accuracy.high  # type: ignore[operator]
    assert last.difference.value == pytest.approx(np.mean(recalls) - base.points[-1].balanced_accuracy.value)
    assert base.compared == "baseline"
    assert {point.difference.value for point in base.points} == {0.0}
    assert other.points[0].difference.high == 0.0
    assert base.labels_needed == next(
        p.labels
        for p in base.points
        if p.balanced_accuracy.value >= base.points[-1].balanced_accuracy.value  # type: ignore[operator]
    )


def test_a_strategy_that_is_always_right_is_better() -> None:
    labels = np.repeat([0, 1], 30)
    right = np.ones((1, 3, 2, 60), dtype=bool)
    wrong = np.random.default_rng(0).random((1, 3, 2, 60)) < 0.5
    replayed = Replay(np.concatenate([wrong, right]), labels, tuple(map(str, range(60))), 100)
    plan = Plan(("random", "badge"), seeds=3, start=10, batch=10, budget=20)
    _, better = learning_curves(replayed, plan, 2)
    assert (better.compared, better.labels_needed) == ("better", 10)
    swapped = Replay(replayed.correct[::-1], labels, replayed.groups, 100)
    _, worse = learning_curves(swapped, plan, 2)
    assert (worse.compared, worse.labels_needed) == ("worse", None)


def test_files_hold_every_point(replayed: Replay) -> None:
    curves = learning_curves(replayed, PLAN, 3)
    lines = curves_as_csv(curves).splitlines()
    assert lines[0].startswith("strategy,labels,balanced_accuracy")
    assert len(lines) == 1 + 2 * len(PLAN.steps)
    shared = {"seeds": 2, "start": 20, "batch": 30, "budget": 100, "candidates": 320, "held_out": 80}
    simulation = Simulation(
        dataset="d", features="f", classes=("mel", "nv", "bkl"), warnings=("LEAKY: seen",), curves=curves, **shared
    )
    figure = draw_curves(simulation)
    for text in ("entropy", "LEAKY", "not a diagnosis"):
        assert text in figure
    assert Simulation.model_validate_json(simulation.model_dump_json()) == simulation


def test_budget_beyond_the_lesions_is_an_error() -> None:
    with pytest.raises(UsageError, match="--budget 1,000: 320 lesions"):
        replay(*rare_classes(), 3, Plan(("random",), 1, 20, 30, 1000))


def test_balanced_classes_divide_by_the_shares_of_the_labels() -> None:
    probabilities = np.array([[0.7, 0.3, 0.0], [0.95, 0.05, 0.0]])
    assert balanced_classes(probabilities, np.array([0, 0, 0, 0, 1])).tolist() == [1, 0]
    assert balanced_classes(np.array([[0.1, 0.1, 0.8]]), np.array([0, 1])).tolist() == [0]


def test_head_is_the_logistic_regression_of_scikit_learn() -> None:
    from sklearn.linear_model import LogisticRegression

    features, labels, _ = rare_classes()
    components = Projection.fit(features).apply(features)
    assert (components**2).mean() == pytest.approx(1)
    found = Head.fit(components[:100], labels[:100], 3).probabilities(components)
    expected = LogisticRegression(C=0.1, max_iter=1000).fit(components[:100], labels[:100]).predict_proba(components)
    np.testing.assert_allclose(found, expected, atol=0.02)
