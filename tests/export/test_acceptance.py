"""What speaks against shipping a converted model."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from lesionlab.bundle import BundleInfo, FeatureSpace, Reference
from lesionlab.export.acceptance import AcceptanceReport, ModelOutputs, compare, time_in_turn
from lesionlab.export.formats import FORMATS
from lesionlab.export.measure import Measured
from lesionlab.prediction.inference.session import GraphOutput

IMAGES = 210
LABELS = np.arange(IMAGES) % 7


def measured(wrong: int = 0, shift: float = 0.0, distance: float = 0.0, images: int = IMAGES) -> Measured:
    """Return confident right answers but for the first images, moved by a shift, at a distance from the mean."""
    given = LABELS[:images].copy()
    given[:wrong] = (given[:wrong] + 1) % 7
    logits = np.eye(7, dtype=np.float32)[given] * 3
    logits[:, 0] += shift
    features = np.zeros((images, 4), np.float32)
    features[:, 3] = distance**2
    return Measured(logits, features, np.zeros((images, 3), np.float32))


@pytest.fixture
def judged(tiny_info: BundleInfo) -> Callable[..., ModelOutputs]:
    space = FeatureSpace(np.zeros(4, np.float32), np.eye(4, dtype=np.float16)[:1], limit=np.array(1.0, np.float32))

    def make(images: Measured, strange: float = 2.0) -> ModelOutputs:
        return ModelOutputs(tiny_info, Reference(features=space), images, measured(distance=strange, images=20), 4.0)

    return make


def found(before: ModelOutputs, after: ModelOutputs, name: str = "onnx-int8", ratio: float = 0.5) -> AcceptanceReport:
    pairs = np.tile([0.010, 0.010 * ratio], (40, 1))
    lesions = [str(index // 2) for index in range(IMAGES)]
    return compare(
        FORMATS[name], "", before, after, pairs, evaluated_on="x", threads=1, labels=LABELS, lesion_ids=lesions
    )


def test_what_answers_alike_passes(judged: Callable[..., ModelOutputs]) -> None:
    one = found(judged(measured()), judged(measured()))
    assert one.passed
    assert (one.balanced_accuracy, one.agreement, one.largest_difference) == (1.0, 1.0, 0.0)
    assert one.latency is not None
    assert one.latency.value == pytest.approx(0.5)
    assert one.milliseconds == pytest.approx(5)
    assert one.fp32_milliseconds == pytest.approx(10)
    assert (one.refused, one.strange_refused) == (0.0, 1.0)


@pytest.mark.parametrize(("wrong", "passes"), [(0, True), (1, True), (2, False), (7, False)])
def test_accuracy_may_fall_by_half_a_point(judged: Callable[..., ModelOutputs], wrong: int, passes: bool) -> None:
    # Each of the first seven images is one of thirty of its class: a wrong one costs 1/210 = 0.0048.
    one = found(judged(measured()), judged(measured(wrong=wrong)))
    assert one.loss is not None
    assert one.loss.value == pytest.approx(wrong / 210)
    assert one.passed is passes
    if not passes:
        assert one.failures == (f"balanced accuracy falls by {wrong / 210:.4f} (limit 0.005)",)


def test_what_answers_better_passes(judged: Callable[..., ModelOutputs]) -> None:
    assert found(judged(measured(wrong=20)), judged(measured())).passed


def test_the_same_numbers_are_asked_of_a_format_that_promises_them(judged: Callable[..., ModelOutputs]) -> None:
    before, after = judged(measured()), judged(measured(shift=0.02))
    assert found(before, after).passed
    (failure,) = found(before, after, "openvino").failures
    assert failure.startswith("a probability differs by 0.0")


@pytest.mark.parametrize(("name", "ratio", "passes"), [("onnx-int8", 1.05, False), ("openvino", 1.05, True)])
def test_what_is_made_for_speed_has_to_be_quicker(
    judged: Callable[..., ModelOutputs], name: str, ratio: float, passes: bool
) -> None:
    one = found(judged(measured()), judged(measured()), name, ratio)
    assert one.passed is passes
    if not passes:
        assert one.failures == ("one image takes 1.05 times as long (limit 1.0)",)


def test_nothing_is_said_of_a_runtime_that_does_not_exist_here(judged: Callable[..., ModelOutputs]) -> None:
    one = found(judged(measured()), judged(measured()), "coreml", 30.0)
    assert one.passed
    assert (one.computed_by, one.latency, one.milliseconds) == ("stand-in", None, None)


def test_what_no_longer_refuses_strange_pictures_fails(judged: Callable[..., ModelOutputs]) -> None:
    one = found(judged(measured()), judged(measured(), strange=0.5))
    assert one.failures == ("100% of strange pictures are no longer refused (limit 5%)",)


def test_without_labels_no_accuracy_is_claimed(judged: Callable[..., ModelOutputs]) -> None:
    pairs = np.full((4, 2), 0.01)
    one = compare(
        FORMATS["openvino"], "", judged(measured()), judged(measured()), pairs, evaluated_on="phantoms", threads=1
    )
    assert one.passed
    assert (one.balanced_accuracy, one.loss) == (None, None)


def test_a_model_without_features_refuses_nothing(judged: Callable[..., ModelOutputs]) -> None:
    blind = replace(judged(measured()), reference=None)
    assert found(blind, blind).refused is None


def test_two_sessions_are_timed_in_turn() -> None:
    called: list[str] = []

    class Session:
        channels: int | None = None

        def __init__(self, name: str) -> None:
            self.name = name

        def logits(self, pixels: np.ndarray) -> np.ndarray:
            called.append(self.name)
            return pixels

        def outputs(self, pixels: np.ndarray) -> GraphOutput:
            return GraphOutput(pixels)

    seconds = time_in_turn(Session("a"), Session("b"), np.zeros((2, 4, 4, 3), np.uint8), rounds=3, warm_up=1)
    assert seconds.shape == (3, 2)
    assert (seconds > 0).all()
    assert called == ["b", "a", "a", "b", "b", "a", "a", "b"]
