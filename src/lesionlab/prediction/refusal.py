"""When an image is not one that the model can judge, and why."""

import numpy as np
from PIL import Image

from lesionlab.bundle import FeatureSpace, PictureLimits, Reference
from lesionlab.prediction.prepared import PreparedImage
from lesionlab.prediction.result import RefusalReason
from lesionlab.segmentation.measures import SMALLEST_SHARE

# A picture whose shorter side has fewer pixels than this share of the input's shows too little.
_LEAST_SHARE = 0.25
_VALUES = np.arange(256.0)


def reasons_against(reference: Reference, image: PreparedImage, distance: float | None) -> list[RefusalReason]:
    """Return what speaks against judging an image, whatever the answer; mostly nothing.

    Args:
        reference: What the training images were like.
        image: The network's input, and what it was made of.
        distance: How far its features lie from those of the training images; None for a graph that gives none.
    """
    reasons: list[RefusalReason] = []
    pixels = image.pixels
    if reference.picture is not None:
        reasons += [*_size_reasons(image), *_picture_reasons(reference.picture, pixels)]
    if reference.sharpness is not None and (found := sharpness(pixels)) < (least := float(reference.sharpness.softest)):
        message = f"blurred: sharpness {found:.2f}, training images have at least {least:.2f}"
        reasons.append(RefusalReason(code="blurred", message=message))
    limit = None if reference.features is None else float(reference.features.limit)
    if limit is not None and distance is not None and distance > limit:
        message = (
            f"unlike the images that the model was trained on: distance {distance:.3g}, "
            f"98 in 100 of their kind lie within {limit:.3g}"
        )
        reasons.append(RefusalReason(code="unfamiliar", message=message))
    return reasons


def uncertain(score: float, limit: float) -> list[RefusalReason]:
    """Return a reason if the answer's score is under the limit.

    Args:
        score: Of the answer, by the model's rule, where the scores of all classes sum to 1.
        limit: See `lesionlab.bundle.Decision`.
    """
    if score >= limit:
        return []
    message = f"uncertain: no class stands out; the first scores {score:.2f}, of 98 in 100 images at least {limit:.2f}"
    return [RefusalReason(code="uncertain", message=message)]


def without_lesion(probability: np.ndarray, threshold: float) -> list[RefusalReason]:
    """Return a reason if the network that looks for the lesion finds none.

    Args:
        probability: That a pixel belongs to the lesion, [rows, columns].
        threshold: A pixel belongs to it at or above this.
    """
    if (probability >= threshold).mean() >= SMALLEST_SHARE:
        return []
    return [RefusalReason(code="no_lesion", message="no lesion was found in the picture")]


_SHARPNESS_SIDE = 224


def sharpness(pixels: np.ndarray) -> float:
    """Return how sharp a picture is, uint8 [rows, columns, 3]: the standard deviation of its grey's Laplacian.

    Of a large picture only each second pixel counts, or each third, so that at least 224 are left along a side: a small
    file that was enlarged for a model that takes large pictures is as sharp as it was.

    Source: Pertuz et al., Pattern Recognition 46, 2013 (energy of the Laplacian, as a spread).
    """
    step = max(1, min(pixels.shape[:2]) // _SHARPNESS_SIDE)
    pixels = pixels[::step, ::step]
    # Three times the grey and its Laplacian are small whole numbers: exact in 16 bits, and quickest there.
    grey = np.add(pixels[..., 0], pixels[..., 1], dtype=np.int16)
    grey += pixels[..., 2]
    laplacian = grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:] - 4 * grey[1:-1, 1:-1]
    return float(laplacian.astype(np.float32).std()) / 3


def measure_picture(pixels: np.ndarray) -> tuple[float, float]:
    """Return brightness and contrast of a picture, uint8 [rows, columns, 3], both on the scale of its values.

    Brightness is the mean of all values; contrast is the standard deviation of a channel over the picture, the mean
    of the three.
    """
    counts = np.array(Image.fromarray(pixels).histogram(), np.float64).reshape(3, 256)
    number = counts.sum(axis=1)
    mean = counts @ _VALUES / number
    variance = counts @ _VALUES**2 / number - mean**2
    return float(mean.mean()), float(np.sqrt(variance.clip(0)).mean())


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


def _size_reasons(image: PreparedImage) -> list[RefusalReason]:
    side, size = len(image.pixels), image.original_size
    if size is None or min(size) >= side * _LEAST_SHARE:
        return []
    message = f"too small: {size[0]}x{size[1]} pixels for an input of {side}x{side}"
    return [RefusalReason(code="too_small", message=message)]


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
