"""Sampling: by class (oversampling, undersampling, SMOTE), or by source and confirmation."""

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from lesionlab.data import ImageRecord
from lesionlab.errors import DataError
from lesionlab.recipes import SamplingSettings
from lesionlab.taxonomy import TASKS


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


def draw_weights(records: Sequence[ImageRecord], settings: SamplingSettings) -> NDArray[np.float64]:
    """Return how often each image is drawn in an epoch on average, [N]; the mean is 1 up to the limit.

    Args:
        records: The training images.
        settings: Independence of source and malignancy, weights by source, dataset and confirmation, and the limit.
    """
    sources, source = np.unique([record.source for record in records], return_inverse=True)
    # The class of the binary task; labels without one, such as `other` for not melanoma, are a kind of their own.
    task = TASKS["malignant"]
    found = [task.index(r.diagnosis) if task.determines(r.diagnosis) else len(task.classes) for r in records]
    kinds, kind = np.unique(found, return_inverse=True)
    joint = np.zeros((len(sources), len(kinds)))
    np.add.at(joint, (source, kind), 1 / len(records))
    independent = joint.sum(axis=1, keepdims=True) * joint.sum(axis=0, keepdims=True)
    weights: NDArray[np.float64] = (independent[source, kind] / joint[source, kind]) ** settings.independence
    weights *= [math.prod(settings.weights.get(name, 1.0) for name in _groups(record)) for record in records]
    # Limiting images raises the mean share of the others, which can take these above the limit.
    for _ in range(8):
        weights = np.minimum(weights / weights.mean(), settings.most_often)
    return weights


def _groups(record: ImageRecord) -> set[str]:
    return {name for name in (record.source, record.dataset, record.dx_type) if name is not None}


def weighted_order(weights: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.int64]:
    """Return as many positions as there are weights, each repeated by its weight to within one, shuffled.

    Systematic sampling: the repetitions vary as little as whole numbers allow.

    Args:
        weights: Expected repetitions of each position, [N].
        rng: Generator of the draw and the order.
    """
    order = rng.permutation(len(weights))
    ends = np.cumsum(weights[order]) * (len(weights) / weights.sum())
    drawn = np.searchsorted(ends, np.arange(len(weights)) + rng.random(), side="right")
    return rng.permutation(order[np.minimum(drawn, len(weights) - 1)])


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
