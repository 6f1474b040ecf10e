"""A model that looks at a square around the lesion: trained on crops, exported with what finds them."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from lesionlab.bundle import Bundle
from lesionlab.errors import DataError
from lesionlab.export import export_run
from lesionlab.export.graph import Crop, export_graph
from lesionlab.prediction import Predictor
from lesionlab.prediction.inference.session import GraphSession
from lesionlab.recipes import InferenceSettings, Recipe
from lesionlab.runs import RunFolder
from lesionlab.segmentation import SegmentationModel
from lesionlab.training.crop import CropToLesion
from lesionlab.training.network import LesionNetwork

# Three graphs are exported for each model.
pytestmark = pytest.mark.slow

MakeRecipe = Callable[..., Recipe]
Spot = Callable[..., Image.Image]
SIZE = 64


@pytest.mark.parametrize("source", [SIZE, 150])
def test_the_graph_sees_what_the_parts_make_one_after_the_other(
    make_recipe: MakeRecipe, tiny_segmentation: Path, tiny_bundle: Path, spot: Spot, source: int
) -> None:
    torch.manual_seed(3)
    network = LesionNetwork(make_recipe(f"input.size={SIZE}")).eval()
    model = SegmentationModel.load(tiny_segmentation)
    graph = export_graph([network], SIZE, InferenceSettings(), Crop(model, 1.5, source))
    pictures = [spot(0.5, 0.5, 0.2), spot(0.3, 0.6, 0.1), Image.new("RGB", (80, 80), (226, 180, 160))]
    pixels = np.stack([np.asarray(picture.resize((source, source))) for picture in pictures])
    info = Bundle.load(tiny_bundle).info
    info = info.model_copy(update={"preprocessing": info.preprocessing.model_copy(update={"size": source})})
    session = GraphSession(Bundle(info, graph, tiny_bundle), threads=1)
    seen = session.outputs(pixels)
    assert seen.crop is not None
    assert seen.lesion is not None
    assert seen.lesion.shape == (3, 32, 32)
    np.testing.assert_array_equal(seen.crop[2], [0, 0, 1])
    left, top, side = seen.crop[1]
    assert (left + side / 2, top + side / 2) == pytest.approx((0.3, 0.6), abs=0.02)
    view, _ = CropToLesion(SIZE, model.info.threshold, 1.5)(torch.from_numpy(pixels), torch.from_numpy(seen.lesion))
    with torch.no_grad():
        expected = network(view / 255)
    np.testing.assert_allclose(seen.logits, expected.numpy(), atol=1e-4)
    # One image alone is what it is among others.
    np.testing.assert_allclose(session.outputs(pixels[1:2]).logits, seen.logits[1:2], atol=1e-5)


def test_the_bundle_says_what_it_looks_at(cropping_run: RunFolder, tiny_segmentation: Path) -> None:
    crop = Bundle.load(cropping_run.path).info.crop
    assert crop is not None
    assert crop.segmentation == SegmentationModel.load(tiny_segmentation).info.identity
    assert (crop.threshold, crop.margin) == (0.5, 1.3)
    assert cropping_run.record().environment["segmentation"] == crop.segmentation


def test_an_explanation_lies_where_the_network_looked(cropping_run: RunFolder, spot: Spot) -> None:
    predictor = Predictor.load(cropping_run.path)
    picture = spot(0.3, 0.35, 0.12)
    for code in predictor.info.classes:
        values = predictor.explain(np.asarray(picture), code).values
        assert values.shape == (32, 32)
        rows, columns = np.nonzero(values)
        if len(rows):
            assert rows.max() / 32 < 0.7
            assert columns.max() / 32 < 0.7


def test_the_lesion_is_measured_in_the_same_run(cropping_run: RunFolder, spot: Spot) -> None:
    predictor = Predictor.load(cropping_run.path)
    prepared = predictor.pipeline.prepare(np.asarray(spot(0.5, 0.5, 0.25)))
    (found,) = predictor.pipeline.explain([prepared], [None])
    assert found.lesion is not None
    assert found.lesion.area == pytest.approx(np.pi * 0.25**2 * 120 / 160, rel=0.1)
    assert found.lesion.border_irregularity < 0.05
    (nothing,) = predictor.pipeline.explain([predictor.pipeline.prepare(np.full((90, 120, 3), 200, np.uint8))], [None])
    assert nothing.lesion is None
    assert nothing.prediction.abstained
    assert "no_lesion" in [reason.code for reason in nothing.prediction.refusal.reasons]


def test_mirror_images_are_mirrored_back(cropping_run: RunFolder, spot: Spot) -> None:
    predictor = Predictor.load(cropping_run.path, tta="flips")
    picture = np.asarray(spot(0.4, 0.5, 0.2))
    once, mirrored = predictor.predict(picture), predictor.predict(picture[:, ::-1].copy())
    for code, value in once.probabilities.items():
        assert mirrored.probabilities[code] == pytest.approx(value, abs=5e-3)


def test_another_segmentation_model_than_in_training_is_refused(
    cropping_run: RunFolder, tiny_segmentation: Path, tmp_path: Path
) -> None:
    other = tmp_path / "run"
    shutil.copytree(cropping_run.path, other)
    text = (other / "run.json").read_text(encoding="utf-8")
    identity = SegmentationModel.load(tiny_segmentation).info.identity
    (other / "run.json").write_text(text.replace(identity, "other@0123456789ab"), encoding="utf-8")
    with pytest.raises(DataError, match="was trained with the segmentation model other@0123456789ab"):
        export_run(RunFolder(other), out=tmp_path / "bundle")
