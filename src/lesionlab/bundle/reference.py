"""What `reference.npz` holds: the numbers behind a reason and behind a refusal.

An answer is explained by the weights of the classifier, and refused where the picture is unlike those that the model
was trained on, to the eye or to the network. The file says what they were like, in well under a megabyte.
"""

from dataclasses import dataclass, fields

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
class PictureLimits:
    """The most extreme pictures among the training images; what lies beyond all of them is refused.

    Attributes:
        darkest: Lowest mean of all channels, from 0 to 255, [].
        brightest: Highest mean of all channels, [].
        flattest: Lowest contrast: standard deviation of a channel over the picture, mean of the channels, [].
    """

    darkest: np.ndarray
    brightest: np.ndarray
    flattest: np.ndarray


@dataclass(frozen=True, eq=False)
class SharpnessLimit:
    """The most blurred picture among the training images.

    Attributes:
        softest: Lowest sharpness; see `lesionlab.prediction.refusal.sharpness`, [].
    """

    softest: np.ndarray


@dataclass(frozen=True, eq=False)
class FeatureSpace:
    """Where the roots of the training images' pooled features lie; see `lesionlab.prediction.refusal.distances`.

    Attributes:
        mean: Their mean, [D].
        basis: Their first K principal directions, orthonormal, [K, D].
        limit: Distance beyond which an image is refused: exceeded by 2 % of the validation images, [].
    """

    mean: np.ndarray
    basis: np.ndarray
    limit: np.ndarray


@dataclass(frozen=True, eq=False)
class Usual:
    """What the validation images were like, and what the model said of them: what new images are compared with.

    The first six are quantiles at even levels, from the least to the greatest value, [101] each.

    Attributes:
        brightness: See `lesionlab.prediction.refusal.measure_picture`.
        contrast: The same.
        sharpness: See `lesionlab.prediction.refusal.sharpness`.
        distance: From the features of the training images; see `lesionlab.prediction.refusal.distances`.
        suspicion: Probability of what is looked for.
        certainty: Score of the answer.
        answers: Share of each class among the answers, [C].
        images: Number of images, [].
    """

    brightness: np.ndarray
    contrast: np.ndarray
    sharpness: np.ndarray
    distance: np.ndarray
    suspicion: np.ndarray
    certainty: np.ndarray
    answers: np.ndarray
    images: np.ndarray

    @classmethod
    def of(cls, measures: np.ndarray, answers: np.ndarray) -> "Usual":
        """Return what is kept of images.

        Args:
            measures: One row for each image, columns in the order of the attributes, [N, 6].
            answers: Share of each class among the answers, [C].
        """
        columns = np.quantile(measures.astype(np.float64), np.linspace(0, 1, 101), axis=0).astype(np.float32).T
        named = dict(zip(MEASURES, columns, strict=True))
        return cls(answers=answers.astype(np.float32), images=np.array(len(measures), np.float32), **named)

    @property
    def quantiles(self) -> dict[str, np.ndarray]:
        """The quantiles by name, in the order of the columns."""
        return {name: getattr(self, name) for name in MEASURES}


MEASURES = ("brightness", "contrast", "sharpness", "distance", "suspicion", "certainty")
_GROUPS = {
    "head": LinearHead,
    "picture": PictureLimits,
    "sharpness": SharpnessLimit,
    "features": FeatureSpace,
    "usual": Usual,
}


@dataclass(frozen=True, eq=False)
class Reference:
    """The whole of `reference.npz`; what a model cannot have is None.

    Attributes:
        head: What a class activation map needs; None for a network that none explains.
        picture: Limits of a picture that the model may judge.
        sharpness: The same of its sharpness; None in bundles that were exported before it was measured.
        features: Limits in the network's own terms; None for a graph without a feature map.
        usual: What the validation images were like; None in bundles that were exported before it was kept.
    """

    head: LinearHead | None = None
    picture: PictureLimits | None = None
    sharpness: SharpnessLimit | None = None
    features: FeatureSpace | None = None
    usual: Usual | None = None

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
            ValueError: It is not what `to_bytes` writes; the message says why.
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
