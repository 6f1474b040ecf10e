"""Graphs of trained networks and their outputs in onnxruntime."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lesionlab.bundle import Bundle
from lesionlab.data import Manifest
from lesionlab.export import export_graph
from lesionlab.export.formats import Source
from lesionlab.images import Preprocessing, load_image
from lesionlab.prediction.inference.session import GraphSession
from lesionlab.prediction.inference.tta import Session
from lesionlab.recipes import InferenceSettings, Recipe
from lesionlab.runs import RunFolder
from lesionlab.training.checkpoint import load_weights
from lesionlab.training.network import LesionNetwork

Outputs = tuple[np.ndarray, np.ndarray]
Run = Callable[[Session, np.ndarray], Outputs]


@pytest.fixture(scope="session")
def pixels(phantoms: Manifest, tiny_run: RunFolder) -> np.ndarray:
    """Preprocessed phantoms for the graph of `tiny_run`."""
    preprocessing = Preprocessing(**tiny_run.recipe().input.model_dump())
    return np.stack([preprocessing.apply(load_image(phantoms.location(r)).image) for r in phantoms.records[:24]])


@pytest.fixture(scope="session")
def source(tiny_run: RunFolder, pixels: np.ndarray) -> Source:
    """The bundle of `tiny_run`, with test-time augmentation over four views."""
    bundle, recipe = Bundle.load(tiny_run.path), tiny_run.recipe()
    network = LesionNetwork(recipe)
    network.load_state_dict(load_weights(tiny_run.best))
    graph = export_graph([network], recipe.input.size, InferenceSettings(tta="flips"))
    return Source(replace(bundle, graph=graph), pixels)


@pytest.fixture(scope="session")
def run_session() -> Run:
    """Return a function that returns a session's logits and feature maps of pixels."""

    def run(session: Session, pixels: np.ndarray) -> Outputs:
        found = session.outputs(pixels)
        assert found.feature_map is not None
        return found.logits, found.feature_map

    return run


@pytest.fixture(scope="session")
def expected(source: Source, pixels: np.ndarray, run_session: Run) -> Outputs:
    """Logits and feature maps of `pixels` by onnxruntime."""
    return run_session(GraphSession(source.bundle, threads=1), pixels)


@pytest.fixture(scope="session")
def transformer(make_recipe: Callable[..., Recipe], source: Source) -> Source:
    """A vision transformer with random weights."""
    recipe = make_recipe("model.backbone=vit_tiny_patch16_224")
    graph = export_graph([LesionNetwork(recipe)], recipe.input.size, InferenceSettings())
    return replace(source, bundle=replace(source.bundle, graph=graph, path=Path("transformer")))
