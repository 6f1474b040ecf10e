"""Acceptance criteria for converted models."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from lesionlab.bundle import BundleInfo, FeatureSpace, Reference
from lesionlab.export.acceptance import AcceptanceReport, ModelOutputs, compare, time_alternately
from lesionlab.export.formats import FORMATS
from lesionlab.export.measure import Measurements
from lesionlab.prediction.inference.session import GraphOutput

IMAGES = 210
LABELS = np.arange(IMAGES) % 7


def measured(wrong: int = 0, shift: float = 0.0, distance: float = 0.0, images: int = IMAGES) -> Measurements:
    """Return confident outputs; the first `wrong` images are wrong, all are shifted and at a distance from the mean."""
    predicted = LABELS[:images].copy()
    predicted[:wrong] = (predicted[:wrong] + 1) % 7
    logits = np.eye(7, dtype=np.float32)[predicted] * 3
    logits[:, 0] += shift
    features = np.zeros((images, 4), np.float32)
    features[:, 3] = distance**2
    return Measurements(logits, features, np.zeros((images, 3), np.float32))


@pytest.fixture
def outputs(tiny_info: BundleInfo) -> Callable[..., ModelOutputs]:
    space = FeatureSpace(np.zeros(4, np.float32), np.eye(4, dtype=np.float16)[:1], limit=np.array(1.0, np.float32))

    def make(images: Measurements, ood_distance: float = 2.0) -> ModelOutputs:
        return ModelOutputs(
            tiny_info, Reference(features=space), images, measured(distance=ood_distance, images=20), 4.0
        )

    return make


def report(
    fp32: ModelOutputs, converted: ModelOutputs, name: str = "onnx-int8", ratio: float = 0.5, spread: float = 0
) -> AcceptanceReport:
    ratios = ratio + spread * np.linspace(-1, 1, 40)
    seconds = 0.010 * np.stack([np.ones(40), ratios], axis=1)
    lesions = [str(index // 2) for index in range(IMAGES)]
    return compare(
        FORMATS[name], "", fp32, converted, seconds, evaluated_on="x", threads=1, labels=LABELS, lesion_ids=lesions
    )


def test_equal_outputs_pass(outputs: Callable[..., ModelOutputs]) -> None:
    one = report(outputs(measured()), outputs(measured()))
    assert one.passed
    assert (one.balanced_accuracy, one.agreement, one.largest_difference) == (1.0, 1.0, 0.0)
    assert one.latency is not None
    assert one.latency.value == pytest.approx(0.5)
    assert one.milliseconds == pytest.approx(5)
    assert one.fp32_milliseconds == pytest.approx(10)
    assert (one.abstained, one.abstained_out_of_distribution) == (0.0, 1.0)


@pytest.mark.parametrize(("wrong", "passes"), [(0, True), (1, True), (2, False), (7, False)])
def test_accuracy_loss_has_a_limit(outputs: Callable[..., ModelOutputs], wrong: int, passes: bool) -> None:
    # Each of the first seven images is one of thirty of its class: a wrong one costs 1/210 = 0.0048.
    one = report(outputs(measured()), outputs(measured(wrong=wrong)))
    assert one.loss is not None
    assert one.loss.value == pytest.approx(wrong / 210)
    assert one.passed is passes
    if not passes:
        assert one.failures == (f"balanced accuracy falls by {wrong / 210:.4f} (limit 0.005)",)


def test_better_accuracy_passes(outputs: Callable[..., ModelOutputs]) -> None:
    assert report(outputs(measured(wrong=20)), outputs(measured())).passed


def test_probabilities_have_a_limit_by_format(outputs: Callable[..., ModelOutputs]) -> None:
    before, after = outputs(measured()), outputs(measured(shift=0.02))
    assert report(before, after).passed
    (failure,) = report(before, after, "openvino").failures
    assert failure.startswith("a probability differs by 0.0")


@pytest.mark.parametrize(("name", "ratio", "passes"), [("onnx-int8", 1.05, False), ("openvino", 1.05, True)])
def test_latency_has_a_limit_by_format(
    outputs: Callable[..., ModelOutputs], name: str, ratio: float, passes: bool
) -> None:
    one = report(outputs(measured()), outputs(measured()), name, ratio)
    assert one.passed is passes
    if not passes:
        assert one.failures == ("latency is 1.05 times that of FP32 (limit 1.0)",)


def test_a_latency_that_is_not_shown_to_be_higher_passes(outputs: Callable[..., ModelOutputs]) -> None:
    noisy = report(outputs(measured()), outputs(measured()), ratio=1.05, spread=0.4)
    assert (noisy.passed, noisy.slow) == (True, False)
    slow = report(outputs(measured()), outputs(measured()), ratio=1.5, spread=0.4)
    assert (slow.passed, slow.only_slow) == (False, True)


def test_latency_is_not_measured_with_an_emulator(outputs: Callable[..., ModelOutputs]) -> None:
    one = report(outputs(measured()), outputs(measured()), "coreml", 30.0)
    assert one.passed
    assert (one.computed_by, one.latency, one.milliseconds) == ("emulator", None, None)


def test_a_loss_of_out_of_distribution_detection_fails(outputs: Callable[..., ModelOutputs]) -> None:
    one = report(outputs(measured()), outputs(measured(), ood_distance=0.5))
    assert one.failures == ("100% of out-of-distribution images are no longer detected (limit 5%)",)


def test_accuracy_is_not_measured_without_labels(outputs: Callable[..., ModelOutputs]) -> None:
    seconds = np.full((4, 2), 0.01)
    one = compare(
        FORMATS["openvino"], "", outputs(measured()), outputs(measured()), seconds, evaluated_on="synthetic", threads=1
    )
    assert one.passed
    assert (one.balanced_accuracy, one.loss) == (None, None)


def test_a_model_without_features_has_no_abstention_rate(outputs: Callable[..., ModelOutputs]) -> None:
    featureless = replace(outputs(measured()), reference=None)
    assert report(featureless, featureless).abstained is None


def test_two_sessions_are_timed_alternately() -> None:
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

    seconds = time_alternately(Session("a"), Session("b"), np.zeros((2, 4, 4, 3), np.uint8), rounds=3, warm_up=1)
    assert seconds.shape == (3, 2)
    assert (seconds > 0).all()
    assert called == ["b", "a", "a", "b", "b", "a", "a", "b"]
