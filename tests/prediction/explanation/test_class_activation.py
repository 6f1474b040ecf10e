"""A class activation map decomposes the logit by position."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lesionlab.bundle import Bundle, LinearHead, Reference
from lesionlab.errors import BundleError, ImageError, UsageError
from lesionlab.images import ImageSource
from lesionlab.prediction import Predictor
from lesionlab.prediction.explanation.class_activation import class_activation_map, scaled
from lesionlab.prediction.inference.session import GraphSession
from lesionlab.results import Explanation, Failure
from lesionlab.taxonomy import CODES


@pytest.fixture(scope="module")
def predictor(tiny_whole_bundle: Path) -> Predictor:
    return Predictor.load(tiny_whole_bundle)


@pytest.fixture(scope="module")
def arrays() -> list[np.ndarray]:
    draw = np.random.default_rng(2)
    return [draw.integers(0, 256, (64, 64, 3), dtype=np.uint8) for _ in range(5)]


def map_of(predictor: Predictor, image: ImageSource, code: str | None = None) -> Explanation:
    (explained,) = predictor.pipeline.explain([predictor.pipeline.prepare(image)], [code])
    assert explained.explanation is not None
    return explained.explanation


def test_an_abstention_has_no_map(predictor: Predictor) -> None:
    blank = np.zeros((64, 64, 3), np.uint8)
    for code in (None, "mel"):
        (explained,) = predictor.pipeline.explain([predictor.pipeline.prepare(blank)], [code])
        assert explained.prediction.abstained
        assert explained.explanation is None


def test_the_mean_of_the_map_is_the_logit(
    tiny_whole_bundle: Path, tiny_reference: Reference, arrays: list[np.ndarray]
) -> None:
    found = GraphSession(Bundle.load(tiny_whole_bundle)).outputs(np.stack(arrays))
    head = tiny_reference.head
    assert head is not None
    assert found.feature_map is not None
    for row, feature_map in zip(found.logits, found.feature_map, strict=True):
        means = [class_activation_map(head, feature_map, index).mean() for index in range(7)]
        np.testing.assert_allclose(means + head.bias, row, atol=1e-5)


def test_values_are_from_0_to_1(predictor: Predictor, arrays: list[np.ndarray]) -> None:
    for array in arrays:
        for code in CODES:
            explanation = map_of(predictor, array, code)
            values = explanation.values
            assert (explanation.code, explanation.method) == (code, "class activation map")
            assert values.shape == (8, 8)
            assert values.dtype == np.float32
            assert values.min() >= 0
            assert values.max() in (0, 1)


def test_negative_evidence_is_cut_off() -> None:
    np.testing.assert_array_equal(scaled(np.array([[-3.0, 2.0], [1.0, 0.0]])), [[0, 1], [0.5, 0]])
    np.testing.assert_array_equal(scaled(np.array([[-3.0, -2.0]])), [[0, 0]])
    np.testing.assert_array_equal(scaled(np.zeros((2, 2))), np.zeros((2, 2)))


def test_an_explained_prediction_is_the_same_prediction(predictor: Predictor, arrays: list[np.ndarray]) -> None:
    prepared = [predictor.pipeline.prepare(array) for array in arrays]
    explained = predictor.pipeline.explain(prepared, [None, "nv", None, "vasc", None])
    for one, alone, code in zip(
        explained, map(predictor.predict, arrays), [None, "nv", None, "vasc", None], strict=True
    ):
        prediction, explanation = one.prediction, one.explanation
        assert prediction.probabilities == pytest.approx(alone.probabilities, abs=1e-6)
        assert prediction.status == alone.status == "ok"
        assert explanation is not None
        assert explanation.code == (code or alone.top[0].code)
    assert predictor.pipeline.explain([], []) == []


def test_many_are_explained_in_their_order(predictor: Predictor, photograph: Image.Image) -> None:
    found = list(predictor.explain_many([photograph, b"text", photograph.rotate(90)], batch_size=2))
    assert isinstance(found[1], Failure)
    for result, alone in zip(found[::2], (photograph, photograph.rotate(90)), strict=True):
        assert not isinstance(result, Failure)
        prediction, explanation = result.prediction, result.explanation
        expected = map_of(predictor, alone)
        assert explanation is not None
        assert explanation.code == prediction.top[0].code == expected.code
        np.testing.assert_allclose(explanation.values, expected.values, atol=1e-5)


def test_the_reason_for_a_missing_map_is_named(
    predictor: Predictor, tiny_bundle: Path, tiny_whole_bundle: Path, photograph: Image.Image
) -> None:
    with pytest.raises(UsageError, match=r"^diagnosis 'wart' is none of mel, nv, bcc"):
        predictor.explain(photograph, "wart")
    with pytest.raises(ImageError):
        predictor.explain(b"text")
    old = Predictor.load(tiny_bundle)
    assert (old.explainable, old.abstains) == (False, False)
    with pytest.raises(
        UsageError, match=r"^tiny@\w+ has no class activation map.* without reference\.npz; export its run again$"
    ):
        old.explain(photograph)
    whole = Bundle.load(tiny_whole_bundle)
    assert whole.reference is not None
    headless = Predictor.load(replace(whole, reference=replace(whole.reference, head=None)))
    assert (headless.explainable, headless.abstains) == (False, True)
    with pytest.raises(UsageError, match="more than average pooling and one linear layer"):
        headless.explain_many([photograph])


@pytest.mark.parametrize("shape", [(7, 9), (6, 8), (7,)])
def test_weights_of_another_graph_are_an_error(
    tiny_whole_bundle: Path, shape: tuple[int, ...], tiny_binary_bundle: Callable[[str], Path]
) -> None:
    whole = Bundle.load(tiny_whole_bundle)
    head = LinearHead(np.zeros(shape, np.float32), np.zeros(7, np.float32))
    with pytest.raises(BundleError, match=r"reference\.npz is not that of this graph"):
        Predictor.load(replace(whole, reference=Reference(head=head)))
    two = Bundle.load(tiny_binary_bundle("malignant"))
    with pytest.raises(BundleError, match=r"reference\.npz is not that of this graph"):
        Predictor.load(replace(two, reference=whole.reference))
