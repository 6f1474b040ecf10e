"""The predictor: equal predictions for equal pixels, alone, in batches, in threads and after pickling."""

import hashlib
import io
import multiprocessing
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from PIL import Image

from lesionlab.bundle import Bundle, BundleInfo, Patient
from lesionlab.errors import BundleError, ImageError, UsageError
from lesionlab.prediction import Predictor, RiskRule
from lesionlab.prediction.pipeline import Options
from lesionlab.results import Failure, Prediction
from lesionlab.taxonomy import BY_CODE, CODES, DIAGNOSIS, TASKS, Risk
from tests.images.dicom.files import dicom


@pytest.fixture(scope="module")
def predictor(tiny_bundle: Path) -> Predictor:
    return Predictor.load(tiny_bundle)


@pytest.fixture(scope="module")
def arrays() -> list[np.ndarray]:
    draw = np.random.default_rng(1)
    return [draw.integers(0, 256, (*draw.integers(28, 90, 2), 3), dtype=np.uint8) for _ in range(37)]


def as_vector(prediction: Prediction | Failure) -> np.ndarray:
    assert isinstance(prediction, Prediction)
    return np.array([prediction.probabilities[code] for code in CODES])


def test_the_prediction_follows_from_the_logits(predictor: Predictor, arrays: list[np.ndarray]) -> None:
    logits = predictor.predict_logits(arrays).astype(np.float64)
    assert logits.shape == (37, 7)
    for row, array in zip(logits, arrays, strict=True):
        prediction = predictor.predict(array)
        expected = np.exp(row / 1.5) / np.exp(row / 1.5).sum()
        np.testing.assert_allclose(as_vector(prediction), expected, atol=1e-6)
        assert sum(prediction.probabilities.values()) == pytest.approx(1, abs=1e-12)
        assert prediction.p_malignant == pytest.approx(
            sum(prediction.probabilities[code] for code in DIAGNOSIS.malignant)
        )
        order = [CODES[i] for i in np.argsort(-expected)][:3]
        assert [ranked.code for ranked in prediction.top] == order
        assert [ranked.name for ranked in prediction.top] == [BY_CODE[code].name for code in order]
        assert [ranked.probability for ranked in prediction.top] == [prediction.probabilities[code] for code in order]
        # By the threshold for 95 % sensitivity, which the bundle sets at 0.08.
        malignant = prediction.operating_points[0].target_probability
        expected_risk = Risk.HIGH if malignant >= 0.5 else Risk.MODERATE if malignant >= 0.08 else Risk.LOW
        assert prediction.risk == expected_risk
        assert prediction.positive == (malignant >= 0.08)
        assert prediction.balanced_prediction == order[0]
        assert prediction.model == predictor.info.identity


@pytest.mark.parametrize("name", ["malignant", "melanoma"])
def test_a_binary_model_predicts_both_classes(
    tiny_binary_bundle: Callable[[str], Path], arrays: list[np.ndarray], name: str
) -> None:
    predictor, task = Predictor.load(tiny_binary_bundle(name)), TASKS[name]
    logits = predictor.predict_logits(arrays).astype(np.float64)
    assert logits.shape == (37, 2)
    predictions = [predictor.predict(array) for array in arrays]
    assert len({prediction.top[0].code for prediction in predictions}) == 2
    for row, prediction in zip(logits, predictions, strict=True):
        positive = 1 / (1 + np.exp((row[0] - row[1] - 4.75) / 1.5))
        assert list(prediction.probabilities) == list(task.classes)
        assert prediction.probabilities[task.classes[1]] == pytest.approx(positive, abs=1e-6)
        assert prediction.p_malignant == (prediction.probabilities["malignant"] if name == "malignant" else None)
        assert {ranked.name for ranked in prediction.top} == set(task.names)
        assert prediction.top[0].probability >= prediction.top[1].probability
        assert prediction.risk == (Risk.HIGH if positive >= 0.5 else Risk.MODERATE if positive >= 0.08 else Risk.LOW)
        assert Prediction.model_validate_json(prediction.model_dump_json()) == prediction


