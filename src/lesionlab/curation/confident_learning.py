"""Confident learning: the number of label errors, and the labels that are likely to be wrong.

Northcutt, Jiang and Chuang, Confident Learning: Estimating Uncertainty in Dataset Labels, JAIR 70, 2021
(arXiv:1911.00068). `labels` are the given classes, [N]; `probabilities`, [N, C], come from models that were not fitted
to the samples that they predict. Tests compare the results with those of cleanlab.
"""

import numpy as np

from lesionlab.metrics.arrays import BoolArray, FloatArray, IntArray

_ROUNDING = 1e-6


def class_thresholds(labels: IntArray, probabilities: FloatArray) -> FloatArray:
    """Return the mean probability of each class over the samples with its label, [C]; infinity without a sample."""
    classes = probabilities.shape[1]
    return np.array([probabilities[labels == c, c].mean() if (labels == c).any() else np.inf for c in range(classes)])


def confident_joint(labels: IntArray, probabilities: FloatArray) -> FloatArray:
    """Return the estimated number of samples by given and true class, [C, C]; its rows sum to the given counts.

    A sample counts for a class if its probability reaches the threshold of the class, and for the most probable one
    if several do.
    """
    classes = probabilities.shape[1]
    reached = probabilities >= class_thresholds(labels, probabilities) - _ROUNDING
    counted = reached.any(axis=1)
    likely = np.where(reached.sum(axis=1) > 1, probabilities.argmax(axis=1), reached.argmax(axis=1))
    joint = np.zeros((classes, classes))
    np.add.at(joint, (labels[counted], likely[counted]), 1)
    np.fill_diagonal(joint, joint.diagonal().clip(1))
    return np.asarray(joint / joint.sum(axis=1, keepdims=True) * np.bincount(labels, minlength=classes)[:, None])


def likely_errors(labels: IntArray, probabilities: FloatArray) -> BoolArray:
    """Return which labels are likely to be wrong, [N]: pruning by noise rate.

    Of the samples of each given class, as many as `confident_joint` counts for another class are chosen, those with
    the largest margins between the probabilities of the two.
    """
    counts = np.rint(confident_joint(labels, probabilities)).astype(np.int64)
    chosen = np.zeros(len(labels), dtype=np.bool_)
    for given, true in zip(*np.nonzero(counts), strict=True):
        if given != true:
            rows = np.flatnonzero(labels == given)
            margins = probabilities[rows, true] - probabilities[rows, given]
            chosen[rows[np.argsort(-margins, kind="stable")[: counts[given, true]]]] = True
    return chosen
