"""Ensembles of several runs in one bundle."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import tomli_w
import torch

from lesionlab.bundle import Bundle
from lesionlab.errors import DataError, RecipeError, UsageError
from lesionlab.export import export_graph, export_run
from lesionlab.prediction import Predictor
from lesionlab.recipes import InferenceSettings, Recipe
from lesionlab.runs import RunFolder
from lesionlab.training.checkpoint import load_weights, save_tensors
from lesionlab.training.network import LesionNetwork


@pytest.fixture(scope="module")
def second(tiny_run: RunFolder, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A run with other weights and the same split."""
    path = tmp_path_factory.mktemp("second") / "run"
    shutil.copytree(tiny_run.path, path)
    run = RunFolder(path)
    torch.manual_seed(0)
    weights = {
        name: value + 0.05 * value.std() * torch.randn_like(value) if value.ndim > 1 else value
        for name, value in load_weights(run.best).items()
    }
    save_tensors(weights, run.best)
    export_run(run)
    return run


@pytest.mark.slow
def test_the_logits_are_the_mean_of_the_members(tiny_run: RunFolder, second: RunFolder, tmp_path: Path) -> None:
    bundle = export_run(tiny_run, others=[second], out=tmp_path / "both")
    members = [Bundle.load(run.path) for run in (tiny_run, second)]
    images = [np.random.default_rng(seed).integers(0, 256, (60, 60, 3), dtype=np.uint8) for seed in range(3)]
    single = [Predictor.load(member).predict_logits(images) for member in members]
    both = Predictor.load(bundle)
    np.testing.assert_allclose(both.predict_logits(images), np.mean(single, axis=0), atol=1e-4)
    assert bundle.info.name == f"{members[0].info.name}-ensemble-of-2"
    assert bundle.info.parameters == sum(member.info.parameters for member in members)
    assert (both.explainable, both.abstains) == (members[0].explainable, members[0].abstains)
    assert both.explainable
    assert bundle.info.metrics == {}


@pytest.mark.slow
def test_incompatible_runs_are_an_error(tiny_run: RunFolder, second: RunFolder, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="name an output folder with --out"):
        export_run(tiny_run, others=[second])
    other = tmp_path / "other"
    shutil.copytree(second.path, other)
    run = RunFolder(other)
    run.save_record(run.record().model_copy(update={"split_sha256": "0" * 64}))
    with pytest.raises(DataError, match="trained with different splits"):
        export_run(tiny_run, others=[run], out=tmp_path / "both")
    run.save_record(second.record().model_copy(update={"finished": False}))
    with pytest.raises(DataError, match="is not finished"):
        export_run(tiny_run, others=[run], out=tmp_path / "both")
    assert not (tmp_path / "both").exists()


@pytest.mark.slow
def test_a_run_and_its_starting_weights_may_be_averaged(tiny_run: RunFolder, second: RunFolder, tmp_path: Path) -> None:
    path = tmp_path / "third"
    shutil.copytree(second.path, path)
    run = RunFolder(path)
    recipe = run.recipe()
    started = recipe.model_copy(update={"model": recipe.model.model_copy(update={"start": str(tiny_run.path)})})
    (path / "recipe.toml").write_text(tomli_w.dumps(started.model_dump(mode="json", exclude_none=True)))
    save_tensors(load_weights(tiny_run.best), run.start)
    bundle = export_run(run, changes=["inference.start_share=0.25"], out=tmp_path / "mean")
    assert bundle.info.recipe["inference"]["start_share"] == 0.25  # type: ignore[index]
    network = LesionNetwork(recipe)
    own, start = load_weights(second.best), load_weights(tiny_run.best)
    network.load_state_dict({n: 0.75 * v + 0.25 * start[n] if v.is_floating_point() else v for n, v in own.items()})
    side = recipe.input.size
    pixels = np.random.default_rng(0).integers(0, 256, (2, side, side, 3), dtype=np.uint8)
    with torch.no_grad():
        expected = network.eval()(torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255)
    np.testing.assert_allclose(Predictor.load(bundle).predict_logits(list(pixels)), expected, atol=1e-4)


def of_kind(backbone: str, size: int, make_recipe: Callable[..., Recipe]) -> LesionNetwork:
    torch.manual_seed(1)
    network = LesionNetwork(make_recipe(f"model.backbone={backbone}", f"input.size={size}")).eval()
    torch.nn.init.normal_(network.head.classifier.weight, std=0.5)
    return network


@pytest.mark.slow
def test_members_with_different_backbones_have_one_feature_map(make_recipe: Callable[..., Recipe]) -> None:
    size = 64  # maps of 2x2 and of 4x4 cells
    members = [of_kind(backbone, size, make_recipe) for backbone in ("test_efficientnet", "test_vit")]
    graph = export_graph(members, size, InferenceSettings())
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    pixels = np.random.default_rng(0).integers(0, 256, (3, size, size, 3), dtype=np.uint8)
    logits, maps = session.run(["logits", "feature_map"], {"image": pixels})
    inputs = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255
    with torch.no_grad():
        expected = torch.stack([member(inputs) for member in members]).mean(dim=0)
    np.testing.assert_allclose(logits, expected, atol=1e-4)
    assert maps.shape[2:] == (2, 2)
    heads = [member.head.classifier for member in members]
    weights = torch.cat([head.weight for head in heads], dim=1).detach().numpy() / 2
    bias = torch.stack([head.bias for head in heads]).mean(dim=0).detach().numpy()
    np.testing.assert_allclose(maps.mean(axis=(2, 3)) @ weights.T + bias, expected, atol=1e-4)


def test_feature_maps_of_incompatible_sizes_are_an_error(make_recipe: Callable[..., Recipe]) -> None:
    members = [of_kind(backbone, 80, make_recipe) for backbone in ("test_efficientnet", "test_vit")]
    with pytest.raises(DataError, match="feature maps of 5x5 and 3x3 do not fit into one graph"):
        export_graph(members, 80, InferenceSettings())


def test_only_inference_settings_of_a_finished_run_may_change(tiny_run: RunFolder, tmp_path: Path) -> None:
    for change, message in (
        ("training.epochs=3", "only inference.KEY=value"),
        ("inference.tta=two", "inference.tta"),
        ("inference.start_share=0.5", "requires model.start"),
    ):
        with pytest.raises(RecipeError, match=message):
            export_run(tiny_run, changes=[change], out=tmp_path / "bundle")
