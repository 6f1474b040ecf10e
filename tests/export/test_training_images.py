"""Index of training images in an exported bundle."""

from pathlib import Path

import pytest

from lesionlab.bundle import Bundle
from lesionlab.export import bundle as exporting
from lesionlab.export import export_run
from lesionlab.export.training_images import DIRECTIONS
from lesionlab.prediction import Predictor
from lesionlab.results import ExplainedPrediction
from lesionlab.runs import RunFolder


def test_the_index_holds_the_training_images(tiny_run: RunFolder) -> None:
    bundle, train = Bundle.load(tiny_run.path), tiny_run.manifest().select(tiny_run.split().subsets()["train"])
    index = bundle.training_images
    assert index is not None
    assert bundle.reference is not None
    assert bundle.reference.features is not None
    for name in ("image_id", "lesion_id", "diagnosis"):
        assert [text.decode() for text in getattr(index, name).tolist()] == [getattr(r, name) for r in train]
    directions = min(DIRECTIONS, len(bundle.reference.features.basis))
    assert index.coordinates.shape == (len(train), directions)
    predictor = Predictor.load(bundle, threads=1)
    for record in train.records[::7]:
        (found,) = predictor.explain_many([train.location(record)])
        assert isinstance(found, ExplainedPrediction)
        assert found.nearest_images is not None
        assert found.nearest_images[0].similarity == pytest.approx(1, abs=2e-3)
        assert record.lesion_id in {nearest.lesion_id for nearest in found.nearest_images}


def test_the_index_is_optional(tiny_run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    graph = Bundle.load(tiny_run.path).graph
    monkeypatch.setattr(exporting, "export_graph", lambda *_: graph)  # takes seconds
    bundle = export_run(tiny_run, changes=["inference.training_images=false"], out=tmp_path / "private")
    assert bundle.training_images is None
    assert bundle.info.training_images_sha256 is None
    assert sorted(path.name for path in (tmp_path / "private").iterdir()) == [
        "bundle.json",
        "model.onnx",
        "reference.npz",
        "seen_images.npz",
    ]
    ids = [record.image_id.encode() for record in tiny_run.manifest()]
    held = b"".join(path.read_bytes() for path in (tmp_path / "private").iterdir())
    assert not any(name in held for name in ids)
