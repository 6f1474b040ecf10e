"""An export names the training images and no other, in the space that it stores; a recipe may forbid it."""

from pathlib import Path

import pytest

from lesionlab.bundle import Bundle
from lesionlab.export import bundle as exporting
from lesionlab.export import export_run
from lesionlab.export.training_images import DIRECTIONS
from lesionlab.prediction import Predictor
from lesionlab.results import ExplainedPrediction
from lesionlab.runs import RunFolder


def test_the_cases_are_the_training_images(tiny_run: RunFolder) -> None:
    bundle, train = Bundle.load(tiny_run.path), tiny_run.manifest().select(tiny_run.split().parts()["train"])
    cases = bundle.training_images
    assert cases is not None
    assert bundle.reference is not None
    assert bundle.reference.features is not None
    for name in ("image_id", "lesion_id", "diagnosis"):
        assert [text.decode() for text in getattr(cases, name).tolist()] == [getattr(r, name) for r in train]
    directions = min(DIRECTIONS, len(bundle.reference.features.basis))
    assert cases.coordinates.shape == (len(train), directions)
    predictor = Predictor.load(bundle, threads=1)
    places = [train.location(record) for record in train]
    for place, record in list(zip(places, train, strict=True))[::7]:
        (found,) = predictor.explain_many([place])
        assert isinstance(found, ExplainedPrediction)
        assert found.nearest_images is not None
        assert found.nearest_images[0].similarity == pytest.approx(1, abs=2e-3)
        assert record.lesion_id in {case.lesion_id for case in found.nearest_images}


def test_private_identifiers_stay_at_home(tiny_run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    graph = Bundle.load(tiny_run.path).graph
    monkeypatch.setattr(exporting, "export_graph", lambda *_: graph)  # takes seconds
    bundle = export_run(tiny_run, changes=["inference.training_images=false"], out=tmp_path / "private")
    assert bundle.training_images is None
    assert bundle.info.training_images_sha256 is None
    assert sorted(path.name for path in (tmp_path / "private").iterdir()) == [
        "bundle.json",
        "model.onnx",
        "reference.npz",
    ]
    ids = [record.image_id.encode() for record in tiny_run.manifest()]
    held = b"".join(path.read_bytes() for path in (tmp_path / "private").iterdir())
    assert not any(name in held for name in ids)
