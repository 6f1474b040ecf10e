"""Calibration: maps logits to probabilities, fitted on validation lesions only.

The method with the lowest cross-validated negative log likelihood is chosen. Each loss in it is that of images whose
lesion was not used for the fit, so that a method that overfits has a higher loss: no further penalty for parameters is
needed. A rule that demands a significant gain keeps the temperature alone on validation sets of usual size, although it
cannot undo the class weights of a loss, and then overestimates the rare classes.
"""

import logging
from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from sklearn.model_selection import GroupKFold

from lesionlab.bundle import Calibration
from lesionlab.metrics import fit_temperature, softmax
from lesionlab.metrics.calibration import TEMPERATURE_LIMITS, expected_calibration_error, negative_log_likelihood

logger = logging.getLogger(__name__)

Method = Literal["temperature", "prior", "bias", "vector"]

# In ascending number of parameters: the simplest of equally good methods is chosen.
_METHODS: tuple[Method, ...] = ("temperature", "prior", "bias", "vector")
# Losses in nats that differ by less are equally good: a probability changes by a factor of 1.001.
_TIE = 1e-3
_FOLDS = 5
# Gaussian prior of scales around their mean and of offsets around 0, in units of the summed log likelihood. It limits
# the influence of single images of a class with few images.
_PENALTY = 1.0


def fit_calibration(
    logits: NDArray[np.float64],
    labels: NDArray[np.int64],
    lesion_ids: Sequence[str],
    frequencies: NDArray[np.float64],
    method: Method | Literal["auto"] = "auto",
) -> Calibration:
    """Fit a calibration, and log a warning where it is not reliable.

    Args:
        logits: Logits of the validation images, [N, C].
        labels: Index of each image's class, [N].
        lesion_ids: Lesion of each image: cross-validation keeps a lesion's images together.
        frequencies: Class frequencies of the training images, [C], each above 0.
        method: The method; `auto` selects the one with the lowest negative log likelihood in cross-validation, of
            equally good ones the simplest; the temperature if there are fewer than 50 lesions.
    """
    log_frequencies = np.log(frequencies)
    losses = _cross_validated(logits, labels, lesion_ids, log_frequencies) if method == "auto" else {}
    chosen = _simplest_of_the_best(losses) if method == "auto" else method
    scales, offsets, temperature = _fit(logits, labels, chosen, log_frequencies)
    fitted = Calibration(
        method=chosen,
        scales=_rounded(scales) if chosen == "vector" else (),
        offsets=_rounded(offsets) if chosen != "temperature" else (),
        temperature=temperature,
        prior_exponent=_exponent(offsets / temperature, log_frequencies) if chosen == "prior" else None,
        images=len(labels),
        ece_before=float(expected_calibration_error(labels, softmax(logits))),
        ece_after=0.0,
        nll_by_method={name: round(float(loss), 6) for name, loss in losses.items()},
    )
    probabilities = fitted.probabilities(logits)
    after = float(expected_calibration_error(labels, probabilities))
    mean = _rounded(np.maximum(probabilities.mean(axis=0), 1e-6))
    fitted = fitted.model_copy(update={"ece_after": after, "mean_probabilities": mean})
    for warning in fitted.warnings:
        logger.warning("calibration: %s", warning)
    return fitted


def _simplest_of_the_best(losses: dict[Method, float]) -> Method:
    if not losses:
        return "temperature"
    lowest = min(losses.values())
    return next(method for method, loss in losses.items() if loss <= lowest + _TIE)


def _exponent(offsets: NDArray[np.float64], log_frequencies: NDArray[np.float64]) -> float:
    """Return k of offsets = k log f less their mean; 0 for equal frequencies."""
    centred = log_frequencies - log_frequencies.mean()
    return round(float(offsets @ centred / (centred @ centred)), 6) if centred.any() else 0.0


def _cross_validated(
    logits: NDArray[np.float64],
    labels: NDArray[np.int64],
    lesion_ids: Sequence[str],
    log_frequencies: NDArray[np.float64],
) -> dict[Method, float]:
    """Return the mean loss of the images by method, each fitted on other lesions; empty for few lesions."""
    if len(set(lesion_ids)) < 10 * _FOLDS:
        return {}
    folds = list(GroupKFold(_FOLDS, shuffle=True, random_state=0).split(logits, labels, np.asarray(lesion_ids)))
    losses: dict[Method, float] = {}
    for method in _METHODS:
        total = 0.0
        for fitted_on, held_out in folds:
            scales, offsets, temperature = _fit(logits[fitted_on], labels[fitted_on], method, log_frequencies)
            probabilities = softmax(logits[held_out] * scales + offsets, temperature)
            total += float(negative_log_likelihood(labels[held_out], probabilities)) * len(held_out)
        losses[method] = total / len(labels)
    return losses


def _fit(
    logits: NDArray[np.float64], labels: NDArray[np.int64], method: Method, log_frequencies: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """Return scales [C], offsets [C] and the temperature; 1 or 0 where the method has none."""
    classes = logits.shape[1]
    ones, zeros = np.ones(classes), np.zeros(classes)
    temperature = fit_temperature(logits, labels)
    if method == "temperature":
        return ones, zeros, temperature
    start = np.full(classes if method == "vector" else 1, 1 / temperature)
    truth = np.eye(classes)[labels]
    # Offsets of the logits, [C], are this matrix times the parameters: one for `prior`, else one per class.
    basis = (log_frequencies - log_frequencies.mean())[:, None] if method == "prior" else np.eye(classes)

    def loss(parameters: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        slopes, weights = parameters[: len(start)], parameters[len(start) :]
        spread = slopes - slopes.mean()
        probabilities = softmax(logits * slopes + basis @ weights)
        value = float(-np.log(np.maximum((probabilities * truth).sum(axis=1), 1e-300)).sum())
        gradient = probabilities - truth
        by_slope = (gradient * logits).sum(axis=0)
        by_slope = by_slope if method == "vector" else by_slope.sum(keepdims=True)
        return (
            value + _PENALTY * float((spread**2).sum() + 0.1 * (weights**2).sum()),
            np.concatenate([by_slope + 2 * _PENALTY * spread, gradient.sum(axis=0) @ basis + 0.2 * _PENALTY * weights]),
        )

    hottest, coldest = (1 / limit for limit in reversed(TEMPERATURE_LIMITS))
    lowest = hottest if len(start) == 1 else 1e-3  # the scale of a class may be near 0: its logit is uninformative
    bounds = [(lowest, coldest)] * len(start) + [(None, None)] * basis.shape[1]
    first = np.concatenate([start, np.zeros(basis.shape[1])])
    found = minimize(loss, first, jac=True, method="L-BFGS-B", bounds=bounds).x
    slopes, offsets = found[: len(start)], basis @ found[len(start) :]
    offsets = offsets - offsets.mean()
    # Redundant with the scales, but readers expect a temperature.
    temperature = float(1 / slopes.mean())
    return slopes * temperature * np.ones(classes), offsets * temperature, temperature


def _rounded(values: NDArray[np.float64]) -> tuple[float, ...]:
    return tuple((values.round(6) + 0.0).tolist())  # no -0.0
