"""Calibration recovers known distortions, prefers simple methods, and is never worse than temperature scaling."""

import numpy as np
import pytest

from lesionlab.export.calibrate import Method, fit_calibration
from lesionlab.metrics import softmax
from lesionlab.metrics.calibration import negative_log_likelihood

TEMPERATURE: Method = "temperature"


def drawn(seed: int, count: int = 1500) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Return calibrated logits of three classes, labels drawn from them, and lesions with two images each."""
    rng = np.random.default_rng(seed)
    logits = rng.normal((0, 1.5, -1), 2, (count, 3))
    labels = np.array([rng.choice(3, p=row) for row in softmax(logits)])
    return logits, labels, [f"lesion {index // 2}" for index in range(count)]


def test_a_temperature_is_recovered() -> None:
    logits, labels, lesions = drawn(0)
    fitted = fit_calibration(3 * logits, labels, lesions)
    assert (fitted.method, fitted.scales, fitted.offsets) == ("temperature", (), ())
    assert fitted.temperature == pytest.approx(3, rel=0.1)
    assert set(fitted.nll_by_method) == {"temperature", "bias", "vector"}
    assert fitted.ece_after < fitted.ece_before


def test_offsets_are_recovered() -> None:
    logits, labels, lesions = drawn(1)
    shifted = 2 * logits + np.array((0, -3, 4))
    fitted = fit_calibration(shifted, labels, lesions)
    assert fitted.method == "bias"
    np.testing.assert_allclose(fitted.probabilities(shifted), softmax(logits), atol=0.06)


def test_scales_by_class_are_recovered() -> None:
    logits, labels, lesions = drawn(2)
    scaled = logits * (0.3, 1, 3)
    fitted = fit_calibration(scaled, labels, lesions)
    assert fitted.method == "vector"
    assert len(fitted.scales) == 3
    np.testing.assert_allclose(fitted.probabilities(scaled), softmax(logits), atol=0.08)


@pytest.mark.parametrize("method", ["bias", "vector"])
def test_more_parameters_never_fit_worse(method: Method) -> None:
    logits, labels, lesions = drawn(3, 200)
    losses = [
        negative_log_likelihood(
            labels,
            fit_calibration(logits * 2 + np.array((0, 1, 2)), labels, lesions, m).probabilities(
                logits * 2 + np.array((0, 1, 2))
            ),
        )
        for m in (TEMPERATURE, method)
    ]
    assert losses[1] <= losses[0] + 1e-6


def test_few_lesions_get_a_temperature() -> None:
    logits, labels, lesions = drawn(4, 40)
    fitted = fit_calibration(logits, labels, lesions)
    assert (fitted.method, fitted.nll_by_method) == ("temperature", {})


def test_the_prior_limits_a_class_without_images() -> None:
    logits, labels, lesions = drawn(5, 400)
    wide = np.hstack([logits, np.full((len(logits), 1), -4.0)])
    fitted = fit_calibration(wide, labels, lesions, "vector")
    assert fitted.probabilities(wide)[:, 3].max() < 0.05
    assert np.isfinite(fitted.probabilities(wide)).all()


def test_repeated_images_of_a_lesion_do_not_count_as_evidence() -> None:
    logits, labels, lesions = drawn(4, 400)
    shifted = logits + np.array((0, -0.5, 0.5))
    assert fit_calibration(shifted, labels, lesions).method == "bias"
    # The same images forty times, of the same lesions.
    few = [np.tile(values, (40, 1) if values.ndim == 2 else 40) for values in (shifted[:80], labels[:80])]
    assert fit_calibration(few[0], few[1], lesions[:80] * 40).method == "temperature"
