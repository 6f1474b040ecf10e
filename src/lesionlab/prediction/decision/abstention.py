"""Reasons for an abstention: image quality, no lesion, not dermoscopic, out of distribution, low confidence."""

import numpy as np

from lesionlab.bundle import Bundle, DecisionRule, DermoscopyDetector, ImageLimits, Reference
from lesionlab.errors import BundleError
from lesionlab.images.quality import brightness_and_contrast, sharpness
from lesionlab.prediction.inference.preprocessing import PreparedImage
from lesionlab.results import AbstainReason
from lesionlab.segmentation.measures import SMALLEST_SHARE

# Minimum shorter side of an image, as a share of the input's side.
_LEAST_SHARE = 0.25


def checked_reference(bundle: Bundle, channels: int | None) -> Reference:
    """Return the reference statistics of a bundle after a check that they fit the channels of its feature map, if any.

    Raises:
        BundleError: They belong to another graph.
    """
    reference = bundle.reference or Reference()
    head, features = reference.head, reference.features
    fits = head is None or head.weights.shape == (len(bundle.info.classes), channels)
    if not fits or (features is not None and features.basis.shape[1:] != (channels,)):
        raise BundleError(f"{bundle.path}: reference.npz is not that of this graph; export the bundle again")
    return reference


def image_reasons(reference: Reference, image: PreparedImage, ood_score: float | None) -> list[AbstainReason]:
    """Return the reasons that follow from the image itself and its out-of-distribution score; usually none.

    The score is None for a model that does not abstain by it.
    """
    reasons: list[AbstainReason] = []
    pixels = image.pixels
    if reference.image is not None:
        reasons += [*_size_reasons(image), *_exposure_reasons(reference.image, pixels)]
    if reference.sharpness is not None and (found := sharpness(pixels)) < (least := float(reference.sharpness.softest)):
        message = f"blurred: sharpness {found:.2f}, training images have at least {least:.2f}"
        reasons.append(AbstainReason(code="blurred", message=message))
    limit = None if reference.features is None else float(reference.features.limit)
    if limit is not None and ood_score is not None and ood_score > limit:
        message = (
            f"out of distribution: unlike the training images, score {ood_score:.3g}, "
            f"98% of validation images have at most {limit:.3g}"
        )
        reasons.append(AbstainReason(code="out_of_distribution", message=message))
    return reasons


def confidence_reasons(confidence: float, rule: DecisionRule) -> list[AbstainReason]:
    """Return a reason if the highest score of the decision rule is below its `min_confidence`."""
    if confidence >= rule.min_confidence:
        return []
    share = f"{100 * (1 - rule.abstention_share):.4g}%"
    message = f"low confidence: {confidence:.2f}, {share} of validation images have at least {rule.min_confidence:.2f}"
    return [AbstainReason(code="low_confidence", message=message)]


def lesion_reasons(probability: np.ndarray, threshold: float) -> list[AbstainReason]:
    """Return a reason if the segmentation branch, [rows, columns], finds no lesion at this threshold."""
    if (probability >= threshold).mean() >= SMALLEST_SHARE:
        return []
    return [AbstainReason(code="no_lesion", message="no lesion was found in the image")]


def dermoscopy_reasons(logit: float, detector: DermoscopyDetector) -> list[AbstainReason]:
    """Return a reason if the detector's logit is below its threshold."""
    if logit >= detector.threshold:
        return []
    message = (
        f"not a dermoscopic image of a skin lesion: score {logit:.1f}, "
        f"{1 - detector.validation_share:.1%} of validation images have at least {detector.threshold:.1f}"
    )
    return [AbstainReason(code="not_dermoscopic", message=message)]


def _size_reasons(image: PreparedImage) -> list[AbstainReason]:
    side, size = len(image.pixels), image.original_size
    if size is None or min(size) >= side * _LEAST_SHARE:
        return []
    message = f"too small: {size[0]}x{size[1]} pixels for an input of {side}x{side}"
    return [AbstainReason(code="too_small", message=message)]


def _exposure_reasons(limits: ImageLimits, pixels: np.ndarray) -> list[AbstainReason]:
    brightness, contrast = brightness_and_contrast(pixels)
    seen = f"training images have {float(limits.darkest):.0f} to {float(limits.brightest):.0f}"
    reasons = []
    if contrast < limits.flattest:
        message = f"nearly uniform: contrast {contrast:.1f}, training images have at least {float(limits.flattest):.1f}"
        reasons.append(AbstainReason(code="uniform", message=message))
    if not limits.darkest <= brightness <= limits.brightest:
        dark = brightness < limits.darkest
        message = f"{'too dark' if dark else 'too bright'}: brightness {brightness:.0f} of 255, {seen}"
        reasons.append(AbstainReason(code="too_dark" if dark else "too_bright", message=message))
    return reasons
