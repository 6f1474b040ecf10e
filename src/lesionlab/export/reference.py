"""Reference statistics of a bundle: the classifier's weights and the statistics of its training images."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from lesionlab.bundle import FeatureSpace, ImageLimits, LinearHead, Reference, SharpnessLimit
from lesionlab.bundle.features import ood_scores, signed_sqrt
from lesionlab.export.measure import Measurements
from lesionlab.training.network import LesionNetwork

# Maximum share of validation images beyond a limit: the false positives of the check. The true positives are in
# benchmarks/results/ood_scores.json.
ABSTENTION_SHARE = 0.02
DIRECTIONS = 128
# Rounding errors of a float32 network, relative to its largest logit.
_TOLERANCE = 1e-3


def make_reference(networks: Sequence[LesionNetwork], train: Measurements, validation: Measurements) -> Reference:
    """Return the reference statistics of a bundle.

    Args:
        networks: The trained network, or the members of an ensemble.
        train: Measurements of training images.
        validation: Measurements of the validation images, on which the limit of the OOD score is chosen.
    """
    return Reference(
        head=linear_head(networks, validation),
        image=image_limits(train),
        sharpness=SharpnessLimit(np.array(train.quality[:, 2].min())),
        features=feature_space(train, validation) if train.features.shape[1] else None,
    )


def linear_head(networks: Sequence[LesionNetwork], measured: Measurements) -> LinearHead | None:
    """Return the last layer of a network whose logits are linear in its pooled feature map; None for any other.

    The last layers of an ensemble are concatenated like their feature maps, divided by the number of members.

    A single sigmoid output z is equivalent to the logits 0 and z. Its weights are divided evenly between the two
    classes, with opposite signs, which leaves the probabilities unchanged.

    Args:
        networks: The network, or the members of an ensemble.
        measured: Measurements of some images, on which the linearity is checked.
    """
    layers = [_last_layer(network) for network in networks]
    if any(layer is None for layer in layers):
        return None
    share = np.float32(1 / len(networks))
    weights = np.concatenate([layer[0] for layer in layers if layer], axis=1) * share
    bias = np.sum([layer[1] for layer in layers if layer], axis=0) * share
    head = LinearHead(weights, bias)
    return head if is_linear(head, measured) else None


def is_linear(head: LinearHead, measured: Measurements) -> bool:
    """Return whether a layer on the pooled feature map gives the logits of some images, up to a constant of each."""
    if measured.features.shape[1] != head.weights.shape[1]:
        return False
    # Some backbones have further layers between the feature map and the classifier.
    residual = measured.features @ head.weights.T + head.bias - measured.logits
    residual -= residual.mean(axis=1, keepdims=True)
    return bool(np.abs(residual).max() <= _TOLERANCE * np.abs(measured.logits).max())


def _last_layer(network: LesionNetwork) -> tuple[np.ndarray, np.ndarray] | None:
    """Return weights [C, D] and bias [C] of a head with one linear layer on a pooled feature map; None for another."""
    head = network.head
    if network.flatten or any(not isinstance(layer, torch.nn.Dropout) for layer in head.hidden):
        return None
    last = head.classifier
    weights, bias = (p.detach().cpu().float().numpy() for p in (last.weight, last.bias))
    if head.sigmoid:
        weights = np.concatenate([-weights, weights]) / np.float32(2)
        bias = np.concatenate([-bias, bias]) / np.float32(2)
    return weights, bias


def image_limits(train: Measurements) -> ImageLimits:
    """Return the extremes of brightness and contrast over the training images.

    A further image from the distribution of n training images exceeds each extreme with probability 1 / (n + 1).
    """
    brightness, contrast, _ = train.quality.T
    return ImageLimits(*(np.array(limit) for limit in (brightness.min(), brightness.max(), contrast.min())))


def feature_space(train: Measurements, validation: Measurements) -> FeatureSpace:
    """Return the feature space of the training images, with the limit of the OOD score.

    Args:
        train: Measurements of training images.
        validation: Measurements of validation images.
    """
    features = signed_sqrt(train.features).astype(np.float64)
    _, directions = np.linalg.eigh(np.cov(features, rowvar=False))
    # At most half of the directions, since the OOD score is the distance in the remaining ones.
    kept = max(1, min(DIRECTIONS, *(side // 2 for side in features.shape)))
    mean, basis = features.mean(axis=0).astype(np.float32), directions[:, : -kept - 1 : -1].T.astype(np.float16)
    # Computed with the rounded values that are stored.
    unlimited = FeatureSpace(mean, basis, np.array(0, np.float32))
    limit = np.quantile(ood_scores(unlimited, validation.features), 1 - ABSTENTION_SHARE, method="higher")
    return replace(unlimited, limit=np.asarray(limit, np.float32))
