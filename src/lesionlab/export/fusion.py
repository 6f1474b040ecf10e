"""Fitting the combination of the images of a lesion on validation lesions."""

from collections.abc import Mapping, Sequence

import numpy as np
from scipy.optimize import minimize, minimize_scalar

from lesionlab.bundle import ImageType, LesionFusion
from lesionlab.bundle.fusion import combined_logits, effective_count, evidence
from lesionlab.metrics import softmax
from lesionlab.metrics.arrays import FloatArray, IntArray
from lesionlab.metrics.calibration import negative_log_likelihood

# With fewer lesions the correlation stays 1: the mean of the log-probabilities, which is never overconfident.
_LEAST_LESIONS = 30
# Gaussian prior of the logarithms of the two weights around 0, in units of the summed log likelihood.
_PENALTY = 1.0


def fit_fusion(
    labels: IntArray,
    probabilities: FloatArray,
    lesion_ids: Sequence[str],
    frequencies: FloatArray,
) -> LesionFusion | None:
    """Fit the correlation of images of one lesion; return None with too few lesions that have several images.

    Lesions with several images have other class frequencies than the others: benign lesions are rarely photographed
    again. The likelihood is that at their own frequencies, so that the correlation does not make up for this.

    Args:
        labels: Index of each image's class, [N].
        probabilities: Calibrated probabilities, [N, C].
        lesion_ids: Lesion of each image.
        frequencies: Class frequencies at which the probabilities are calibrated, [C].
    """
    _, first, place, counts = np.unique(
        np.asarray(lesion_ids, dtype=np.str_), return_index=True, return_inverse=True, return_counts=True
    )
    several = counts > 1
    if several.sum() < _LEAST_LESIONS:
        return None
    total = np.zeros((len(counts), probabilities.shape[1]))
    of_images = evidence(probabilities, frequencies)
    np.add.at(total, place, of_images)
    means, images, truth = (total / counts[:, None])[several], counts[several], labels[first][several]
    found = np.bincount(truth, minlength=probabilities.shape[1]) + 1.0
    own = np.log(found / found.sum())

    def loss(correlation: float) -> float:
        fused = softmax(own + effective_count(images, correlation)[:, None] * means)
        return float(negative_log_likelihood(truth, fused))

    correlation = round(float(minimize_scalar(loss, bounds=(0, 1), method="bounded").x), 4)
    rows = several[place]
    actual = softmax(own + of_images[rows])[np.arange(rows.sum()), labels[rows]]
    single = np.average(-np.log(np.maximum(actual, 1e-300)), weights=1 / counts[place][rows])
    return LesionFusion(
        correlation=correlation,
        lesions=int(several.sum()),
        nll_single=round(float(single), 6),
        nll_mean=round(loss(1.0), 6),
        nll_fused=round(loss(correlation), 6),
    )


def fit_weights(
    labels: IntArray, evidence_of: Mapping[ImageType, FloatArray], frequencies: FloatArray
) -> dict[ImageType, float]:
    """Fit the weights of the evidence of dermoscopic and of clinical images of the same lesions.

    Args:
        labels: Index of each lesion's class, [N].
        evidence_of: Evidence of the lesions by image type, [N, C] each.
        frequencies: Class frequencies at which the dermoscopic probabilities are calibrated, [C].
    """
    kinds = list(evidence_of)

    def loss(logarithms: FloatArray) -> float:
        weights = dict(zip(kinds, np.exp(logarithms).tolist(), strict=True))
        probabilities = softmax(combined_logits(evidence_of, frequencies, weights))
        fit = float(negative_log_likelihood(labels, probabilities)) * len(labels)
        return fit + _PENALTY * float((logarithms**2).sum())

    found = minimize(loss, np.zeros(len(kinds)), method="Nelder-Mead").x
    return {kind: round(float(weight), 4) for kind, weight in zip(kinds, np.exp(found), strict=True)}
