"""Measures of the lesion, from the model's own graph or from the package's segmentation model."""

import gc
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
from PIL import Image

from lesionlab.errors import BundleError
from lesionlab.prediction import Predictor
from lesionlab.results import ExplainedPrediction
from lesionlab.runs import RunFolder
from lesionlab.segmentation import Segmenter


@pytest.fixture
def dark(tiny_segmentation: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Segment dark pixels as the lesion."""
    monkeypatch.setenv("LESIONLAB_SEGMENTATION", str(tiny_segmentation))


@pytest.mark.usefixtures("dark")
@pytest.mark.parametrize("size", [(160, 120), (120, 160), (160, 160)])
def test_a_round_lesion_is_round_for_any_aspect_ratio(
    tiny_whole_bundle: Path, spot: Callable[..., Image.Image], size: tuple[int, int]
) -> None:
    predictor = Predictor.load(tiny_whole_bundle, threads=1)
    image = predictor.pipeline.prepare(spot(0.5, 0.5, 0.25, size))
    (explained,) = predictor.pipeline.explain([image], [None])
    assert explained.lesion is None
    measured = predictor.pipeline.measure_lesion(image, explained)
    assert measured.prediction == explained.prediction
    lesion = measured.lesion
    assert lesion is not None
    assert lesion.diameter == pytest.approx(0.5 * min(size) / max(size), rel=0.1)
    assert max(lesion.asymmetry) < 0.06
    assert lesion.border_irregularity < 0.06
    assert not lesion.touches_border


@pytest.mark.slow
def test_measures_of_the_graph_are_kept(
    cropping_run: RunFolder, spot: Callable[..., Image.Image], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LESIONLAB_SEGMENTATION", "/nowhere")
    predictor = Predictor.load(cropping_run.path, threads=1)
    image = predictor.pipeline.prepare(spot(0.5, 0.5, 0.25))
    (explained,) = predictor.pipeline.explain([image], [None])
    assert explained.lesion is not None
    assert predictor.pipeline.measure_lesion(image, explained) is explained


def test_prediction_and_map_need_no_segmentation_model(
    tiny_whole_bundle: Path, spot: Callable[..., Image.Image], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LESIONLAB_SEGMENTATION", str(tmp_path))
    predictor, image = Predictor.load(tiny_whole_bundle, threads=1), spot(0.5, 0.5, 0.25)
    (explained,) = predictor.pipeline.explain([predictor.pipeline.prepare(image)], [None])
    assert explained.explanation is not None
    assert explained.explanation.values.shape == (8, 8)
    assert predictor.predict(image).top
    with pytest.raises(BundleError, match="holds no segmentation model"):
        next(predictor.explain_many([image]))


@pytest.mark.usefixtures("dark")
def test_the_segmentation_model_is_loaded_once(
    tiny_whole_bundle: Path, spot: Callable[..., Image.Image], monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded, load = [], Segmenter.load

    def counted() -> Segmenter:
        loaded.append(1)
        return load()

    monkeypatch.setattr(Segmenter, "load", counted)
    predictor = Predictor.load(tiny_whole_bundle, threads=1)
    image = predictor.pipeline.prepare(spot(0.4, 0.5, 0.25))
    (explained,) = predictor.pipeline.explain([image], [None])
    assert not loaded
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: predictor.pipeline.measure_lesion(image, explained).lesion, range(8)))
    assert len(loaded) == 1
    assert found[0] is not None
    assert all(one == found[0] for one in found)


@pytest.mark.slow
@pytest.mark.usefixtures("dark")
def test_memory_does_not_grow_over_a_thousand_explanations(tiny_indexed_bundle: Path, photograph: Image.Image) -> None:
    predictor, process = Predictor.load(tiny_indexed_bundle, threads=1), psutil.Process()

    def explain(times: int) -> int:
        assert all(isinstance(found, ExplainedPrediction) for found in predictor.explain_many([photograph] * times))
        gc.collect()
        return int(process.memory_info().rss)

    settled = explain(100)
    assert explain(1000) - settled < 20e6
