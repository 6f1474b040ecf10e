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
        distance, limit = float(distances(reference.features, features[None])[0]), float(reference.features.limit)
        if distance > limit:
            message = (
                f"unlike the images that the model was trained on: distance {distance:.3g}, "
                f"98 in 100 of their kind lie within {limit:.3g}"
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

    The length of what the training images' principal directions leave of an image's features, as in Wang et al.,
    ViM: Out-Of-Distribution with Virtual-logit Matching, CVPR 2022, without its logit. Roots are taken first: a few
    channels that are large for many lesions would hide the many small ones that a strange picture stirs.
    `benchmarks/refusal.py` compares it with other distances.
    """
    centred = roots(features) - space.mean.astype(np.float32)
    basis = space.basis.astype(np.float32)
    return np.asarray(np.linalg.norm(centred - (centred @ basis.T) @ basis, axis=1))


def roots(features: np.ndarray) -> np.ndarray:
    """Return the square roots of features [N, D], float32, with the sign of each."""
    return np.asarray(np.copysign(np.sqrt(np.abs(features, dtype=np.float32)), features))


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
