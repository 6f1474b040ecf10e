"""What a bundle carries to explain and to refuse: the classifier's weights, and what its training images were like."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from lesionlab.bundle import FeatureSpace, ImageLimits, LinearHead, Reference, SharpnessLimit
from lesionlab.bundle.features import ood_scores, signed_sqrt
from lesionlab.export.measure import Measured
from lesionlab.training.network import LesionNetwork

# Of the validation images at most this share lies beyond the limit. Every one of them is a picture that the model
# could have judged, so it is the price; what it buys is in benchmarks/results/refusal.json.
REFUSED = 0.02
DIRECTIONS = 128
# Rounding errors of a float32 network, relative to its largest logit.
_TOLERANCE = 1e-3


def make_reference(networks: Sequence[LesionNetwork], train: Measured, validation: Measured) -> Reference:
    """Return what a bundle's reasons and refusals rest on.

    Args:
        networks: The trained network, or the members of an ensemble.
        train: What their graph makes of training images.
        validation: The same of the validation images, by which the limit of the features is chosen.
    """
    return Reference(
        head=linear_head(networks, validation),
        image=image_limits(train),
        sharpness=SharpnessLimit(np.array(train.pictures[:, 2].min())),
        features=feature_space(train, validation) if train.features.shape[1] else None,
    )


def linear_head(networks: Sequence[LesionNetwork], measured: Measured) -> LinearHead | None:
    """Return the last layer of a network whose logits are linear in the mean of its last map; None for any other.

    The last layers of an ensemble stand side by side, each with its share of the mean, as their maps do.

    A single sigmoid output z stands for the logits 0 and z. Its two classes get half of its weights each, one of
    them with the sign turned: what speaks for the one speaks against the other, and the probabilities stay the same.

    Args:
        networks: The network, or the members of an ensemble.
        measured: What their graph makes of some images, which shows whether this is all that it does.
    """
    layers = [_last_layer(network) for network in networks]
    if any(layer is None for layer in layers):
        return None
    share = np.float32(1 / len(networks))
    weights = np.concatenate([layer[0] for layer in layers if layer], axis=1) * share
    bias = np.sum([layer[1] for layer in layers if layer], axis=0) * share
    if measured.features.shape[1] != weights.shape[1]:
        return None
    # Some backbones do more between map and classifier than take the mean.
    surplus = measured.features @ weights.T + bias - measured.logits
    surplus -= surplus.mean(axis=1, keepdims=True)
    if np.abs(surplus).max() > _TOLERANCE * np.abs(measured.logits).max():
        return None
    return LinearHead(weights, bias)


def _last_layer(network: LesionNetwork) -> tuple[np.ndarray, np.ndarray] | None:
    """Return weights [C, D] and bias [C] of a head that is one linear layer on a pooled map, None for another."""
    head = network.head
    if network.flatten or any(not isinstance(layer, torch.nn.Dropout) for layer in head.hidden):
        return None
    last = head.classifier
    weights, bias = (p.detach().cpu().float().numpy() for p in (last.weight, last.bias))
    if head.sigmoid:
        weights = np.concatenate([-weights, weights]) / np.float32(2)
        bias = np.concatenate([-bias, bias]) / np.float32(2)
    return weights, bias


def image_limits(train: Measured) -> ImageLimits:
    """Return the most extreme brightness and contrast of the training images.

    No share of them has to be chosen: of n images and one more of their kind, the last is the most extreme with
    probability 1 / (n + 1) in each of the three respects.
    """
    brightness, contrast, _ = train.pictures.T
    return ImageLimits(*(np.array(limit) for limit in (brightness.min(), brightness.max(), contrast.min())))


def feature_space(train: Measured, validation: Measured) -> FeatureSpace:
    """Return where the features of the training images lie, and how far from it an image may be.

    Args:
        train: What the graph makes of training images.
        validation: The same of images that it was not fitted to.
    """
    of_train = signed_sqrt(train.features).astype(np.float64)
    _, directions = np.linalg.eigh(np.cov(of_train, rowvar=False))
    # Half of the directions at most: it is the rest that tells.
    kept = max(1, min(DIRECTIONS, *(side // 2 for side in of_train.shape)))
    mean, basis = of_train.mean(axis=0).astype(np.float32), directions[:, : -kept - 1 : -1].T.astype(np.float16)
    # Measured with the rounded numbers: the limit has to hold for those that are stored.
    unlimited = FeatureSpace(mean, basis, np.array(0, np.float32))
    limit = np.quantile(ood_scores(unlimited, validation.features), 1 - REFUSED, method="higher")
    return replace(unlimited, limit=np.asarray(limit, np.float32))
