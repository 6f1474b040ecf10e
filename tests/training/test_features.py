"""Features of a frozen backbone are computed once, independently of the rows requested."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from lesionlab.errors import LesionlabError
from lesionlab.recipes import AugmentationSettings, Recipe
from lesionlab.training.features import FeatureStore, augments
from lesionlab.training.network import LesionNetwork

OFF = AugmentationSettings.none().model_dump()


@pytest.fixture
def make_store(
    make_recipe: Callable[..., Recipe], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], FeatureStore]:
    recipe = make_recipe("model.freeze=true")
    torch.manual_seed(0)
    network = LesionNetwork(recipe)
    images = np.random.default_rng(0).integers(0, 256, (150, 32, 32, 3), dtype=np.uint8)

    def make(cache: str) -> FeatureStore:
        monkeypatch.setenv("LESIONLAB_CACHE", str(tmp_path / cache))
        return FeatureStore(network, recipe, images, "made-up")

    return make


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The sizes of the batches that were computed."""
    sizes: list[int] = []
    features = LesionNetwork.features

    def counted(self: LesionNetwork, images: torch.Tensor) -> torch.Tensor:
        sizes.append(len(images))
        return features(self, images)

    monkeypatch.setattr(LesionNetwork, "features", counted)
    return sizes


@pytest.mark.parametrize("view", [0, 1])
def test_a_row_is_computed_once(make_store: Callable[[str], FeatureStore], computed: list[int], view: int) -> None:
    first = make_store("a").view(view, range(100))
    assert sum(size for size in computed if size > 1) == 100
    computed.clear()
    np.testing.assert_array_equal(make_store("a").view(view, range(100)), first)
    assert max(computed, default=0) <= 1  # one image determines the number of features
    more = make_store("a").view(view, [120, 5, 119])
    assert sum(size for size in computed if size > 1) == 2
    np.testing.assert_array_equal(more[1], first[5])


@pytest.mark.parametrize("view", [0, 1])
def test_features_do_not_depend_on_the_other_rows(make_store: Callable[[str], FeatureStore], view: int) -> None:
    whole = make_store("a").view(view, range(150))
    some = make_store("b").view(view, [140, 3, 70])
    np.testing.assert_allclose(some, whole[[140, 3, 70]], atol=1e-5)
    assert np.abs(whole[3] - whole[70]).max() > 1e-4


def test_views_differ(make_store: Callable[[str], FeatureStore]) -> None:
    store = make_store("a")
    views = [store.view(view, range(8)) for view in range(3)]
    assert min(np.abs(views[a] - views[b]).max() for a, b in ((0, 1), (0, 2), (1, 2))) > 1e-4


def test_an_interrupted_computation_is_resumed(
    make_store: Callable[[str], FeatureStore], computed: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lesionlab.training.features._ROWS_PER_FILE", 64)
    store = make_store("a")

    def stop(done: int, _total: int) -> None:
        if done > 128:
            raise KeyboardInterrupt

    store.progress = stop
    with pytest.raises(KeyboardInterrupt):
        store.view(1, range(150))
    computed.clear()
    rest = make_store("a").view(1, range(150))
    assert sum(size for size in computed if size > 1) == 150 - 128
    np.testing.assert_allclose(rest, make_store("b").view(1, range(150)), atol=1e-6)


def test_processes_that_share_the_cache_do_not_disturb_each_other(make_store: Callable[[str], FeatureStore]) -> None:
    store, other = make_store("a"), make_store("a")

    def meanwhile(done: int, _total: int) -> None:
        if done == 64:
            other.view(1, range(100, 120))

    store.progress = meanwhile
    found = store.view(1, range(150))
    np.testing.assert_array_equal(make_store("a").view(1, range(150)), found)
    np.testing.assert_allclose(found, make_store("b").view(1, range(150)), atol=1e-5)


def test_a_damaged_file_is_computed_again(make_store: Callable[[str], FeatureStore]) -> None:
    store = make_store("a")
    found = store.view(0, range(150))
    (file,) = (path for path in store.folder.rglob("*") if path.is_file())
    for content in (file.read_bytes()[:-50], b""):
        file.write_bytes(content)
        np.testing.assert_array_equal(store.view(0, range(150)), found)


def test_a_full_disk_is_one_error_and_the_rest_is_computed_later(
    make_store: Callable[[str], FeatureStore], small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lesionlab.training.features._ROWS_PER_FILE", 64)
    store = make_store(str(small_disk))  # a write into a memory map would end this process with SIGBUS
    with pytest.raises(LesionlabError, match=r"cannot write .*view-0.*npz: No space left on device.*LESIONLAB_CACHE"):
        store.view(0, range(150))
    assert not list(small_disk.rglob(".*.part"))
    (small_disk / "other data").unlink()
    np.testing.assert_allclose(store.view(0, range(150)), make_store("b").view(0, range(150)), atol=1e-6)


def test_augmentation_is_detected() -> None:
    assert augments(AugmentationSettings())
    assert not augments(AugmentationSettings.model_validate(OFF))
    assert not augments(AugmentationSettings.model_validate(OFF | {"mixup": 0.2}))
    for change in ({"flip": "horizontal"}, {"rotation": 5}, {"shear": 3}, {"erase": 0.5}, {"scale": (1, 1.1)}):
        assert augments(AugmentationSettings.model_validate(OFF | change)), change
