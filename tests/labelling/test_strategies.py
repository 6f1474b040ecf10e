"""Every strategy chooses distinct candidates within the budget, the same ones for a seed."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lesionlab.errors import UsageError
from lesionlab.labelling.head import Head
from lesionlab.labelling.strategies import STRATEGIES, Pool, check_strategies, describe, select


def pool_of(seed: int, lesions: int = 40, classes: int = 3, labelled: int = 10, answered: int = 3) -> Pool:
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(lesions, 6))
    labels = np.full(lesions, -1)
    order = rng.permutation(lesions)
    labels[order[:labelled]] = rng.integers(classes, size=labelled)
    candidates = np.ones(lesions, dtype=bool)
    candidates[order[: labelled + answered]] = False
    head = Head(rng.normal(size=(6, classes)), rng.normal(size=classes))
    return Pool(features, head.probabilities(features), labels, candidates, head)


@given(
    name=st.sampled_from(sorted(STRATEGIES)),
    seed=st.integers(0, 1000),
    lesions=st.integers(1, 40),
    labelled=st.integers(0, 15),
    answered=st.integers(0, 5),
    count=st.integers(0, 50),
)
def test_choices_are_distinct_candidates_within_the_budget(
    name: str, seed: int, lesions: int, labelled: int, answered: int, count: int
) -> None:
    labelled, answered = min(labelled, lesions), min(answered, max(0, lesions - labelled))
    pool = pool_of(seed, lesions, 3, labelled, answered)
    chosen = select(name, pool, count, seed)
    assert len(chosen) == len(set(chosen.tolist())) == min(count, lesions - labelled - answered)
    assert pool.candidates[chosen].all()
    np.testing.assert_array_equal(chosen, select(name, pool, count, seed))


@given(name=st.sampled_from(sorted(STRATEGIES)), seed=st.integers(0, 100), copies=st.integers(2, 20))
def test_copies_are_no_reason_for_repeats(name: str, seed: int, copies: int) -> None:
    pool = pool_of(seed, 4, labelled=0, answered=0)
    many = Pool(
        np.repeat(pool.features[:1], copies, axis=0),
        np.repeat(pool.probabilities[:1], copies, axis=0),
        np.full(copies, -1),
        np.ones(copies, dtype=bool),
        pool.head,
    )
    assert sorted(select(name, many, copies, seed).tolist()) == list(range(copies))


def test_seed_changes_a_random_choice() -> None:
    pool = pool_of(0)
    assert select("random", pool, 10, 0).tolist() != select("random", pool, 10, 1).tolist()


def test_uncertainty_comes_first() -> None:
    probabilities = np.array([[0.98, 0.01, 0.01], [0.34, 0.33, 0.33], [0.49, 0.48, 0.03], [0.5, 0.25, 0.25]])
    pool = Pool(np.eye(4), probabilities, np.full(4, -1), np.ones(4, dtype=bool))
    assert select("entropy", pool, 2).tolist() == [1, 3]
    assert sorted(select("margin", pool, 2).tolist()) == [1, 2]


def test_bald_prefers_what_depends_on_single_features() -> None:
    # The first lesion's probabilities depend on one feature, those of the second on none.
    features = np.array([[3.0, 0.0], [0.0, 0.0]])
    head = Head(np.array([[2.0, -2.0], [0.0, 0.0]]), np.zeros(2))
    pool = Pool(features, head.probabilities(features), np.full(2, -1), np.ones(2, dtype=bool), head)
    assert select("bald", pool, 1).tolist() == [0]
    with pytest.raises(UsageError, match="linear head"):
        select("bald", Pool(features, pool.probabilities, pool.labels, pool.candidates), 1)


def test_core_set_takes_the_farthest_first() -> None:
    features = np.array([[0.0], [1.0], [10.0], [4.0]])
    labels, candidates = np.array([0, -1, -1, -1]), np.array([False, True, True, True])
    pool = Pool(features, np.full((4, 2), 0.5), labels, candidates)
    assert select("core-set", pool, 3).tolist() == [2, 3, 1]


def test_badge_is_kmeans_plus_plus_on_gradients() -> None:
    """The first is the longest gradient; distances by products are those of the gradients themselves."""
    pool = pool_of(3, lesions=30, labelled=0, answered=0)
    errors = pool.probabilities - np.eye(3)[pool.probabilities.argmax(axis=1)]
    gradients = np.einsum("nc,nd->ncd", errors, pool.features).reshape(30, -1)
    chosen = select("badge", pool, 8, 5)
    generator = np.random.default_rng(5)
    expected = [int((gradients**2).sum(axis=1).argmax())]
    while len(expected) < 8:
        squares = ((gradients[:, None] - gradients[expected]) ** 2).sum(axis=2).min(axis=1)
        squares[expected] = 0
        expected.append(int(generator.choice(30, p=squares / squares.sum())))
    assert chosen.tolist() == expected


def test_density_prefers_the_crowd_among_equally_uncertain() -> None:
    features = np.array([[1.0, 0.0], [1.0, 0.1], [1.0, -0.1], [-1.0, 0.0]])
    pool = Pool(features, np.full((4, 2), 0.5), np.full(4, -1), np.ones(4, dtype=bool))
    assert select("density", pool, 4).tolist()[-1] == 3


def test_hybrid_asks_for_the_class_with_the_fewest_labels() -> None:
    features = np.arange(6.0)[:, None]
    probabilities = np.array([[0.9, 0.1], [0.9, 0.1], [0.8, 0.2], [0.2, 0.8], [0.7, 0.3], [0.9, 0.1]])
    labels, candidates = np.array([0, 0, -1, -1, -1, -1]), np.array([False, False, True, True, True, True])
    assert select("hybrid", Pool(features, probabilities, labels, candidates), 1).tolist() == [3]


def test_names_and_descriptions() -> None:
    assert check_strategies(["random", "badge", "random"]) == ["random", "badge"]
    with pytest.raises(UsageError, match="'best' is none of random"):
        check_strategies(["best"])
    assert all(describe(name).endswith(".") for name in STRATEGIES)
