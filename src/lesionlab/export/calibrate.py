"""Calibration: maps logits to probabilities, fitted on validation lesions only."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from sklearn.model_selection import GroupKFold

from lesionlab.bundle import Calibration
from lesionlab.metrics import fit_temperature, softmax
from lesionlab.metrics.calibration import expected_calibration_error

Method = Literal["temperature", "bias", "vector"]

# In ascending number of parameters: the simplest of equally good methods is chosen.
_METHODS: tuple[Method, ...] = ("temperature", "bias", "vector")
_FOLDS = 5
# Gaussian prior of scales around their mean and of offsets around 0, in units of the summed log likelihood. It limits
# the influence of single images of a class with few images.
_PENALTY = 1.0


def fit_calibration(
    logits: NDArray[np.float64],
    labels: NDArray[np.int64],
    lesion_ids: Sequence[str],
    method: Method | Literal["auto"] = "auto",
) -> Calibration:
    """Fit a calibration.

    Args:
        logits: Logits of the validation images, [N, C].
        labels: Index of each image's class, [N].
        lesion_ids: Lesion of each image: cross-validation keeps a lesion's images together.
        method: The method; `auto` selects by the negative log likelihood in cross-validation. A method with more
            parameters must be better than a simpler one by more than twice the standard error of the difference, by
            lesion.
    """
    losses = _cross_validated(logits, labels, lesion_ids) if method == "auto" else {}
    chosen = _best(losses, lesion_ids) if method == "auto" else method
    scales, offsets, temperature = _fit(logits, labels, chosen)
    fitted = Calibration(
        method=chosen,
        scales=_rounded(scales) if chosen == "vector" else (),
        offsets=_rounded(offsets) if chosen != "temperature" else (),
        temperature=temperature,
        images=len(labels),
        ece_before=float(expected_calibration_error(labels, softmax(logits))),
        ece_after=0.0,
        nll_by_method={name: round(float(loss.mean()), 6) for name, loss in losses.items()},
    )
    after = float(expected_calibration_error(labels, fitted.probabilities(logits)))
    return fitted.model_copy(update={"ece_after": after})


def _best(losses: dict[Method, NDArray[np.float64]], lesion_ids: Sequence[str]) -> Method:
    best: Method = "temperature"
    _, lesion = np.unique(np.asarray(lesion_ids), return_inverse=True)
    for method, loss in losses.items():
        gain = losses[best] - loss
        # Images of one lesion are correlated: treated as independent, they would give too small an error.
        lesion_gains = np.bincount(lesion, gain - gain.mean())
        if gain.mean() > 2 * np.sqrt((lesion_gains**2).sum()) / len(gain):
            best = method
    return best


def _cross_validated(
    logits: NDArray[np.float64], labels: NDArray[np.int64], lesion_ids: Sequence[str]
) -> dict[Method, NDArray[np.float64]]:
    """Return the loss of each image by method, fitted on other lesions, [N]; empty for few lesions."""
    if len(set(lesion_ids)) < 10 * _FOLDS:
        return {}
    folds = list(GroupKFold(_FOLDS, shuffle=True, random_state=0).split(logits, labels, np.asarray(lesion_ids)))
    losses: dict[Method, NDArray[np.float64]] = {}
    for method in _METHODS:
        losses[method] = np.empty(len(labels))
        for fitted_on, held_out in folds:
            scales, offsets, temperature = _fit(logits[fitted_on], labels[fitted_on], method)
            probabilities = softmax(logits[held_out] * scales + offsets, temperature)
            losses[method][held_out] = -np.log(
                np.maximum(probabilities[range(len(held_out)), labels[held_out]], 1e-300)
            )
    return losses


def _fit(
    logits: NDArray[np.float64], labels: NDArray[np.int64], method: Method
) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """Return scales [C], offsets [C] and the temperature; 1 or 0 where the method has none."""
    classes = logits.shape[1]
    ones, zeros = np.ones(classes), np.zeros(classes)
    temperature = fit_temperature(logits, labels)
    if method == "temperature":
        return ones, zeros, temperature
    start = np.full(classes if method == "vector" else 1, 1 / temperature)
    truth = np.eye(classes)[labels]

    def loss(parameters: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        slopes, offsets = parameters[:-classes], parameters[-classes:]
        spread = slopes - slopes.mean()
        probabilities = softmax(logits * slopes + offsets)
        value = float(-np.log(np.maximum((probabilities * truth).sum(axis=1), 1e-300)).sum())
        gradient = probabilities - truth
        by_slope = (gradient * logits).sum(axis=0)
        by_slope = by_slope if method == "vector" else by_slope.sum(keepdims=True)
        return (
            value + _PENALTY * float((spread**2).sum() + 0.1 * (offsets**2).sum()),
            np.concatenate([by_slope + 2 * _PENALTY * spread, gradient.sum(axis=0) + 0.2 * _PENALTY * offsets]),
        )

    bounds = [(1e-3, None)] * len(start) + [(None, None)] * classes
    found = minimize(loss, np.concatenate([start, zeros]), jac=True, method="L-BFGS-B", bounds=bounds).x
    slopes, offsets = found[:-classes], found[-classes:] - found[-classes:].mean()
    # Redundant with the scales, but readers expect a temperature.
    temperature = float(1 / slopes.mean())
    return slopes * temperature * np.ones(classes), offsets * temperature, temperature


def _rounded(values: NDArray[np.float64]) -> tuple[float, ...]:
    return tuple((values.round(6) + 0.0).tolist())  # no -0.0
