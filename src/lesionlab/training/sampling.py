"""Balanced sampling: how often each training image is met in an epoch, and invented points between features."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from lesionlab.errors import DataError


def epoch_order(
    labels: NDArray[np.int64], balance: Literal["none", "oversample", "undersample"], rng: np.random.Generator
) -> NDArray[np.int64]:
    """Return the positions of one epoch, shuffled.

    Classes become as frequent as the largest or the smallest that has images. Repeated images differ by one
    repetition at most; which of them are met once more, or which are met at all, is drawn anew by each call.

    Args:
        labels: Class index of each image, [N].
        balance: As in `SamplingSettings`.
        rng: Decides what is drawn and the order.
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
    """Return features [M, D] and labels [M] with every class filled up to the largest.

    New points lie between an image's features and those of one of its five nearest neighbours of the same class,
    or of as many as the smallest class allows (SMOTE, Chawla et al., JAIR 2002). The given ones come first.

    Args:
        features: What a frozen backbone computed, [N, D].
        labels: Class index of each row, [N].
        seed: Decides the new points.
        classes: Codes of the classes, for the message of an error.

    Raises:
        DataError: If a class has one image, which has no neighbour.
    """
    from imblearn.over_sampling import SMOTE

    present, counts = np.unique(labels, return_counts=True)
    if counts.min() == 1:
        lonely = ", ".join(classes[label] for label in present[counts == 1])
        raise DataError(
            f"class {lonely} has a single training image, and smote needs two; add images or set "
            "sampling.balance=oversample"
        )
    if len(present) == 1:  # imbalanced-learn refuses what is balanced by being alone
        return features, labels
    sampler = SMOTE(k_neighbors=int(min(5, counts.min() - 1)), random_state=seed)
    points, codes = sampler.fit_resample(features, labels)
    return points, codes
