"""Split conformal prediction: sets of classes that hold the true one with a stated probability.

Source: Angelopoulos and Bates, Foundations and Trends in Machine Learning 16, 2023, section 1; by class: Vovk, ACML
2012 (Mondrian conformal prediction). The score of a class is 1 minus its probability (Sadinle et al., JASA 2019).

The guarantee holds for images that are exchangeable with those of the calibration: of the same kind of patients and
cameras, one image per lesion. It is a mean over calibrations and new images, not a promise for each kind of lesion.
"""

import math

import numpy as np

from lesionlab.metrics.arrays import BoolArray, FloatArray, IntArray


def conformal_threshold(scores: FloatArray, coverage: float) -> float:
    """Return the score up to which a class belongs to the set.

    Args:
        scores: Scores of the true classes of n calibration images, [n].
        coverage: Wanted probability that a set holds the true class, between 0 and 1.

    Returns:
        The ceil((n + 1) coverage)-th smallest score; infinite where n is too small for that, so that a set holds
        everything: at 95% for n < 19.
    """
    rank = math.ceil((len(scores) + 1) * coverage)
    return float(np.sort(scores)[rank - 1]) if rank <= len(scores) else math.inf


def class_thresholds(labels: IntArray, probabilities: FloatArray, coverage: float) -> FloatArray:
    """Return a threshold for each class from its own images, [C].

    Args:
        labels: [n].
        probabilities: [n, C].
        coverage: Wanted probability for the images of each class.
    """
    return np.array(
        [
            conformal_threshold(1 - probabilities[labels == index, index], coverage)
            for index in range(probabilities.shape[1])
        ]
    )


def set_members(probabilities: FloatArray, thresholds: FloatArray | float) -> BoolArray:
    """Return which classes belong to each set, [..., C].

    Args:
        probabilities: [..., C].
        thresholds: One for all classes, or one for each, [C].
    """
    members: BoolArray = 1 - probabilities <= thresholds
    return members
