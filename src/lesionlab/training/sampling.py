"""Balanced sampling: oversampling, undersampling and SMOTE."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from lesionlab.errors import DataError


def epoch_order(
    labels: NDArray[np.int64], balance: Literal["none", "oversample", "undersample"], rng: np.random.Generator
) -> NDArray[np.int64]:
    """Return the positions of one epoch, shuffled.

    All classes get the size of the largest or the smallest one present. The numbers of repetitions within a class
    differ by at most one; each call draws anew.

    Args:
        labels: Class index of each image, [N].
        balance: As in `SamplingSettings`.
        rng: Generator of the draw and the order.
    """
    if balance == "none":
        return rng.permutation(len(labels))
    members = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    sizes = [len(positions) for positions in members]
    size = max(sizes) if balance == "oversample" else min(sizes)
    drawn = [
        np.concatenate([np.tile(own, size // len(own)), rng.choice(own, size % len(own), replace=False)])
        for own in members
    ]
    return rng.permutation(np.concatenate(drawn))


def smote(
    features: NDArray[np.float32], labels: NDArray[np.int64], seed: int, classes: tuple[str, ...]
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return features [M, D] and labels [M] with every class oversampled to the size of the largest.

    New points are interpolated between an image's features and those of one of its five nearest neighbours (fewer for
    small classes) of the same class (SMOTE, Chawla et al., JAIR 2002). The original rows come first.

    Args:
        features: Features of a frozen backbone, [N, D].
        labels: Class index of each row, [N].
        seed: Seed of the new points.
        classes: Codes of the classes, for error messages.

    Raises:
        DataError: A class has a single image.
    """
    from imblearn.over_sampling import SMOTE

    present, counts = np.unique(labels, return_counts=True)
    if counts.min() == 1:
        single = ", ".join(classes[label] for label in present[counts == 1])
        raise DataError(
            f"class {single} has a single training image, and smote needs two; add images or set "
            "sampling.balance=oversample"
        )
    if len(present) == 1:  # imbalanced-learn raises an error for a single class
        return features, labels
    sampler = SMOTE(k_neighbors=int(min(5, counts.min() - 1)), random_state=seed)
    points, codes = sampler.fit_resample(features, labels)
    return points, codes
