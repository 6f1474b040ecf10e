"""Starting weights from a bundle: the same function, another task's head, and no validation or test images."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from lesionlab.bundle import Bundle
from lesionlab.data import Manifest
from lesionlab.data.join import join_datasets, split_datasets
from lesionlab.errors import DataError
from lesionlab.phantoms import write_phantoms
from lesionlab.prediction.inference.session import GraphSession
from lesionlab.recipes import Recipe
from lesionlab.runs import RunFolder
from lesionlab.training import train_recipe
from lesionlab.training.checkpoint import load_weights
from lesionlab.training.network import LesionNetwork
from lesionlab.training.start import load_start

MakeRecipe = Callable[..., Recipe]


def starting(recipe: Recipe, path: Path) -> Recipe:
    return recipe.model_copy(update={"model": recipe.model.model_copy(update={"start": str(path)})})


@pytest.fixture(scope="module")
def others(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    return write_phantoms(tmp_path_factory.mktemp("others") / "others", lesions=70, size=(64, 48), seed=9)


def test_the_network_computes_the_graph_of_the_bundle(tiny_run: RunFolder, phantoms: Manifest) -> None:
    network = LesionNetwork(tiny_run.recipe())
    bundle = Bundle.load(tiny_run.path)
    source = load_start(network, starting(tiny_run.recipe(), tiny_run.bundle), phantoms, tiny_run.split(), None)
    assert source == f"bundle {bundle.info.identity}"
    size = bundle.info.preprocessing.size
    pixels = np.random.default_rng(0).integers(0, 256, (4, size, size, 3), dtype=np.uint8)
    with torch.no_grad():
        found = network.eval()(torch.from_numpy(pixels).permute(0, 3, 1, 2) / 255)
    np.testing.assert_allclose(found.numpy(), GraphSession(bundle, 1).logits(pixels), atol=1e-4)


def test_classes_of_both_tasks_keep_their_weights(
    tiny_run: RunFolder, phantoms: Manifest, make_recipe: MakeRecipe
) -> None:
    run, bundle = (LesionNetwork(make_recipe("task=diagnosis-11")) for _ in range(2))
    new = bundle.head.classifier.weight[7:].clone()
    for network, path in ((run, tiny_run.path), (bundle, tiny_run.bundle)):
        load_start(network, starting(make_recipe("task=diagnosis-11"), path), phantoms, tiny_run.split(), None)
    torch.testing.assert_close(bundle.head.classifier.weight[:7], run.head.classifier.weight[:7])
    torch.testing.assert_close(bundle.head.classifier.weight[7:], new)


def test_validation_and_test_images_of_the_run_are_unseen(
    tiny_run: RunFolder, phantoms: Manifest, others: Manifest
) -> None:
    def start(manifest: Manifest, seed: int, bundle: Path = tiny_run.bundle) -> None:
        split = split_datasets(manifest, validation=0.2, test=0.2, seed=seed)
        load_start(LesionNetwork(tiny_run.recipe()), starting(tiny_run.recipe(), bundle), manifest, split, None)

    start(others, 1)
    with pytest.raises(DataError, match=r"was fitted to \d+ of the \d+ validation and test images"):
        start(phantoms, 9)
    renamed = tuple(replace(r, image_id=f"x{r.image_id}", lesion_id=f"x{r.lesion_id}") for r in phantoms)
    with pytest.raises(DataError, match="was fitted to"):
        start(replace(phantoms, records=renamed), 9)


def test_a_dataset_with_the_split_of_the_bundle_is_joined_with_another(
    tiny_run: RunFolder, phantoms: Manifest, others: Manifest
) -> None:
    settings = tiny_run.recipe().split
    unlike = tuple(replace(r, image_id=f"x{r.image_id}", lesion_id=f"x{r.lesion_id}") for r in others)
    joined = join_datasets([phantoms, replace(others, records=unlike)])
    split = split_datasets(joined, validation=settings.validation, test=settings.test, seed=settings.seed)
    recipe = starting(tiny_run.recipe(), tiny_run.bundle)
    load_start(LesionNetwork(recipe), recipe, joined, split, None)
    with pytest.raises(DataError, match="was fitted to"):
        other = split_datasets(joined, validation=settings.validation, test=settings.test, seed=settings.seed + 1)
        load_start(LesionNetwork(recipe), recipe, joined, other, None)


def test_a_bundle_of_another_network_is_an_error(
    tiny_run: RunFolder, phantoms: Manifest, make_recipe: MakeRecipe
) -> None:
    recipe = starting(make_recipe("model.backbone=test_resnet"), tiny_run.bundle)
    with pytest.raises(DataError, match="does not name the weight"):
        load_start(LesionNetwork(recipe), recipe, phantoms, tiny_run.split(), None)


def test_a_teacher_with_other_classes_is_an_error(
    tiny_run: RunFolder, phantoms: Manifest, make_recipe: MakeRecipe
) -> None:
    recipe = make_recipe("task=diagnosis-11", "distillation.start=true", f"model.start={tiny_run.bundle}")
    with pytest.raises(DataError, match=r"distillation.start: the classes of .* are not those of task diagnosis-11"):
        load_start(LesionNetwork(recipe), recipe, phantoms, tiny_run.split(), None)


@pytest.mark.slow
def test_the_start_is_a_teacher(
    tiny_run: RunFolder, phantoms: Manifest, make_recipe: MakeRecipe, tmp_path: Path
) -> None:
    """With nothing else to learn, a student of its start stays where it is; without the teacher it moves."""
    settings = (f"model.start={tiny_run.bundle}", "training.epochs=2", "optimizer.learning_rate=3e-3")
    moved = {}
    for weight in (0.001, 1.0):
        recipe = make_recipe(*settings, "distillation.start=true", f"distillation.weight={weight}")
        run = train_recipe(recipe, phantoms, tmp_path / str(weight))
        start, trained = load_weights(run.start), load_weights(run.best)
        name = "head.classifier.weight"
        moved[weight] = float((trained[name] - start[name]).abs().mean())
    assert moved[1.0] < 0.7 * moved[0.001]


@pytest.mark.slow
def test_a_run_starts_from_a_bundle(
    tiny_run: RunFolder, phantoms: Manifest, make_recipe: MakeRecipe, tmp_path: Path
) -> None:
    recipe = make_recipe(f"model.start={tiny_run.bundle}", "training.epochs=1", "optimizer.learning_rate=1e-12")
    run = train_recipe(recipe, phantoms, tmp_path / "run")
    best = min(row["validation_loss"] for row in tiny_run.read_history())
    assert run.record().weights.startswith("bundle phantom-demo@")
    assert run.read_history()[-1]["validation_loss"] == pytest.approx(best, rel=0.1)
    start, trained = load_weights(run.start), load_weights(run.best)
    for name in start:
        if name.endswith(("weight", "bias")):
            torch.testing.assert_close(trained[name], start[name], atol=1e-6, rtol=0)
