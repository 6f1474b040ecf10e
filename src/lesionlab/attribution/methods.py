"""The attribution methods by name, with a common interface: network, image and class to a map of the image."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lesionlab.attribution.gradcam import contrast_map, grad_cam, grad_cam_plus_plus
from lesionlab.attribution.network import ExplainedNetwork
from lesionlab.attribution.perturbation import integrated_gradients, lime, occlusion, shap
from lesionlab.errors import BundleError, ImageError, UsageError
from lesionlab.prediction.explanation.class_activation import scaled


@dataclass(frozen=True)
class Method:
    """An attribution method.

    Attributes:
        name: Name on the command line.
        title: Displayed name.
        meaning: Meaning of a bright place.
        compute: The map [h, w] of an image [3, size, size] and a class, positive where it supports the class.
        by_pixel: Whether values differ between neighbouring pixels, so that single pixels may dominate the scale.
        slow: Whether it needs hundreds of passes of the network instead of one.
    """

    name: str
    title: str
    meaning: str
    compute: Callable[[ExplainedNetwork, Tensor, int], Tensor]
    by_pixel: bool = False
    slow: bool = False

    def attribute(self, network: ExplainedNetwork, pixels: NDArray[np.uint8], index: int) -> NDArray[np.float32]:
        """Return the evidence for (positive) and against (negative) a class at each place, float32 [h, w].

        Args:
            network: The network.
            pixels: Its input, uint8 [size, size, 3].
            index: Index of the class.

        Raises:
            ImageError: The image has another size than the network's input.
            UsageError: There is no such class, or the chosen layer has no feature map.
            BundleError: The network's outputs are not finite.
        """
        expected = (network.size, network.size, 3)
        if pixels.shape != expected or pixels.dtype != np.uint8:
            raise ImageError(
                f"the network takes uint8 {list(expected)}, this image is {pixels.dtype} {list(pixels.shape)}; "
                "prepare it with Predictor.pipeline.prepare"
            )
        if not 0 <= index < len(network.classes):
            raise UsageError(f"class {index}: the network has the classes 0 to {len(network.classes) - 1}")
        image = torch.tensor(pixels).permute(2, 0, 1).float() / 255
        values: NDArray[np.float32] = self.compute(network, image, index).detach().float().numpy()
        if not np.isfinite(values).all():
            raise BundleError("the network's outputs are not finite; train its run again")
        return values

    def displayed(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return a map as it is displayed: its positive values, scaled to 0 to 1."""
        if not self.by_pixel or not (values > 0).any():
            return scaled(values)
        brightest = np.float32(np.quantile(values[values > 0], _BRIGHTEST))
        return scaled(np.minimum(values, brightest))


# Quantile of the positive values at which a map by pixel is clipped.
_BRIGHTEST = 0.99

METHODS: dict[str, Method] = {
    method.name: method
    for method in (
        Method(
            "grad-cam",
            "Grad-CAM",
            "high activation of the channels of the last feature map that increase the score",
            grad_cam,
        ),
        Method(
            "contrast",
            "Contrast map",
            "Grad-CAM of this class is higher here than its mean over all classes",
            contrast_map,
        ),
        Method(
            "grad-cam++",
            "Grad-CAM++",
            "as Grad-CAM, with positive gradients only",
            grad_cam_plus_plus,
        ),
        Method(
            "integrated-gradients",
            "Integrated gradients",
            "pixels that increase the score on the path from plain skin to the image",
            integrated_gradients,
            by_pixel=True,
            slow=True,
        ),
        Method(
            "occlusion",
            "Occlusion",
            "the score decreases when plain skin covers this place",
            occlusion,
            slow=True,
        ),
        Method(
            "lime",
            "LIME",
            "the region has a positive weight in a linear model of the score, fitted to 128 perturbed images",
            lime,
            slow=True,
        ),
        Method(
            "shap",
            "Kernel SHAP",
            "the region's contribution to the score relative to plain skin, estimated from 128 perturbed images",
            shap,
            slow=True,
        ),
    )
}


def choose_methods(names: list[str] | None) -> tuple[Method, ...]:
    """Return methods by name; all of them for None.

    Raises:
        UsageError: There is no such method.
    """
    unknown = [name for name in names or () if name not in METHODS]
    if unknown:
        raise UsageError(f"no method {unknown[0]!r}; there are {', '.join(METHODS)}")
    return tuple(METHODS[name] for name in dict.fromkeys(names or METHODS))