def test_a_predictor_can_be_pickled(predictor: Predictor, arrays: list[np.ndarray]) -> None:
    copy = pickle.loads(pickle.dumps(Predictor(predictor.bundle, Options(risk=RiskRule("cost", 20)))))  # noqa: S301
    assert isinstance(copy, Predictor)
    assert copy.risk_rule.startswith("risk is low below 4.8% (a missed malignancy costs as much as 20 false positives)")
    assert copy.predict(arrays[0]).probabilities == predictor.predict(arrays[0]).probabilities


@pytest.mark.slow
def test_a_predictor_works_in_a_spawned_process(tiny_bundle: Path, arrays: list[np.ndarray]) -> None:
    predictor = Predictor.load(tiny_bundle, threads=1)
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        found = list(pool.map(predictor.predict, arrays[:4]))
    assert found == [predictor.predict(array) for array in arrays[:4]]


def test_a_folder_is_expanded_and_a_single_image_is_not_iterated(
    predictor: Predictor, photograph: Image.Image, tmp_path: Path
) -> None:
    for name in ("a.jpg", "b.jpg"):
        photograph.save(tmp_path / name)
    for images in (tmp_path, str(tmp_path), str(tmp_path / "*.jpg")):
        assert [result.image for result in predictor.predict_many(images)] == [
            str(tmp_path / name) for name in ("a.jpg", "b.jpg")
        ]
    (alone,) = predictor.predict_many(str(tmp_path / "a.jpg"))
    assert isinstance(alone, Prediction)
    for image in (b"bytes", photograph, np.zeros((40, 40, 3), np.uint8)):
        with pytest.raises(UsageError, match=r"pass \[image\]"):
            predictor.predict_many(image)  # type: ignore[arg-type]
    batch = np.random.default_rng(0).integers(0, 256, (2, 3, 40, 40), dtype=np.uint8)
    assert [result.image for result in predictor.predict_many(batch)] == ["image 0", "image 1"]
    with pytest.raises(UsageError, match="no such file or folder"):
        predictor.predict_many("missing")


def test_an_explanation_uses_patient_data(tiny_whole_bundle: Path, photograph: Image.Image) -> None:
    explained = Predictor.load(tiny_whole_bundle).pipeline
    prepared = explained.prepare(photograph, patient=Patient(age=70))
    assert explained.explain([prepared], [None])[0].prediction == explained.predict([prepared])[0]


def test_images_are_reduced_to_the_size_of_the_training_images_first(
    tiny_info: BundleInfo, tiny_graph: bytes, photograph: Image.Image
) -> None:
    preprocessing = tiny_info.preprocessing.model_copy(update={"through": 28})
    through = Predictor.load(bundle_with(tiny_info, tiny_graph, preprocessing=preprocessing))
    plain = Predictor.load(bundle_with(tiny_info, tiny_graph))
    small = np.asarray(photograph.resize((28, 28), Image.Resampling.BILINEAR))
    expected = plain.predict_logits([small])
    np.testing.assert_allclose(through.predict_logits([photograph, small]), np.repeat(expected, 2, axis=0), atol=1e-5)
    assert np.abs(plain.predict_logits([photograph]) - expected).max() > 1e-3
    assert through.predict(small).notes == ()


def test_the_graph_gets_the_preprocessed_pixels(predictor: Predictor, photograph: Image.Image) -> None:
    pixels = predictor.info.preprocessing.apply(photograph)
    np.testing.assert_allclose(predictor.predict_logits([photograph]), predictor.predict_logits([pixels]), atol=1e-5)
    assert not np.allclose(predictor.predict_logits([pixels]), predictor.predict_logits([pixels[..., ::-1]]))


