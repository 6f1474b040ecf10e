"""Pooled features of the network: out-of-distribution scores and coordinates in the space of the training images."""

import numpy as np

from lesionlab.bundle.reference import FeatureSpace


def pool_features(feature_map: np.ndarray) -> np.ndarray:
    """Return the mean over the positions of a feature map, [N, D] of [N, D, h, w]."""
    return np.asarray(feature_map.mean(axis=(2, 3)))


def signed_sqrt(features: np.ndarray) -> np.ndarray:
    """Return the square roots of the absolute values of features [N, D] with their signs, float32."""
    return np.asarray(np.copysign(np.sqrt(np.abs(features, dtype=np.float32)), features))


def ood_scores(space: FeatureSpace, features: np.ndarray) -> np.ndarray:
    """Return the out-of-distribution scores, [N], of features [N, D]: their distances from the training images.

    The score is the norm of the residual of the features after projection on the principal directions of the training
    features, as in Wang et al., ViM: Out-Of-Distribution with Virtual-logit Matching, CVPR 2022, without its logit.
    Square roots are taken first: otherwise a few channels with large values dominate the many small ones that respond
    to unusual images. `benchmarks/results/ood_scores.json` holds a comparison with other distances.
    """
    centred = signed_sqrt(features) - space.mean.astype(np.float32)
    basis = space.basis.astype(np.float32)
    return np.asarray(np.linalg.norm(centred - (centred @ basis.T) @ basis, axis=1))


def coordinates(space: FeatureSpace, features: np.ndarray) -> np.ndarray:
    """Return the coordinates of features [N, D] along the principal directions of the training features, [N, K]."""
    return np.asarray((signed_sqrt(features) - space.mean.astype(np.float32)) @ space.basis.astype(np.float32).T)
