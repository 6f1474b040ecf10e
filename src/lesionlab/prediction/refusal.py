"""When an image is not one that the model can judge, and why."""

from statistics import fmean

import numpy as np
from PIL import Image, ImageStat

from lesionlab.bundle import FeatureSpace, PictureLimits, Reference
from lesionlab.prediction.result import Refusal, RefusalReason


def refusal_of(reference: Reference, pixels: np.ndarray, features: np.ndarray | None) -> Refusal | None:
    """Return why an image should not be judged, None where nothing speaks against it.

    Args:
        reference: What the training images were like.
        pixels: uint8 [size, size, 3], the network's input.
        features: Pooled features [D] of the image; None for a graph that gives none.
    """
    reasons: list[RefusalReason] = []
    if reference.picture is not None:
        reasons += _picture_reasons(reference.picture, pixels)
    if reference.features is not None and features is not None:
        distance = float(distances(reference.features, features[None])[0])
        if distance > reference.features.limit:
            message = (
                f"unlike the images that the model was trained on: distance {distance:.2f}, "
                f"that of 98 in 100 of its kind is at most {float(reference.features.limit):.2f}"
            )
            reasons.append(RefusalReason(code="unfamiliar", message=message))
    return Refusal(reasons=tuple(reasons)) if reasons else None


def measure_picture(pixels: np.ndarray) -> tuple[float, float]:
    """Return brightness and contrast of a picture, uint8 [rows, columns, 3], both on the scale of its values.

    Brightness is the mean of all values; contrast is the standard deviation of a channel over the picture, the mean
    of the three.
    """
    channels = ImageStat.Stat(Image.fromarray(pixels))
    return fmean(channels.mean), fmean(channels.stddev)


def pooled(feature_map: np.ndarray) -> np.ndarray:
    """Return the mean over the places of a map, [N, D] of [N, D, h, w]."""
    return np.asarray(feature_map.mean(axis=(2, 3)))


def distances(space: FeatureSpace, features: np.ndarray) -> np.ndarray:
    """Return how far features [N, D] lie from those of the training images, [N].

    The Mahalanobis distance under a normal distribution whose covariance is free along the principal directions and
    the same along all others, per square root of the number of dimensions. Source: Tipping and Bishop, Probabilistic
    Principal Component Analysis, JRSS B 61 (1999).
    """
    centred = features.astype(np.float32) - space.mean.astype(np.float32)
    along = centred @ space.basis.astype(np.float32).T
    outside = np.maximum((centred**2).sum(axis=1) - (along**2).sum(axis=1), 0)
    squared = ((along / space.spread) ** 2).sum(axis=1) + outside / space.rest**2
    return np.asarray(np.sqrt(squared / features.shape[1]))


def _picture_reasons(limits: PictureLimits, pixels: np.ndarray) -> list[RefusalReason]:
    brightness, contrast = measure_picture(pixels)
    seen = f"training images have {float(limits.darkest):.0f} to {float(limits.brightest):.0f}"
    reasons = []
    if contrast < limits.flattest:
        message = f"nearly uniform: contrast {contrast:.1f}, training images have at least {float(limits.flattest):.1f}"
        reasons.append(RefusalReason(code="uniform", message=message))
    if not limits.darkest <= brightness <= limits.brightest:
        dark = brightness < limits.darkest
        message = f"{'too dark' if dark else 'too bright'}: brightness {brightness:.0f} of 255, {seen}"
        reasons.append(RefusalReason(code="too_dark" if dark else "too_bright", message=message))
    return reasons
