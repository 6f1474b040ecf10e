"""The queue: batches of a strategy, readers, skips, and what a store belongs to."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lesionlab.bundle import Bundle
from lesionlab.data import Manifest
from lesionlab.errors import DataError, UsageError
from lesionlab.labelling.lesions import LEAST_LABELS, LesionSet
from lesionlab.labelling.queue import REVIEW, Queue, add_review, open_labelling
from lesionlab.labelling.store import Event, EventKind, LabelStore, State
from lesionlab.labelling.strategies import STRATEGIES, select


@pytest.fixture(scope="module")
def lesions(phantoms: Manifest, tiny_whole_bundle: Path) -> LesionSet:
    return LesionSet.of(phantoms, Bundle.load(tiny_whole_bundle))


@pytest.fixture
def answer() -> Callable[..., Event]:
    count = iter(range(10_000))

    def make(reader: str, lesion: str, value: str = "nv") -> Event:
        content = {"kind": "skip"} if value == "skip" else {"kind": "diagnosis", "diagnosis": value}
        return Event(id=f"e{next(count)}", kind=EventKind.ANSWERED, reader=reader, lesion=lesion, content=content)

    return make


def test_lesions_are_the_unit(lesions: LesionSet, phantoms: Manifest) -> None:
    assert len(lesions.ids) == phantoms.lesion_count
    assert sum(map(len, lesions.images.values())) == len(phantoms)
    np.testing.assert_allclose(lesions.probabilities.sum(axis=1), 1)
    assert lesions.head is not None
    alone = [row for row, lesion in enumerate(lesions.ids) if len(lesions.images[lesion]) == 1]
    # For a lesion of one image, the head on its features gives the probabilities of the graph.
    found = lesions.head.probabilities(lesions.features[alone])
    np.testing.assert_allclose(found, lesions.probabilities[alone], atol=1e-4)


def test_every_lesion_is_read_by_as_many_readers_as_wanted(lesions: LesionSet, answer: Callable[..., Event]) -> None:
    with LabelStore("sqlite://") as store:
        open_labelling(store, lesions.manifest, 2)
        queue = Queue(lesions, store, "margin", 7)
        seen: dict[str, list[str]] = {"Anna": [], "Bert": [], "Cora": []}
        for reader in ("Anna", "Bert", "Cora") * len(lesions.ids):
            lesion = queue.next(reader)
            if lesion is not None:
                seen[reader].append(lesion)
                store.append(answer(reader, lesion))
        times = [lesion for held in seen.values() for lesion in held]
        assert sorted(times) == sorted([*lesions.ids, *lesions.ids])
        assert all(len(set(held)) == len(held) for held in seen.values())
        assert store.state().batches == -(-len(lesions.ids) // 7)


def test_skipped_lesions_come_at_the_end(lesions: LesionSet, answer: Callable[..., Event]) -> None:
    with LabelStore("sqlite://") as store:
        open_labelling(store, lesions.manifest)
        queue = Queue(lesions, store, "random", 100)
        first = queue.next("Anna")
        store.append(answer("Anna", str(first), "skip"))
        for _ in range(len(lesions.ids) - 1):
            lesion = queue.next("Anna")
            assert lesion not in (None, first)
            store.append(answer("Anna", str(lesion)))
        assert queue.next("Anna") == first
        store.append(answer("Anna", str(first)))
        assert queue.next("Anna") is None


def test_a_store_belongs_to_its_dataset(lesions: LesionSet, phantoms: Manifest) -> None:
    with LabelStore("sqlite://") as store:
        open_labelling(store, lesions.manifest, 2)
        assert open_labelling(store, lesions.manifest).wanted == 2
        with pytest.raises(UsageError, match="--readings 3"):
            open_labelling(store, lesions.manifest, 3)
        other = phantoms.select([phantoms.records[0].image_id])
        with pytest.raises(UsageError, match="choose another --store"):
            open_labelling(store, other)


def test_labels_fit_a_head_once_there_are_enough(lesions: LesionSet) -> None:
    state = State()
    assert lesions.pool(state).probabilities is lesions.probabilities
    copies = -(-LEAST_LABELS // len(lesions.ids)) + 1
    many = replace(
        lesions,
        ids=tuple(f"{lesion}-{copy}" for copy in range(copies) for lesion in lesions.ids),
        components=np.tile(lesions.components, (copies, 1)),
    )
    for number, lesion in enumerate(many.ids[:LEAST_LABELS]):
        diagnosis = lesions.images[lesion.rpartition("-")[0]][0].diagnosis
        content = {"kind": "diagnosis", "diagnosis": diagnosis}
        state.apply(Event(id=f"e{number}", kind=EventKind.ANSWERED, reader="Anna", lesion=lesion, content=content))
    pool = many.pool(state)
    assert pool.probabilities.shape == (len(many.ids), 7)
    assert pool.candidates.sum() == len(many.ids) - LEAST_LABELS
    for strategy in STRATEGIES:
        assert len(select(strategy, pool, 5)) == 5


def test_features_are_computed_once(
    lesions: LesionSet, phantoms: Manifest, tiny_whole_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unexpected(*_: object) -> None:
        raise AssertionError("the graph is opened again")

    monkeypatch.setattr("lesionlab.labelling.embeddings.GraphSession", unexpected)
    again = LesionSet.of(phantoms, Bundle.load(tiny_whole_bundle))
    np.testing.assert_array_equal(again.features, lesions.features)
    with pytest.raises(AssertionError, match="opened again"):
        LesionSet.of(phantoms.select([phantoms.records[0].image_id]), Bundle.load(tiny_whole_bundle))


def test_lesions_of_a_list_come_first_once(lesions: LesionSet, answer: Callable[..., Event], tmp_path: Path) -> None:
    a, b, c = lesions.ids[5:8]
    image = lesions.images[c][0].image_id
    issues, pairs = tmp_path / "issues.csv", tmp_path / "pairs.csv"
    issues.write_text(f"lesion_id,given,suggested,decision\n{a},mel,nv,\n{b},mel,nv,keep\nelsewhere,nv,mel,\n")
    pairs.write_text(f"first,second,against,kind,score,decision\n{image},{image}-copy,,resized,0.9,\n")
    with LabelStore("sqlite://") as store:
        open_labelling(store, lesions.manifest)
        assert [add_review(store, lesions, path) for path in (issues, issues, pairs)] == [1, 1, 1]
        queue = Queue(lesions, store, "random", 5)
        for expected in (a, c):
            assert queue.next("Anna") == expected
            store.append(answer("Anna", expected))
        following = queue.next("Anna")
        state = store.state()
        assert [state.choices[lesion].strategy for lesion in (a, c)] == [REVIEW, REVIEW]
        assert state.choices[a].model == "issues.csv"
        assert following is not None
        assert state.choices[following].strategy == "random"
        assert state.batches == 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("image_id,dx\nx,mel\n", "this is no list of `lesionlab data label-issues` or `duplicates`"),
        ("lesion_id,given,suggested,decision\nelsewhere,nv,mel,\n", "no line without a decision names a lesion"),
    ],
)
def test_other_tables_are_no_list_for_review(lesions: LesionSet, tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "table.csv").write_text(text)
    with LabelStore("sqlite://") as store, pytest.raises(DataError, match=message):
        add_review(store, lesions, tmp_path / "table.csv")
