"""Training and export of a segmentation network on phantoms."""

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lesionlab.data import Manifest, Split, make_split
from lesionlab.data.masks import MaskFolder
from lesionlab.errors import BundleError, DataError, RecipeError, UsageError
from lesionlab.export.segmentation import export_segmentation
from lesionlab.recipes import SegmentationSettings
from lesionlab.segmentation import SegmentationModel, Segmenter
from lesionlab.training.segmentation import train_segmentation
from lesionlab.training.segmentation.network import SegmentationNetwork

KillAtCall = Callable[[object, str, int], AbstractContextManager[None]]
TINY = SegmentationSettings(
    encoder="test_efficientnet",
    decoder=(16, 16, 8, 8),
    size=32,
    through=0,
    epochs=4,
    batch_size=8,
    learning_rate=5e-3,
    compile=False,
)


@pytest.fixture(scope="module")
def split(phantoms: Manifest) -> Split:
    return make_split(phantoms)


@pytest.fixture(scope="module")
def masks(phantoms: Manifest, tmp_path_factory: pytest.TempPathFactory) -> MaskFolder:
    """Masks of the pixels that are darker than the surrounding skin."""
    folder = tmp_path_factory.mktemp("masks")
    for record in phantoms:
        grey = np.asarray(Image.open(phantoms.location(record)).convert("L")).astype(float)
        skin = np.median(np.concatenate([grey[:3].ravel(), grey[-3:].ravel()]))
        Image.fromarray(grey < 0.85 * skin).save(folder / f"{record.image_id}_segmentation.png")
    return MaskFolder(folder)


@pytest.mark.slow
def test_a_trained_and_exported_model_segments_lesions(
    phantoms: Manifest, split: Split, masks: MaskFolder, imagenet: Path, tmp_path: Path
) -> None:
    assert imagenet.is_dir()
    settings = TINY.model_copy(update={"epochs": 15})
    run = train_segmentation(settings, phantoms, split, masks, tmp_path / "training")
    model = export_segmentation(run, phantoms, split, tmp_path)
    dice = model.info.metrics["dice"]
    assert dice.value is not None
    assert dice.low is not None
    assert dice.high is not None
    assert dice.low <= dice.value <= dice.high
    assert dice.value > 0.55
    assert model.info.images == {name: len(ids) for name, ids in split.subsets().items()}
    # The Dice coefficient of the test subset, computed independently.
    segmenter = Segmenter.load(tmp_path)
    ids = split.subsets()["test"]
    locations = {r.image_id: phantoms.location(r) for r in phantoms}
    found = segmenter.segment([locations[i] for i in ids]) >= model.info.threshold
    truth = np.stack([masks.read(i, 32) for i in ids])
    expected = np.mean([2 * (f & t).sum() / max(1, f.sum() + t.sum()) for f, t in zip(found, truth, strict=True)])
    assert dice.value == pytest.approx(expected, abs=1e-6)
    assert json.loads((tmp_path / "segmentation.json").read_text())["metrics"]["dice"]["value"] == dice.value
    # A damaged graph is detected.
    graph = tmp_path / "segmentation.onnx"
    graph.write_bytes(graph.read_bytes()[:-1] + b"\0")
    with pytest.raises(BundleError, match="copy the folder again"):
        SegmentationModel.load(tmp_path)


@pytest.mark.slow
def test_an_interrupted_training_ends_with_the_same_weights(
    phantoms: Manifest, split: Split, masks: MaskFolder, imagenet: Path, tmp_path: Path, kill_at_call: KillAtCall
) -> None:
    assert imagenet.is_dir()
    import pytorch_lightning as pl

    settings = TINY.model_copy(update={"epochs": 2})
    whole = train_segmentation(settings, phantoms, split, masks, tmp_path / "whole")
    with kill_at_call(pl.Trainer, "save_checkpoint", 2):
        train_segmentation(settings, phantoms, split, masks, tmp_path / "cut")
    resumed = train_segmentation(settings, phantoms, split, masks, tmp_path / "cut")
    assert whole.network.state_dict().keys() == resumed.network.state_dict().keys()
    for name, value in whole.network.state_dict().items():
        assert value.equal(resumed.network.state_dict()[name]), name
    with pytest.raises(UsageError, match="another training"):
        train_segmentation(settings.model_copy(update={"seed": 1}), phantoms, split, masks, tmp_path / "cut")


def test_a_subset_without_masks_is_an_error(phantoms: Manifest, split: Split, tmp_path: Path) -> None:
    for image_id in split.subsets()["train"]:
        (tmp_path / f"{image_id}_segmentation.png").touch()
    with pytest.raises(DataError, match="no mask of a validation image"):
        train_segmentation(TINY, phantoms, split, MaskFolder(tmp_path), tmp_path / "out")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"decoder": (8, 8)}, "2 widths for a depth of 4"),
        ({"size": 40}, "multiple of 16"),
        ({"encoder": "no_such_net"}, "no_such_net"),
    ],
)
def test_invalid_settings_are_an_error(change: dict[str, object], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        SegmentationNetwork(TINY.model_copy(update=change))


def test_a_missing_or_damaged_model_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="holds no segmentation model"):
        SegmentationModel.load(tmp_path)
    (tmp_path / "segmentation.json").write_text("{}")
    with pytest.raises(BundleError, match="damaged"):
        SegmentationModel.load(tmp_path)
