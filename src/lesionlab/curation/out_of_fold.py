"""Out-of-fold probabilities from features of a frozen network: logistic regression, cross-validated by lesion."""

from collections.abc import Sequence

import numpy as np

from lesionlab.bundle.features import signed_sqrt
from lesionlab.data import ImageRecord
from lesionlab.data.stratify import lesion_folds
from lesionlab.metrics.arrays import FloatArray, IntArray
from lesionlab.taxonomy import Task

FOLDS = 5
_COMPONENTS = 400
# Between 100 and 1,000 the log loss of HAM10000 and the errors found hardly change.
_PENALTY = 300.0
_STEPS = 30


def predict_out_of_fold(features: np.ndarray, records: Sequence[ImageRecord], task: Task, seed: int = 0) -> FloatArray:
    """Return probabilities from models that were not fitted to the lesion of the image, [N, C].

    Args:
        features: Features of a network that was not trained on these labels, [N, D].
        records: The images; their labels determine classes of the task.
        task: The classes.
        seed: Seed of the folds.
    """
    labels = np.array([task.index(record.diagnosis) for record in records])
    folds = np.array(lesion_folds([record.lesion_id for record in records], labels.tolist(), FOLDS, seed))
    components = _principal_components(features)
    probabilities = np.zeros((len(records), len(task.classes)))
    for fold in range(FOLDS):
        held_out = folds == fold
        probabilities[held_out] = predict_logistic(
            components[~held_out], labels[~held_out], components[held_out], len(task.classes)
        )
    return probabilities


def predict_logistic(
    features: FloatArray, labels: IntArray, others: FloatArray, classes: int, penalty: float = _PENALTY
) -> FloatArray:
    """Fit a multinomial logistic regression with an L2 penalty, and return the probabilities of others, [M, C].

    Args:
        features: Of the samples to fit, [N, D].
        labels: Their classes, [N].
        others: Features of the samples to predict, [M, D].
        classes: Number of classes.
        penalty: Half the penalty is the factor of the squared weights.
    """
    weights, bias = fit_multinomial(features, labels, classes, penalty)
    return _softmax(others @ weights + bias)


def fit_multinomial(
    features: FloatArray, labels: IntArray, classes: int, penalty: float = _PENALTY
) -> tuple[FloatArray, FloatArray]:
    """Fit a multinomial logistic regression with an L2 penalty: its weights [D, C] and bias [C].

    Each step divides the gradient by a bound of the Hessian that is the same for all steps (Böhning, Multinomial
    logistic regression algorithm, Annals of the Institute of Statistical Mathematics 44, 1992), here in the basis
    where it is diagonal.

    Args:
        features: Of the samples, [N, D].
        labels: Their classes, [N].
        classes: Number of classes.
        penalty: Half the penalty is the factor of the squared weights.
    """
    mean = features.mean(axis=0)
    curvature, basis = np.linalg.eigh((features - mean).T @ (features - mean))
    inputs, targets = (features - mean) @ basis, np.eye(classes)[labels]
    weights = np.zeros((inputs.shape[1], classes))
    bias = np.log(targets.mean(axis=0).clip(1e-9))
    for _ in range(_STEPS):
        excess = _softmax(inputs @ weights + bias) - targets
        weights -= (inputs.T @ excess + penalty * weights) / (curvature.clip(0)[:, None] / 2 + penalty)
        bias -= 2 * excess.mean(axis=0)
    weights = basis @ weights
    return weights, bias - mean @ weights


def _softmax(logits: FloatArray) -> FloatArray:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def _principal_components(features: np.ndarray) -> FloatArray:
    roots = signed_sqrt(features)
    scaled = (roots - roots.mean(axis=0)) / (roots.std(axis=0) + 1e-6)
    _, vectors = np.linalg.eigh(scaled.T @ scaled)
    return np.asarray(scaled @ vectors[:, -_COMPONENTS:], dtype=np.float64)