@pytest.mark.parametrize("batch_size", [1, 5, 16, 64])
def test_an_image_has_the_same_probabilities_alone_and_in_a_batch(
    predictor: Predictor, arrays: list[np.ndarray], batch_size: int
) -> None:
    many = [as_vector(p) for p in predictor.predict_many(arrays, batch_size=batch_size)]
    alone = [as_vector(predictor.predict(array)) for array in arrays]
    np.testing.assert_allclose(many, alone, atol=1e-6)


def test_unreadable_images_keep_their_position_and_do_not_stop_the_others(
    predictor: Predictor, photograph: Image.Image, tmp_path: Path
) -> None:
    photograph.save(tmp_path / "good.jpg")
    (tmp_path / "text.jpg").write_text("not a picture")
    stream = io.BytesIO()
    photograph.save(stream, "PNG")
    images: list[Any] = [
        tmp_path / "text.jpg",
        str(tmp_path / "good.jpg"),
        np.zeros((40, 40, 7)),
        stream.getvalue(),
        b"x",
    ] * 9
    results = list(predictor.predict_many(images, batch_size=4))
    assert [isinstance(result, Failure) for result in results] == [True, False, True, False, True] * 9
    assert [result.image for result in results[:5]] == [str(images[0]), images[1], "image 2", "image 3", "image 4"]
    failure = results[0]
    assert isinstance(failure, Failure)
    assert failure.error.startswith("the file holds text")
    assert list(predictor.predict_many([])) == []
    assert len(list(predictor.predict_many([b"x"] * 20))) == 20


def test_the_error_names_the_image(predictor: Predictor, tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"^.*missing\.jpg: no such file$"):
        predictor.predict(tmp_path / "missing.jpg")
    with pytest.raises(ImageError, match=r"^image 0: "):
        predictor.predict(np.zeros((40, 40, 7)))
    with pytest.raises(ImageError, match=r"^image 1: "):
        predictor.predict_logits([np.zeros((40, 40, 3), np.uint8), b"x"])


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere file names are text")
def test_a_file_name_that_is_not_utf_8_is_escaped(
    predictor: Predictor, photograph: Image.Image, tmp_path: Path
) -> None:
    place = bytes(tmp_path) + b"/caf\xe9.png"
    photograph.save(tmp_path / "a.png")
    (tmp_path / "a.png").rename(place.decode("utf-8", "surrogateescape"))
    (prediction,) = predictor.predict_many([place.decode("utf-8", "surrogateescape")])
    assert prediction.image.endswith(r"caf\xe9.png")
    assert isinstance(prediction, Prediction)
    prediction.model_dump_json()


def test_a_prediction_holds_the_notes_on_its_image(predictor: Predictor) -> None:
    notes = predictor.predict(Image.new("L", (400, 40))).notes
    assert any("grey" in note for note in notes)
    assert any("unusual shape" in note for note in notes)


def test_progress_is_reported_after_each_batch(predictor: Predictor, arrays: list[np.ndarray]) -> None:
    told: list[tuple[int, int]] = []
    predictor.predict_logits(arrays, batch_size=16, progress=lambda done, total: told.append((done, total)))
    assert told == [(16, 37), (32, 37), (37, 37)]
    assert predictor.predict_logits([]).shape == (0, 7)


def test_prefetching_is_bounded(predictor: Predictor) -> None:
    taken = 0

    def endless() -> Iterator[np.ndarray]:
        nonlocal taken
        while True:
            taken += 1
            yield np.zeros((64, 64, 3), np.uint8)

    before = threading.active_count()
    results = predictor.predict_many(endless(), batch_size=4)
    for _ in range(10):
        next(results)
    assert taken <= 4 * 3 + 2 * 4 + 1
    results.close()  # type: ignore[attr-defined] # it is a generator
    assert threading.active_count() <= before


@pytest.mark.slow
def test_memory_does_not_grow_with_the_number_of_images(predictor: Predictor) -> None:
    image = np.zeros((64, 64, 3), np.uint8)

    def predict(count: int) -> int:
        for _ in predictor.predict_many((image for _ in range(count)), batch_size=32):
            pass
        return int(psutil.Process().memory_info().rss)

    before = predict(500)
    assert predict(3_000) - before < 20 * 2**20


