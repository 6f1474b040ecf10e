"""A detector in the graph abstains from pictures that are not dermoscopic images of a skin lesion."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from PIL import Image

from lesionlab.bundle import Bundle, DermoscopyDetector, save_bundle
from lesionlab.data import Manifest
from lesionlab.errors import BundleError, DataError, UsageError
from lesionlab.export import convert, export_run
from lesionlab.export.dermoscopy import read_negatives, with_detector, with_threshold
from lesionlab.export.formats import FORMATS, Source
from lesionlab.export.measure import measure_images
from lesionlab.export.recalibrate import recalibrate_bundle
from lesionlab.prediction import Predictor
from lesionlab.prediction.inference.preprocessing import or_raise
from lesionlab.prediction.inference.session import GraphSession
from lesionlab.runs import RunFolder


@pytest.fixture(scope="module")
def negatives(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures of noise and of stripes."""
    folder, draw = tmp_path_factory.mktemp("negatives"), np.random.default_rng(0)
    for kind in ("noise", "stripes"):
        (folder / kind).mkdir()
        for number in range(30):
            pixels = draw.integers(0, 256, (64, 64, 3), dtype=np.uint8)
            if kind == "stripes":
                pixels[:] = np.where(np.arange(64) // (number % 8 + 2) % 2, 250, 5)[:, np.newaxis]
            Image.fromarray(pixels).save(folder / kind / f"{number}.png")
    return folder


@pytest.fixture(scope="module")
def images(phantoms: Manifest) -> list[str]:
    return [phantoms.location(record) for record in phantoms]


@pytest.fixture(scope="module")
def detecting(tiny_whole_bundle: Path, images: Sequence[str], negatives: Path) -> Bundle:
    bundle = replace(Bundle.load(tiny_whole_bundle), evaluation=None)
    return with_detector(bundle, images[::2], images[1::2], read_negatives(negatives))


@pytest.mark.slow
def test_the_graph_has_one_more_output(detecting: Bundle, tiny_whole_bundle: Path, images: Sequence[str]) -> None:
    before = Bundle.load(tiny_whole_bundle)
    names = [value.name for value in onnx.load_from_string(detecting.graph).graph.output]
    assert names == ["logits", "feature_map", "dermoscopic"]
    predictor = Predictor.load(before)
    pixels = np.stack([predictor.pipeline.prepare(image).pixels for image in images[:5]])
    new, old = GraphSession(detecting, 1).outputs(pixels), GraphSession(before, 1).outputs(pixels)
    np.testing.assert_array_equal(new.logits, old.logits)
    assert new.dermoscopic is not None
    assert (new.dermoscopic.shape, old.dermoscopic) == ((5,), None)


@pytest.mark.slow
def test_the_model_abstains_from_other_pictures(detecting: Bundle, images: Sequence[str], negatives: Path) -> None:
    detector = detecting.info.dermoscopy
    assert detector is not None
    assert detector.negatives == {"noise": 30, "stripes": 30}
    assert set(detector.left_out) == {"noise", "stripes"}
    assert detector.validation_share <= 0.005
    predictor = Predictor.load(detecting)
    for kind in detector.negatives:
        predictions = [or_raise(prediction) for prediction in predictor.predict_many(str(negatives / kind))]
        found = [one for one in predictions if "not_dermoscopic" in {reason.code for reason in one.abstain_reasons}]
        assert len(found) > 0.8 * len(predictions)
        assert all("not a dermoscopic image of a skin lesion: score " in one.headline for one in found)
    codes = [{reason.code for reason in one.abstain_reasons} for one in map(or_raise, predictor.predict_many(images))]
    assert sum("not_dermoscopic" in found for found in codes) <= 1


@pytest.mark.slow
def test_a_saved_detector_is_loaded_and_replaced(
    detecting: Bundle, images: Sequence[str], negatives: Path, tmp_path: Path
) -> None:
    save_bundle(tmp_path / "saved", detecting.info, detecting.graph, reference=detecting.reference)
    saved = Bundle.load(tmp_path / "saved")
    assert saved.abstains
    again = with_detector(saved, images[::2], images[1::2], read_negatives(negatives))
    assert (again.graph, again.info.dermoscopy) == (detecting.graph, detecting.info.dermoscopy)


@pytest.mark.slow
def test_the_threshold_follows_the_validation_images(detecting: Bundle) -> None:
    assert detecting.info.dermoscopy is not None
    found = with_threshold(detecting.info.dermoscopy, np.arange(1000, dtype=np.float32))
    assert (found.threshold, found.validation_share) == (3.5, 0.004)
    few = with_threshold(detecting.info.dermoscopy, np.arange(10, dtype=np.float32))
    assert -0.1 < few.threshold < 0
    assert few.validation_share == 0
    assert found.negatives == detecting.info.dermoscopy.negatives


@pytest.mark.slow
def test_unreadable_negatives_are_counted_and_left_out(
    detecting: Bundle, images: Sequence[str], negatives: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    damaged = tmp_path / "damaged.png"
    damaged.write_bytes(b"\x89PNG\r\n\x1a\n nothing")
    kinds = {**read_negatives(negatives), "other": [str(damaged)] * 3}
    with caplog.at_level(logging.WARNING):
        found = with_detector(detecting, images[::2], images[1::2], kinds)
    assert "3 of 63 negatives cannot be read and are left out" in caplog.text
    assert found.info.dermoscopy is not None
    assert found.info.dermoscopy.negatives == {"noise": 30, "stripes": 30}
    with pytest.raises(DataError, match=r"damaged\.png: the image cannot be read"):
        with_detector(detecting, [*images, str(damaged)], images, read_negatives(negatives))


def test_a_folder_needs_enough_pictures(tmp_path: Path, negatives: Path) -> None:
    (tmp_path / "few").mkdir()
    with pytest.raises(UsageError, match="contains no image"):
        read_negatives(tmp_path)
    Image.new("RGB", (64, 64)).save(tmp_path / "few" / "one.png")
    with pytest.raises(DataError, match="1 pictures are too few negatives, at least 50 are needed"):
        read_negatives(tmp_path)
    assert {kind: len(found) for kind, found in read_negatives(negatives).items()} == {"noise": 30, "stripes": 30}


def test_a_description_needs_the_output_of_the_graph(tiny_whole_bundle: Path) -> None:
    bundle = Bundle.load(tiny_whole_bundle)
    detector = DermoscopyDetector(threshold=0, validation_share=0.01, negatives={"noise": 60})
    info = bundle.info.model_copy(update={"dermoscopy": detector})
    with pytest.raises(BundleError, match="no output 'dermoscopic'"):
        Predictor.load(replace(bundle, info=info))


def test_the_shipped_models_segmentation_is_used(images: Sequence[str], negatives: Path) -> None:
    shipped = Bundle.load()
    some = {kind: found[:3] for kind, found in read_negatives(negatives).items()}
    found = with_detector(shipped, images[:4], images[4:8], some)
    weights = next(
        value for value in onnx.load_from_string(found.graph).graph.initializer if value.name == "dermoscopy/weights"
    )
    # The classifier's map has 1,280 channels, those of the encoder 112 to 16.
    assert weights.dims[0] > 1280 + 112


@pytest.fixture(scope="module")
def exported(tiny_run: RunFolder, negatives: Path, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    path = tmp_path_factory.mktemp("exported") / "bundle"
    return export_run(tiny_run, changes=[f"inference.negatives={negatives}"], out=path)


@pytest.mark.slow
def test_a_recipe_names_the_negatives(exported: Bundle, tiny_run: RunFolder) -> None:
    saved, plain = Bundle.load(exported.path), Bundle.load(tiny_run.bundle)
    assert saved.info.dermoscopy is not None
    assert saved.info.dermoscopy.negatives == {"noise": 30, "stripes": 30}
    # The detector changes no other output, so that everything else is fitted as without it.
    assert saved.info.calibration == plain.info.calibration
    assert saved.info.operating_points == plain.info.operating_points


@pytest.mark.slow
def test_an_existing_bundle_gets_a_detector(
    exported: Bundle, tiny_run: RunFolder, phantoms: Manifest, negatives: Path, tmp_path: Path
) -> None:
    found = recalibrate_bundle(Bundle.load(tiny_run.bundle), phantoms, tmp_path / "new", negatives=negatives).bundle
    assert found.graph == exported.graph
    again = recalibrate_bundle(found, phantoms, tmp_path / "again").bundle
    assert again.graph == found.graph
    detector = exported.info.dermoscopy
    assert detector is not None
    for other in (found.info.dermoscopy, again.info.dermoscopy):
        assert other is not None
        # It is computed from other batches.
        assert other.threshold == pytest.approx(detector.threshold, abs=1e-4)
        assert other == detector.model_copy(update={"threshold": other.threshold})


@pytest.mark.slow
@pytest.mark.parametrize("name", ["onnx-fp16", "onnx-int8", "openvino"])
def test_converted_models_have_the_detector(
    exported: Bundle, phantoms: Manifest, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    form = FORMATS[name]
    for module in form.modules:
        pytest.importorskip(module)
    monkeypatch.setattr("lesionlab.export.acceptance.MAX_ACCURACY_LOSS", 1.0)
    monkeypatch.setattr("lesionlab.export.acceptance.MAX_ABSTENTION_LOSS", 1.0)
    monkeypatch.setattr(convert, "time_alternately", lambda *_: np.tile([0.010, 0.009], (40, 1)))
    data = convert.acceptance_data(exported.info, phantoms)
    (report,) = convert.convert_bundle(exported, [form], tmp_path, data, threads=1)
    assert report.passed
    assert report.fp32_abstained is not None
    assert report.fp32_abstained <= 0.005
    source = Source(exported, np.empty((0,), np.uint8))
    measured = [
        measure_images(
            exported, [data.images.location(record) for record in data.images.records[:8]], session=session
        ).dermoscopic
        for session in (GraphSession(exported, 1), form.open(tmp_path / name, source, 1))
    ]
    assert measured[0] is not None
    assert measured[1] is not None
    np.testing.assert_allclose(measured[0], measured[1], atol=1.0 if name == "onnx-int8" else 0.02)
