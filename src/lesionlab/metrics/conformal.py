"""Split conformal prediction: sets of classes that contain the true class with a stated probability.

Source: Angelopoulos and Bates, Foundations and Trends in Machine Learning 16, 2023, section 1. Class-conditional sets:
Vovk, ACML 2012 (Mondrian conformal prediction). The score of a class is 1 minus its probability (Sadinle et al.,
JASA 2019).

The guarantee holds for images exchangeable with the calibration images: the same kind of patients and cameras, one
image per lesion. It is an average over calibration sets and new images, not a guarantee for each kind of lesion.
"""

import math

import numpy as np

from lesionlab.metrics.arrays import BoolArray, FloatArray, IntArray


def conformal_threshold(scores: FloatArray, coverage: float) -> float:
    """Return the largest score of a class in the set.

    Args:
        scores: Scores of the true classes of n calibration images, [n].
        coverage: Probability that a set contains the true class, between 0 and 1.

    Returns:
        The ceil((n + 1) coverage)-th smallest score; infinite, so that the set contains every class, if n is too
        small: n < 19 at a coverage of 95%.
    """
    rank = math.ceil((len(scores) + 1) * coverage)
    return float(np.sort(scores)[rank - 1]) if rank <= len(scores) else math.inf


def class_thresholds(labels: IntArray, probabilities: FloatArray, coverage: float) -> FloatArray:
    """Return one threshold per class, [C], with this coverage for the images of that class."""
    classes = range(probabilities.shape[1])
    return np.array([conformal_threshold(1 - probabilities[labels == c, c], coverage) for c in classes])


def set_members(probabilities: FloatArray, thresholds: FloatArray | float) -> BoolArray:
    """Return the classes of each set as a mask, [..., C], for one threshold, or one per class, [C]."""
    members: BoolArray = 1 - probabilities <= thresholds
    return members
