"""The confusion matrix and what follows from it. Rows are the actual classes, columns the predicted ones.

A value that the data do not define is nan, never 0: the recall of a class without images, the precision of a
class that was never predicted. F1 is computed from counts, 2 TP / (2 TP + FP + FN), so a class that occurs and
is never found has the F1 of 0 that it deserves although its precision is undefined, and only a class that
neither occurs nor is predicted has none. These are scikit-learn's values with `zero_division=nan`. Its default,
0 with a warning, is not followed for recall and precision: the 0 would stand in tables and intervals as if it had
been measured. The averages of F1 are also those of that default, which leaves a class of the last kind out too.
"""

import numpy as np

from lesionlab.metrics.arrays import BoolArray, FloatArray, IntArray, divide, mean_of_defined, weights_or_ones


def confusion_matrix(
    labels: IntArray, predictions: IntArray, classes: int, weights: IntArray | None = None
) -> IntArray:
    """Count the images of each actual class by the class predicted for them.

    Args:
        labels: Actual class of each image, [N], from 0 to `classes` - 1.
        predictions: Predicted class of each image, [N].
        classes: Number of classes, C.
        weights: [N] or [B, N]; None counts each image once.

    Returns:
        [C, C], or [B, C, C] for B resamples.
    """
    cells = np.zeros((len(labels), classes * classes))
    cells[np.arange(len(labels)), labels.astype(np.int64) * classes + predictions] = 1.0
    weights = weights_or_ones(weights, len(labels))
    # A product of floats is many times faster than one of integers, and exact for counts below 2**53.
    counts = (weights.astype(np.float64) @ cells).astype(np.int64)
    return counts.reshape(*weights.shape[:-1], classes, classes)


def collapse(matrix: IntArray, positive: BoolArray) -> IntArray:
    """Merge the classes into two: row and column 1 hold the classes of the mask `positive`, row and column 0 the rest.

    Args:
        matrix: [..., C, C].
        positive: [C].

    Returns:
        [..., 2, 2].
    """
    sides = np.stack([~positive, positive]).astype(np.int64)
    return sides @ matrix @ sides.T


def support(matrix: IntArray) -> IntArray:
    """Return the number of images of each class, [..., C]."""
    images: IntArray = matrix.sum(axis=-1)
    return images


def accuracy(matrix: IntArray) -> FloatArray:
    """Return the share of the images whose class was predicted, [...]."""
    return divide(_hits(matrix).sum(axis=-1), matrix.sum(axis=(-2, -1)))


def recall(matrix: IntArray) -> FloatArray:
    """Return the share of each class's images that was found (sensitivity), [..., C]; nan without an image."""
    return divide(_hits(matrix), support(matrix))


def precision(matrix: IntArray) -> FloatArray:
    """Return the share of each class's predictions that was right, [..., C]; nan without a prediction."""
    return divide(_hits(matrix), matrix.sum(axis=-2))


def specificity(matrix: IntArray) -> FloatArray:
    """Return, per class, the share of the other images not taken for it, [..., C]; nan without other images."""
    others = matrix.sum(axis=(-2, -1))[..., None] - support(matrix)
    false_positives = matrix.sum(axis=-2) - _hits(matrix)
    return divide(others - false_positives, others)


def f1(matrix: IntArray) -> FloatArray:
    """Return the F1 of each class, [..., C]; nan for a class that neither occurs nor is predicted."""
    return divide(2 * _hits(matrix), support(matrix) + matrix.sum(axis=-2))


def balanced_accuracy(matrix: IntArray) -> FloatArray:
    """Return the mean recall over the classes that occur, [...]: the headline metric of ISIC 2018 task 3."""
    return mean_of_defined(recall(matrix))


def macro_f1(matrix: IntArray) -> FloatArray:
    """Return the mean F1 over the classes that occur or are predicted, [...]."""
    return mean_of_defined(f1(matrix))


def weighted_f1(matrix: IntArray) -> FloatArray:
    """Return the mean F1 with each class weighted by its number of images, [...]."""
    # A class whose F1 is undefined has no image, so it weighs nothing.
    return divide((np.nan_to_num(f1(matrix)) * support(matrix)).sum(axis=-1), matrix.sum(axis=(-2, -1)))


def _hits(matrix: IntArray) -> IntArray:
    return np.diagonal(matrix, axis1=-2, axis2=-1)