def test_two_threads_may_share_a_predictor(predictor: Predictor, arrays: list[np.ndarray]) -> None:
    expected = [as_vector(p) for p in predictor.predict_many(arrays)]
    found: dict[int, list[np.ndarray]] = {}

    def predict(name: int) -> None:
        found[name] = [as_vector(p) for _ in range(5) for p in predictor.predict_many(arrays, batch_size=3 + name)]

    threads = [threading.Thread(target=predict, args=(name,)) for name in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for vectors in found.values():
        np.testing.assert_allclose(vectors, expected * 5, atol=1e-6)
    assert len(found) == 2


def bundle_with(info: BundleInfo, graph: bytes, **changes: object) -> Bundle:
    digest = hashlib.sha256(graph).hexdigest()
    return Bundle(info.model_copy(update={"graph_sha256": digest, **changes}), graph, Path("made-up"))


def test_a_graph_that_does_not_match_its_description_is_an_error(tiny_info: BundleInfo, tiny_graph: bytes) -> None:
    with pytest.raises(BundleError, match="made-up: the graph cannot be opened"):
        Predictor.load(bundle_with(tiny_info, tiny_graph[:900]))
    preprocessing = tiny_info.preprocessing.model_copy(update={"size": 96})
    with pytest.raises(BundleError, match=r"expected one input 'image', uint8 \[N, 96, 96, 3\]"):
        Predictor.load(bundle_with(tiny_info, tiny_graph, preprocessing=preprocessing))
    with pytest.raises(BundleError, match=r"expected 'logits', float \[N, 7\]"):
        Predictor.load(bundle_with(tiny_info, tiny_graph.replace(b"logits", b"scores")))


def test_outputs_that_are_not_finite_are_an_error(tiny_info: BundleInfo, tiny_graph: bytes) -> None:
    poisoned = tiny_graph.replace(np.full(3, 0.5, "<f4").tobytes(), np.full(3, np.nan, "<f4").tobytes())
    predictor = Predictor.load(bundle_with(tiny_info, poisoned))
    with pytest.raises(BundleError, match="not finite"):
        predictor.predict(np.zeros((64, 64, 3), np.uint8))


@pytest.mark.slow
def test_prediction_loads_no_training_framework(tiny_bundle: Path, photograph: Image.Image, tmp_path: Path) -> None:
    photograph.save(tmp_path / "a.jpg")
    code = (
        "import sys; from lesionlab import Predictor; Predictor.load(sys.argv[1]).predict(sys.argv[2]);"
        "heavy = {'torch', 'pandas', 'sklearn', 'scipy', 'matplotlib', 'timm', 'onnx', 'pyarrow'} & set(sys.modules);"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    arguments = [sys.executable, "-c", code, str(tiny_bundle), str(tmp_path / "a.jpg")]
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_dicom_files_give_the_prediction_of_their_pixels(
    predictor: Predictor, arrays: list[np.ndarray], tmp_path: Path
) -> None:
    frames = np.stack([arrays[0], arrays[0][::-1]])
    one, several = dicom(arrays[0]), dicom(frames)
    (tmp_path / "1.2.840.1").write_bytes(one)
    (tmp_path / "b.dcm").write_bytes(several)
    inputs: list[bytes | str | Path] = [
        one,
        tmp_path / "1.2.840.1",
        f"{tmp_path / 'b.dcm'}::1",
        f"{tmp_path / 'b.dcm'}::2",
    ]
    expected = [as_vector(predictor.predict(array)) for array in (frames[0], frames[0], *frames)]
    for prediction, vector in zip(predictor.predict_many(inputs), expected, strict=True):
        np.testing.assert_allclose(as_vector(prediction), vector, atol=1e-6)
    assert len(list(predictor.predict_many(str(tmp_path)))) == 3
    (failure,) = predictor.predict_many([several])
    assert isinstance(failure, Failure)
    assert "holds 2 frames" in failure.error
