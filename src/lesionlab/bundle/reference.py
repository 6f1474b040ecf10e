"""What `reference.npz` holds: the numbers behind a reason and behind a refusal.

An answer is explained by the weights of the classifier, and refused where the picture is unlike those that the model
was trained on, to the eye or to the network. The file says what they were like, in well under a megabyte.
"""

import io
from dataclasses import dataclass, fields

import numpy as np

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


_GROUPS = {"head": LinearHead, "picture": PictureLimits, "sharpness": SharpnessLimit, "features": FeatureSpace}


@dataclass(frozen=True, eq=False)
class Reference:
    """The whole of `reference.npz`; what a model cannot have is None.

    Attributes:
        head: What a class activation map needs; None for a network that none explains.
        picture: Limits of a picture that the model may judge.
        sharpness: The same of its sharpness; None in bundles that were exported before it was measured.
        features: Limits in the network's own terms; None for a graph without a feature map.
    """

    head: LinearHead | None = None
    picture: PictureLimits | None = None
    sharpness: SharpnessLimit | None = None
    features: FeatureSpace | None = None

    def to_bytes(self) -> bytes:
        """Return the file; the same content is the same bytes."""
        arrays = {
            f"{group}_{field.name}": getattr(part, field.name)
            for group in _GROUPS
            if (part := getattr(self, group)) is not None
            for field in fields(part)
        }
        stream = io.BytesIO()
        np.savez_compressed(stream, allow_pickle=False, **arrays)
        return stream.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes) -> "Reference":
        """Read the file.

        Raises:
            ValueError: It is not what `to_bytes` writes; the message says why.
        """
        try:
            with np.load(io.BytesIO(data), allow_pickle=False) as opened:
                arrays = dict(opened.items())
        except Exception as error:  # zip, zlib, struct and numpy have no common base
            raise ValueError(f"it cannot be read ({error})") from error
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
