"""Parity from JPEG to probabilities between training and inference."""

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
import torch

from lesionlab.bundle import Bundle, BundleInfo, save_bundle
from lesionlab.data import Manifest, read_dataset
from lesionlab.export import export_graph
from lesionlab.images import Preprocessing
from lesionlab.prediction import Predictor
from lesionlab.recipes import InferenceSettings, InputSettings, load_recipe
from lesionlab.results import Prediction
from lesionlab.runs import RunFolder
from lesionlab.taxonomy import CODES
from lesionlab.training.cache import open_image_cache
from lesionlab.training.checkpoint import load_weights
from lesionlab.training.network import LesionNetwork
from lesionlab.training.weights import load_pretrained


def in_training(network: LesionNetwork, manifest: Manifest, inputs: InputSettings, temperature: float) -> np.ndarray:
    """Return the probabilities [N, 7] of the training pipeline: cache, batch, network."""
    pixels = open_image_cache(manifest, Preprocessing(**inputs.model_dump()))
    rows = []
    with torch.no_grad():
        for start in range(0, len(pixels), 50):
            images = torch.from_numpy(pixels[start : start + 50]).permute(0, 3, 1, 2).float() / 255.0
            rows.append((network.eval()(images).double() / temperature).softmax(dim=1).numpy())
    return np.concatenate(rows)


def in_use(predictor: Predictor, manifest: Manifest) -> np.ndarray:
    """Return the probabilities [N, 7] of the inference pipeline: image file, bundle."""
    sources: Iterable[bytes] = (Path(manifest.location(record)).read_bytes() for record in manifest)
    rows = []
    for result in predictor.predict_many(sources):
        assert isinstance(result, Prediction)
        rows.append([result.probabilities[code] for code in CODES])
    return np.array(rows)


@pytest.mark.slow
def test_a_trained_run_has_equal_probabilities(tiny_run: RunFolder) -> None:
    recipe, manifest = tiny_run.recipe(), tiny_run.manifest()
    network = LesionNetwork(recipe)
    network.load_state_dict(load_weights(tiny_run.best))
    predictor = Predictor.load(tiny_run.path)
    trained = in_training(network, manifest, recipe.input, predictor.info.calibration.temperature)
    np.testing.assert_allclose(in_use(predictor, manifest), trained, atol=1e-5)
    assert np.ptp(trained, axis=0).max() > 1e-3  # the predictions differ between images


@pytest.mark.slow
@pytest.mark.skipif("LESIONLAB_DATA" not in os.environ, reason="LESIONLAB_DATA does not name a folder of datasets")
def test_the_default_network_has_equal_probabilities_on_real_images(tmp_path: Path, tiny_info: BundleInfo) -> None:
    dataset = read_dataset(Path(os.environ["LESIONLAB_DATA"]) / "ham10000")
    chosen = np.random.default_rng(0).choice(len(dataset), 200, replace=False)
    manifest = Manifest(dataset.root, tuple(dataset.records[index] for index in chosen))
    torch.manual_seed(0)
    recipe = load_recipe("efficientnet-lite0")
    inputs, network = recipe.input, LesionNetwork(recipe)
    load_pretrained(network.backbone, "tf_efficientnet_lite0")
    # A random head with predictions as confident as those of a trained one.
    torch.nn.init.normal_(network.head.classifier.weight, std=0.15)
    graph = export_graph([network], inputs.size, InferenceSettings())
    info = tiny_info.model_copy(
        update={
            "preprocessing": Preprocessing(**inputs.model_dump()),
            "graph_sha256": hashlib.sha256(graph).hexdigest(),
        }
    )
    save_bundle(tmp_path / "bundle", info, graph)
    trained = in_training(network, manifest, inputs, info.calibration.temperature)
    used = in_use(Predictor.load(Bundle.load(tmp_path / "bundle")), manifest)
    assert np.abs(used - trained).max() <= 1e-4
    assert len(set(trained.argmax(axis=1))) >= 3
    assert trained.max(axis=1).std() > 0.05
