"""The methods by name, all with one interface: a network, a picture and a class in, a map over the picture out."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lesionlab.attribution.gradcam import grad_cam, grad_cam_plus_plus
from lesionlab.attribution.network import ExplainedNetwork
from lesionlab.attribution.perturbation import integrated_gradients, lime, occlusion, shap
from lesionlab.errors import BundleError, ImageError, UsageError
from lesionlab.prediction.explanation.class_activation import scaled


@dataclass(frozen=True)
class Method:
    """One way to say where in a picture a score comes from.

    Attributes:
        name: What the command line calls it.
        title: What a reader calls it.
        says: What a bright place means, in a sentence.
        compute: The map [h, w] of a picture [3, size, size] and a class, positive where it speaks for the class.
        by_pixel: Whether neighbouring pixels get values of their own, so that a few of them outshine the rest.
        slow: Whether it takes hundreds of passes of the network, not one.
    """

    name: str
    title: str
    says: str
    compute: Callable[[ExplainedNetwork, Tensor, int], Tensor]
    by_pixel: bool = False
    slow: bool = False

    def attribute(self, network: ExplainedNetwork, pixels: NDArray[np.uint8], index: int) -> NDArray[np.float32]:
        """Return how much each place speaks for a class, or against it, float32 [h, w].

        Args:
            network: The network.
            pixels: Its input, uint8 [size, size, 3].
            index: Index of the class.

        Raises:
            ImageError: The picture has another size than the network's input.
            UsageError: There is no such class, or the network's chosen layer gives no map.
            BundleError: The network gives values that are not numbers.
        """
        expected = (network.size, network.size, 3)
        if pixels.shape != expected or pixels.dtype != np.uint8:
            raise ImageError(
                f"the network takes uint8 {list(expected)}, this picture is {pixels.dtype} {list(pixels.shape)}; "
                "prepare it with Predictor.prepare"
            )
        if not 0 <= index < len(network.classes):
            raise UsageError(f"class {index}: the network has the classes 0 to {len(network.classes) - 1}")
        image = torch.tensor(pixels).permute(2, 0, 1).float() / 255
        found: NDArray[np.float32] = self.compute(network, image, index).detach().float().numpy()
        if not np.isfinite(found).all():
            raise BundleError("the network gives values that are not numbers; train its run again")
        return found

    def shown(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return a map as it is shown: what speaks for the class, from 0 to 1."""
        if not self.by_pixel or not (values > 0).any():
            return scaled(values)
        brightest = np.float32(np.quantile(values[values > 0], _BRIGHTEST))
        return scaled(np.minimum(values, brightest))


# Of the pixels that speak for a class, those beyond are shown alike.
_BRIGHTEST = 0.99

METHODS: dict[str, Method] = {
    method.name: method
    for method in (
        Method(
            "grad-cam",
            "Grad-CAM",
            "channels of the last feature map that raise the score are strong here",
            grad_cam,
        ),
        Method(
            "grad-cam++",
            "Grad-CAM++",
            "the same, counting only what raises the score",
            grad_cam_plus_plus,
        ),
        Method(
            "integrated-gradients",
            "Integrated gradients",
            "these pixels, taken step by step from plain skin to the picture, raise the score",
            integrated_gradients,
            by_pixel=True,
            slow=True,
        ),
        Method(
            "occlusion",
            "Occlusion",
            "the score falls when a window of plain skin covers this place",
            occlusion,
            slow=True,
        ),
        Method(
            "lime",
            "LIME",
            "this region has a positive weight in a linear model of the score, fitted to 128 incomplete pictures",
            lime,
            slow=True,
        ),
        Method(
            "shap",
            "Kernel SHAP",
            "this region's share of the score's rise from plain skin to the picture, estimated from 128 such pictures",
            shap,
            slow=True,
        ),
    )
}


def choose_methods(names: list[str] | None) -> tuple[Method, ...]:
    """Return methods by name, all of them where none is named.

    Raises:
        UsageError: There is no such method.
    """
    unknown = [name for name in names or () if name not in METHODS]
    if unknown:
        raise UsageError(f"no method {unknown[0]!r}; there are {', '.join(METHODS)}")
    return tuple(METHODS[name] for name in dict.fromkeys(names or METHODS))
