"""The confusion matrix and the metrics derived from it. Rows are actual classes, columns predicted classes.

Undefined values are nan: the recall of a class without images, the precision of a class that is never predicted. F1
is 2 TP / (2 TP + FP + FN), so a class that occurs and is never predicted has an F1 of 0, and a class that neither
occurs nor is predicted has none. The values equal scikit-learn's with `zero_division=nan`; its default of 0 would
appear in tables and intervals as a measured value. The averages of F1 also equal scikit-learn's default, which leaves
out the classes without F1.
"""

import numpy as np

from lesionlab.metrics.arrays import BoolArray, FloatArray, IntArray, divide, mean_of_defined, weights_or_ones


def confusion_matrix(
    labels: IntArray, predictions: IntArray, classes: int, weights: IntArray | None = None
) -> IntArray:
    """Count the images by actual class and predicted class, both [N]: [C, C], or [B, C, C] for B resamples."""
    cells = np.zeros((len(labels), classes * classes))
    cells[np.arange(len(labels)), labels.astype(np.int64) * classes + predictions] = 1.0
    weights = weights_or_ones(weights, len(labels))
    # A float product is much faster than an integer one, and exact for counts below 2**53.
    counts = (weights.astype(np.float64) @ cells).astype(np.int64)
    return counts.reshape(*weights.shape[:-1], classes, classes)


def collapse(matrix: IntArray, positive: BoolArray) -> IntArray:
    """Merge the classes into two, [..., 2, 2]: index 1 for the classes of the mask `positive` [C], 0 for the others."""
    sides = np.stack([~positive, positive]).astype(np.int64)
    return sides @ matrix @ sides.T


def support(matrix: IntArray) -> IntArray:
    """Return the number of images of each class, [..., C]."""
    images: IntArray = matrix.sum(axis=-1)
    return images


def accuracy(matrix: IntArray) -> FloatArray:
    """Return the share of correct predictions, [...]."""
    return divide(_hits(matrix).sum(axis=-1), matrix.sum(axis=(-2, -1)))


def recall(matrix: IntArray) -> FloatArray:
    """Return the recall (sensitivity) of each class, [..., C]; nan without images."""
    return divide(_hits(matrix), support(matrix))


def precision(matrix: IntArray) -> FloatArray:
    """Return the precision of each class, [..., C]; nan without predictions."""
    return divide(_hits(matrix), matrix.sum(axis=-2))


def specificity(matrix: IntArray) -> FloatArray:
    """Return the specificity of each class against the rest, [..., C]; nan without images of other classes."""
    others = matrix.sum(axis=(-2, -1))[..., None] - support(matrix)
    false_positives = matrix.sum(axis=-2) - _hits(matrix)
    return divide(others - false_positives, others)


def f1(matrix: IntArray) -> FloatArray:
    """Return the F1 of each class, [..., C]; nan for a class that neither occurs nor is predicted."""
    return divide(2 * _hits(matrix), support(matrix) + matrix.sum(axis=-2))


def balanced_accuracy(matrix: IntArray) -> FloatArray:
    """Return the mean recall over the classes that occur, [...]: the metric of ISIC 2018 task 3."""
    return mean_of_defined(recall(matrix))


def macro_f1(matrix: IntArray) -> FloatArray:
    """Return the mean F1 over the classes that occur or are predicted, [...]."""
    return mean_of_defined(f1(matrix))


def weighted_f1(matrix: IntArray) -> FloatArray:
    """Return the mean F1 with each class weighted by its number of images, [...]."""
    # A class whose F1 is undefined has no images and therefore weight 0.
    return divide((np.nan_to_num(f1(matrix)) * support(matrix)).sum(axis=-1), matrix.sum(axis=(-2, -1)))


def _hits(matrix: IntArray) -> IntArray:
    return np.diagonal(matrix, axis1=-2, axis2=-1)
