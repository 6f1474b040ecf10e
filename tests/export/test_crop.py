"""Models with a lesion crop: trained on crops, exported with the segmentation."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from lesionlab.bundle import Bundle, Reference
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

# Each model exports three graphs.
pytestmark = pytest.mark.slow

MakeRecipe = Callable[..., Recipe]
Spot = Callable[..., Image.Image]
SIZE = 64


@pytest.mark.parametrize("source", [SIZE, 150])
def test_the_merged_graph_equals_its_parts_in_sequence(
    make_recipe: MakeRecipe, tiny_segmentation: Path, tiny_bundle: Path, spot: Spot, source: int
) -> None:
    torch.manual_seed(3)
    network = LesionNetwork(make_recipe(f"input.size={SIZE}")).eval()
    model = SegmentationModel.load(tiny_segmentation)
    graph = export_graph([network], SIZE, InferenceSettings(), Crop(model, 1.5, source))
    images = [spot(0.5, 0.5, 0.2), spot(0.3, 0.6, 0.1), Image.new("RGB", (80, 80), (226, 180, 160))]
    pixels = np.stack([np.asarray(image.resize((source, source))) for image in images])
    info = Bundle.load(tiny_bundle).info
    info = info.model_copy(update={"preprocessing": info.preprocessing.model_copy(update={"size": source})})
    session = GraphSession(Bundle(info, graph, tiny_bundle), threads=1)
    outputs = session.outputs(pixels)
    assert outputs.crop is not None
    assert outputs.lesion is not None
    assert outputs.lesion.shape == (3, 32, 32)
    np.testing.assert_array_equal(outputs.crop[2], [0, 0, 1])
    left, top, side = outputs.crop[1]
    assert (left + side / 2, top + side / 2) == pytest.approx((0.3, 0.6), abs=0.02)
    view, _ = CropToLesion(SIZE, model.info.threshold, 1.5)(torch.from_numpy(pixels), torch.from_numpy(outputs.lesion))
    with torch.no_grad():
        expected = network(view / 255)
    np.testing.assert_allclose(outputs.logits, expected.numpy(), atol=1e-4)
    # The batch size does not change the outputs.
    np.testing.assert_allclose(session.outputs(pixels[1:2]).logits, outputs.logits[1:2], atol=1e-5)


def test_the_description_holds_the_crop_settings(cropping_run: RunFolder, tiny_segmentation: Path) -> None:
    crop = Bundle.load(cropping_run.path).info.crop
    assert crop is not None
    assert crop.segmentation == SegmentationModel.load(tiny_segmentation).info.identity
    assert (crop.threshold, crop.margin) == (0.5, 1.3)
    assert cropping_run.record().environment["segmentation"] == crop.segmentation


def test_the_explanation_lies_within_the_crop(cropping_run: RunFolder, spot: Spot) -> None:
    bundle = Bundle.load(cropping_run.path)
    rule = bundle.info.decision_rule.model_copy(update={"min_confidence": 0.0})
    info = bundle.info.model_copy(update={"decision_rule": rule})
    assert bundle.reference is not None
    # Without limits, since an abstention has no explanation.
    reference = Reference(head=bundle.reference.head)
    predictor = Predictor.load(replace(bundle, info=info, reference=reference, training_images=None))
    image = spot(0.3, 0.35, 0.12)
    for code in predictor.info.classes:
        prepared = predictor.pipeline.prepare(np.asarray(image))
        explanation = predictor.pipeline.explain([prepared], [code])[0].explanation
        assert explanation is not None
        values = explanation.values
        assert values.shape == (32, 32)
        rows, columns = np.nonzero(values)
        if len(rows):
            assert rows.max() / 32 < 0.7
            assert columns.max() / 32 < 0.7


def test_the_lesion_is_measured_with_the_explanation(cropping_run: RunFolder, spot: Spot) -> None:
    predictor = Predictor.load(cropping_run.path)
    prepared = predictor.pipeline.prepare(np.asarray(spot(0.5, 0.5, 0.25)))
    (found,) = predictor.pipeline.explain([prepared], [None])
    assert found.lesion is not None
    assert found.lesion.area == pytest.approx(np.pi * 0.25**2 * 120 / 160, rel=0.1)
    assert found.lesion.border_irregularity < 0.05
    (nothing,) = predictor.pipeline.explain([predictor.pipeline.prepare(np.full((90, 120, 3), 200, np.uint8))], [None])
    assert nothing.lesion is None
    assert nothing.prediction.abstained
    assert "no_lesion" in [reason.code for reason in nothing.prediction.abstain_reasons]


def test_tta_is_invariant_to_flips(cropping_run: RunFolder, spot: Spot) -> None:
    predictor = Predictor.load(cropping_run.path, tta="flips")
    image = np.asarray(spot(0.4, 0.5, 0.2))
    once, mirrored = predictor.predict(image), predictor.predict(image[:, ::-1].copy())
    for code, value in once.probabilities.items():
        assert mirrored.probabilities[code] == pytest.approx(value, abs=5e-3)


def test_another_segmentation_model_than_in_training_is_an_error(
    cropping_run: RunFolder, tiny_segmentation: Path, tmp_path: Path
) -> None:
    other = tmp_path / "run"
    shutil.copytree(cropping_run.path, other)
    text = (other / "run.json").read_text(encoding="utf-8")
    identity = SegmentationModel.load(tiny_segmentation).info.identity
    (other / "run.json").write_text(text.replace(identity, "other@0123456789ab"), encoding="utf-8")
    with pytest.raises(DataError, match="was trained with the segmentation model other@0123456789ab"):
        export_run(RunFolder(other), out=tmp_path / "bundle")
