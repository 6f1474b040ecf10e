"""Fitting conformal prediction sets on validation lesions."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lesionlab.bundle import PredictionSets
from lesionlab.metrics.conformal import class_thresholds, conformal_threshold

COVERAGE = 0.9


def fit_prediction_sets(
    labels: NDArray[np.int64],
    probabilities: NDArray[np.float64],
    lesion_ids: Sequence[str],
    classes: Sequence[str],
    coverage: float = COVERAGE,
) -> PredictionSets | None:
    """Fit the thresholds for a coverage; return None where there are too few lesions.

    Conformal prediction needs exchangeable samples, and images of one lesion are not: each lesion counts with one
    image, drawn at random.

    Args:
        labels: Index of each image's class, [N].
        probabilities: Calibrated probabilities, [N, C].
        lesion_ids: Lesion of each image.
        classes: Codes of the C classes.
        coverage: Nominal share of lesions whose set holds the true class.
    """
    chosen = one_per_lesion(lesion_ids)
    labels, probabilities = labels[chosen], probabilities[chosen]
    marginal = conformal_threshold(1 - probabilities[np.arange(len(labels)), labels], coverage)
    if not np.isfinite(marginal):
        return None
    class_conditional = class_thresholds(labels, probabilities, coverage)
    return PredictionSets(
        coverage=coverage,
        marginal=marginal,
        class_conditional={
            code: float(limit) if np.isfinite(limit) else None
            for code, limit in zip(classes, class_conditional, strict=True)
        },
        lesions=dict(zip(classes, np.bincount(labels, minlength=len(classes)).tolist(), strict=True)),
    )


def one_per_lesion(lesion_ids: Sequence[str], seed: int = 0) -> NDArray[np.int64]:
    """Return the position of one random image of each lesion, in ascending order."""
    order = np.random.default_rng(seed).permutation(len(lesion_ids))
    _, first = np.unique(np.asarray(lesion_ids, dtype=np.str_)[order], return_index=True)
    return np.sort(order[first])
