"""Reference statistics (`reference.npz`): the numbers behind explanations, abstentions and drift detection."""

from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields

import numpy as np

from lesionlab.bundle.npz import npz_bytes, read_npz

_KINDS = (np.dtype(np.float16), np.dtype(np.float32))


@dataclass(frozen=True, eq=False)
class LinearHead:
    """The last layer of a network whose logits are linear in its pooled feature map.

    Attributes:
        weights: [C, D] for C classes and the D channels of the map.
        bias: [C].
    """

    weights: np.ndarray
    bias: np.ndarray


@dataclass(frozen=True, eq=False)
class ImageLimits:
    """Extremes of brightness and contrast among the training images. The model abstains beyond them.

    Attributes:
        darkest: Lowest mean of all channels, from 0 to 255, [].
        brightest: Highest mean of all channels, [].
        flattest: Lowest contrast: standard deviation of a channel over the image, mean of the channels, [].
    """

    darkest: np.ndarray
    brightest: np.ndarray
    flattest: np.ndarray


@dataclass(frozen=True, eq=False)
class SharpnessLimit:
    """Sharpness of the most blurred training image, []; see `lesionlab.images.quality.sharpness`."""

    softest: np.ndarray


@dataclass(frozen=True, eq=False)
class FeatureSpace:
    """Feature space of the training images: signed square roots of their pooled features.

    Attributes:
        mean: Their mean, [D].
        basis: Their first K principal directions, orthonormal, [K, D].
        limit: Maximum out-of-distribution score; 2% of the validation images exceed it, [].
    """

    mean: np.ndarray
    basis: np.ndarray
    limit: np.ndarray


@dataclass(frozen=True)
class DriftMeasures:
    """Measures of an image (see `lesionlab.images.quality`) and its prediction that drift detection compares.

    Attributes:
        ood_score: Out-of-distribution score; see `lesionlab.bundle.features.ood_scores`.
        target_probability: Probability of the model's main target.
        confidence: Highest score of the decision rule.
    """

    brightness: float
    contrast: float
    sharpness: float
    ood_score: float
    target_probability: float
    confidence: float


@dataclass(frozen=True, eq=False)
class ValidationStatistics:
    """Distribution of the drift measures over the validation images.

    The fields of `DriftMeasures` are stored as quantiles at even levels, from the minimum to the maximum, [101] each.

    Attributes:
        class_shares: Share of each class among the balanced predictions, [C].
        images: Number of images, [].
    """

    brightness: np.ndarray
    contrast: np.ndarray
    sharpness: np.ndarray
    ood_score: np.ndarray
    target_probability: np.ndarray
    confidence: np.ndarray
    class_shares: np.ndarray
    images: np.ndarray

    @classmethod
    def of(cls, measures: Sequence[DriftMeasures], class_shares: np.ndarray) -> "ValidationStatistics":
        """Return the statistics of images from the measures of each."""
        rows = np.array([astuple(one) for one in measures], dtype=np.float64)
        quantiles = np.quantile(rows, np.linspace(0, 1, 101), axis=0).astype(np.float32).T
        named = dict(zip(DRIFT_MEASURES, quantiles, strict=True))
        return cls(class_shares=class_shares.astype(np.float32), images=np.array(len(rows), np.float32), **named)

    @property
    def quantiles(self) -> dict[str, np.ndarray]:
        """The quantiles by the name of the measure."""
        return {name: getattr(self, name) for name in DRIFT_MEASURES}


DRIFT_MEASURES = tuple(field.name for field in fields(DriftMeasures))
_GROUPS = {
    "head": LinearHead,
    "image": ImageLimits,
    "sharpness": SharpnessLimit,
    "features": FeatureSpace,
    "validation": ValidationStatistics,
}


@dataclass(frozen=True, eq=False)
class Reference:
    """The whole of `reference.npz`; a group that a model cannot have is None.

    Attributes:
        head: The classifier layer, for class activation maps; None for a network without such maps.
        features: Feature space of the training images; None for a graph without a feature map.
        validation: Statistics of the validation images, for drift detection.
    """

    head: LinearHead | None = None
    image: ImageLimits | None = None
    sharpness: SharpnessLimit | None = None
    features: FeatureSpace | None = None
    validation: ValidationStatistics | None = None

    def to_bytes(self) -> bytes:
        """Return the file; the same content is the same bytes."""
        arrays = {
            f"{group}_{field.name}": getattr(part, field.name)
            for group in _GROUPS
            if (part := getattr(self, group)) is not None
            for field in fields(part)
        }
        return npz_bytes(arrays)

    @classmethod
    def from_bytes(cls, data: bytes) -> "Reference":
        """Read the file.

        Raises:
            ValueError: It is not what `to_bytes` writes; the message holds the reason.
        """
        arrays = read_npz(data)
        for name, array in arrays.items():
            if array.dtype not in _KINDS or not np.isfinite(array).all():
                raise ValueError(f"its array {name} does not hold finite 16- or 32-bit numbers")
        parts = {}
        for group, kind in _GROUPS.items():
            names = [field.name for field in fields(kind)]
            found = {name: arrays[f"{group}_{name}"] for name in names if f"{group}_{name}" in arrays}
            if found and len(found) < len(names):
                raise ValueError(f"it lacks {group}_{next(name for name in names if name not in found)}")
            parts[group] = kind(**found) if found else None
        return cls(**parts)
