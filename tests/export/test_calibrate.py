"""Calibration recovers known distortions, class weights of a loss among them, and prefers simple methods."""

import numpy as np
import pytest

from lesionlab.export.calibrate import Method, fit_calibration
from lesionlab.metrics import softmax
from lesionlab.metrics.calibration import negative_log_likelihood

TEMPERATURE: Method = "temperature"
METHODS: tuple[Method, ...] = ("temperature", "prior", "bias")
FREQUENCIES = np.array([0.25, 0.6, 0.15])


def drawn(seed: int, count: int = 1500) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Return calibrated logits of three classes, labels drawn from them, and lesions with two images each."""
    rng = np.random.default_rng(seed)
    logits = rng.normal((0, 1.5, -1), 2, (count, 3))
    labels = np.array([rng.choice(3, p=row) for row in softmax(logits)])
    return logits, labels, [f"lesion {index // 2}" for index in range(count)]


def test_a_temperature_is_recovered() -> None:
    logits, labels, lesions = drawn(0)
    fitted = fit_calibration(3 * logits, labels, lesions, FREQUENCIES)
    assert (fitted.method, fitted.scales, fitted.offsets) == ("temperature", (), ())
    assert fitted.temperature == pytest.approx(3, rel=0.1)
    assert set(fitted.nll_by_method) == {"temperature", "prior", "bias", "vector"}
    assert fitted.ece_after < fitted.ece_before


def test_offsets_are_recovered() -> None:
    logits, labels, lesions = drawn(11)
    shifted = 2 * logits + np.array((0, -3, 4))
    fitted = fit_calibration(shifted, labels, lesions, FREQUENCIES)
    assert fitted.method == "bias"
    np.testing.assert_allclose(fitted.probabilities(shifted), softmax(logits), atol=0.06)


def test_scales_by_class_are_recovered() -> None:
    logits, labels, lesions = drawn(2)
    scaled = logits * (0.3, 1, 3)
    fitted = fit_calibration(scaled, labels, lesions, FREQUENCIES)
    assert fitted.method == "vector"
    assert len(fitted.scales) == 3
    np.testing.assert_allclose(fitted.probabilities(scaled), softmax(logits), atol=0.08)


@pytest.mark.parametrize("method", ["bias", "vector"])
def test_more_parameters_never_fit_worse(method: Method) -> None:
    logits, labels, lesions = drawn(3, 200)
    losses = [
        negative_log_likelihood(
            labels,
            fit_calibration(logits * 2 + np.array((0, 1, 2)), labels, lesions, FREQUENCIES, m).probabilities(
                logits * 2 + np.array((0, 1, 2))
            ),
        )
        for m in (TEMPERATURE, method)
    ]
    assert losses[1] <= losses[0] + 1e-6


def test_few_lesions_get_a_temperature() -> None:
    logits, labels, lesions = drawn(4, 40)
    fitted = fit_calibration(logits, labels, lesions, FREQUENCIES)
    assert (fitted.method, fitted.nll_by_method) == ("temperature", {})


def test_the_prior_limits_a_class_without_images() -> None:
    logits, labels, lesions = drawn(5, 400)
    wide = np.hstack([logits, np.full((len(logits), 1), -4.0)])
    fitted = fit_calibration(wide, labels, lesions, np.full(4, 0.25), "vector")
    assert fitted.probabilities(wide)[:, 3].max() < 0.05
    assert np.isfinite(fitted.probabilities(wide)).all()


def test_class_weights_of_the_loss_are_undone() -> None:
    logits, labels, lesions = drawn(6)
    # The best network under class weights f^-0.5 has these logits; its own scale is 1.6.
    weighted = 1.6 * (logits - 0.5 * np.log(FREQUENCIES))
    fitted = fit_calibration(weighted, labels, lesions, FREQUENCIES)
    assert fitted.method == "prior"
    assert fitted.prior_exponent == pytest.approx(0.5, abs=0.15)
    assert fitted.temperature == pytest.approx(1.6, rel=0.1)
    np.testing.assert_allclose(fitted.probabilities(weighted), softmax(logits), atol=0.05)
    # Every reader of a bundle knows offsets, whatever they were fitted as.
    exponent = fitted.prior_exponent or 0.0
    expected = softmax(weighted / fitted.temperature + exponent * np.log(FREQUENCIES))
    np.testing.assert_allclose(fitted.probabilities(weighted), expected, atol=1e-5)
    alone = fit_calibration(weighted, labels, lesions, FREQUENCIES, TEMPERATURE)
    assert fitted.nll_by_method["prior"] < fitted.nll_by_method["temperature"] - 0.01
    for index in range(3):
        share = (labels == index).mean()
        gaps = [abs(found.probabilities(weighted)[:, index].mean() - share) for found in (fitted, alone)]
        assert gaps[0] < 0.01 < gaps[1]


def test_the_method_has_the_lowest_loss_and_the_fewest_parameters_among_equals() -> None:
    for seed in range(3):
        logits, labels, lesions = drawn(seed, 600)
        fitted = fit_calibration(logits + np.array((0, -0.2, 0.2)), labels, lesions, FREQUENCIES)
        lowest = min(fitted.nll_by_method.values())
        methods = list(fitted.nll_by_method)
        for simpler in methods[: methods.index(fitted.method)]:
            assert fitted.nll_by_method[simpler] > lowest + 1e-3
        assert fitted.nll_by_method[fitted.method] <= lowest + 1e-3


@pytest.mark.slow
def test_repeated_images_of_a_lesion_do_not_count_as_evidence() -> None:
    logits, labels, _ = drawn(4, 60)
    repeated = np.tile(logits, (40, 1)), np.tile(labels, 40)
    lesions = [f"lesion {index}" for index in range(60)]
    held_apart = fit_calibration(*repeated, lesions * 40, FREQUENCIES).nll_by_method
    as_independent = fit_calibration(*repeated, [str(index) for index in range(2400)], FREQUENCIES).nll_by_method
    # Only where images of one lesion are on both sides of a fold does the method with most parameters look best.
    assert held_apart["vector"] > held_apart["temperature"]
    assert as_independent["vector"] < as_independent["temperature"]


def test_a_temperature_at_its_limit_is_reported(caplog: pytest.LogCaptureFixture) -> None:
    labels = np.tile([0, 1, 2], 10)
    lesions = [str(index) for index in range(30)]
    perfect = fit_calibration(4 * np.eye(3)[labels], labels, lesions, FREQUENCIES)
    assert perfect.temperature == 0.05
    assert "lower limit, 0.05" in perfect.warnings[0]
    assert "calibration: the temperature is at its lower limit" in caplog.text
    wrong = fit_calibration(4 * np.eye(3)[(labels + 1) % 3], labels, lesions, FREQUENCIES)
    assert "upper limit, 20" in wrong.warnings[0]
    for method in METHODS:
        found = fit_calibration(4 * np.eye(3)[labels], labels, lesions, FREQUENCIES, method)
        assert any("lower limit" in text for text in found.warnings), method


def test_a_calibration_that_raises_the_calibration_error_is_reported(caplog: pytest.LogCaptureFixture) -> None:
    rng = np.random.default_rng(5)
    logits = rng.normal(0, 2, (30, 3))
    labels = np.array([rng.choice(3, p=row) for row in softmax(logits)])
    found = [fit_calibration(logits, labels, [str(i) for i in range(30)], FREQUENCIES, m) for m in METHODS]
    worse = [one for one in found if one.ece_after > one.ece_before]
    better = [one for one in found if one.ece_after <= one.ece_before]
    assert worse
    assert all("raised the expected calibration error" in one.warnings[-1] for one in worse)
    assert not any(one.warnings for one in better)
    assert caplog.text.count("raised the expected calibration error") == len(worse)
