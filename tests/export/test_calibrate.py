"""Calibration undoes what it can undo, prefers the simple, and never does worse than scaling by one number."""

import numpy as np
import pytest

from lesionlab.export.calibrate import Method, fit_calibration
from lesionlab.metrics import softmax
from lesionlab.metrics.calibration import negative_log_likelihood

TEMPERATURE: Method = "temperature"


def drawn(seed: int, count: int = 1500) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Return honest logits of three classes, labels drawn from them, and lesions of two images."""
    rng = np.random.default_rng(seed)
    logits = rng.normal((0, 1.5, -1), 2, (count, 3))
    labels = np.array([rng.choice(3, p=row) for row in softmax(logits)])
    return logits, labels, [f"lesion {index // 2}" for index in range(count)]


def test_a_temperature_is_found_and_nothing_more() -> None:
    logits, labels, lesions = drawn(0)
    fitted = fit_calibration(3 * logits, labels, lesions)
    assert (fitted.method, fitted.scales, fitted.offsets) == ("temperature", (), ())
    assert fitted.temperature == pytest.approx(3, rel=0.1)
    assert set(fitted.nll_by_method) == {"temperature", "bias", "vector"}
    assert fitted.ece_after < fitted.ece_before


def test_offsets_undo_levelled_frequencies() -> None:
    logits, labels, lesions = drawn(1)
    levelled = 2 * logits + np.array((0, -3, 4))
    fitted = fit_calibration(levelled, labels, lesions)
    assert fitted.method == "bias"
    np.testing.assert_allclose(fitted.probabilities(levelled), softmax(logits), atol=0.06)


def test_scales_by_class_are_found_where_they_are_needed() -> None:
    logits, labels, lesions = drawn(2)
    bent = logits * (0.3, 1, 3)
    fitted = fit_calibration(bent, labels, lesions)
    assert fitted.method == "vector"
    assert len(fitted.scales) == 3
    np.testing.assert_allclose(fitted.probabilities(bent), softmax(logits), atol=0.08)


@pytest.mark.parametrize("method", ["bias", "vector"])
def test_more_numbers_never_fit_worse(method: Method) -> None:
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


def test_few_lesions_get_the_simplest() -> None:
    logits, labels, lesions = drawn(4, 40)
    fitted = fit_calibration(logits, labels, lesions)
    assert (fitted.method, fitted.nll_by_method) == ("temperature", {})


def test_a_class_without_images_is_not_moved_far() -> None:
    logits, labels, lesions = drawn(5, 400)
    wide = np.hstack([logits, np.full((len(logits), 1), -4.0)])
    fitted = fit_calibration(wide, labels, lesions, "vector")
    assert fitted.probabilities(wide)[:, 3].max() < 0.05
    assert np.isfinite(fitted.probabilities(wide)).all()


def test_many_images_of_one_lesion_are_not_many_votes() -> None:
    """Offsets that a hundred independent images would speak for are not taken for a hundred images of few lesions."""
    logits, labels, lesions = drawn(4, 400)
    levelled = logits + np.array((0, -0.5, 0.5))
    assert fit_calibration(levelled, labels, lesions).method == "bias"
    # The same images forty times over, of the same lesions: not one lesion more.
    few = [np.tile(part, (40, 1) if part.ndim == 2 else 40) for part in (levelled[:80], labels[:80])]
    assert fit_calibration(few[0], few[1], lesions[:80] * 40).method == "temperature"
