"""A trained network with gradients, equal to the graph of its bundle."""

import difflib
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from lesionlab.errors import UsageError
from lesionlab.recipes import Recipe
from lesionlab.segmentation import SegmentationModel, Segmenter
from lesionlab.taxonomy import TASKS
from lesionlab.training.cache import segmentation_folder
from lesionlab.training.crop import Shrink, crop_images, lesion_boxes
from lesionlab.training.dtype import float_inputs
from lesionlab.training.network import ExportedNetwork, LesionNetwork


class ExplainedNetwork(nn.Module):
    """The scores of a trained network for pixels in [0, 1], equal to those of its bundle.

    The score of a class is its logit. For two classes with one output z the scores are -z/2 and z/2, as in the
    bundle's maps, because the logit of the first class is always 0. The weights need no gradient, so a frozen backbone
    is explained as any other.

    Args:
        network: The trained network.
        recipe: Its recipe; scores are averaged over `inference.tta`.
        layer: Name of the module whose map Grad-CAM uses; None: the last feature map.

    Raises:
        UsageError: The network has no such module.
        BundleError: The network uses a lesion crop and the segmentation model is missing.
    """

    def __init__(self, network: LesionNetwork, recipe: Recipe, layer: str | None = None) -> None:
        super().__init__()
        self.finder = LesionFinder(recipe) if recipe.crop.segmentation else None
        self.network = network
        self.last_map = nn.Identity()
        self.size = recipe.graph_input.size
        self.classes = TASKS[recipe.task].classes
        self.views = ExportedNetwork(network, recipe.inference).views
        self.layer_name = "the last feature map" if layer is None else f"layer {layer!r}"
        self.named_layer = layer
        self.requires_grad_(requires_grad=False).eval()
        # Halves the time of convolutions on a CPU.
        self.to(memory_format=torch.channels_last)
        self.layer: nn.Module = self.last_map if layer is None else _module(network, layer)

    def forward(self, images: Tensor) -> Tensor:
        """Return scores [N, C] of images [N, 3, size, size] with pixels in [0, 1]."""
        return torch.stack([self.scores_of_view(images.flip(axes)) for axes in self.views]).mean(dim=0)

    def scores_of_view(self, images: Tensor) -> Tensor:
        """Return scores [N, C] of images without test-time augmentation."""
        if self.finder is not None:
            # Gradients flow through the cropped pixels, not through the position of the crop.
            images = self.finder.cropped(images, self.finder.boxes(images))
        images = images.contiguous(memory_format=torch.channels_last)
        feature_map = self.last_map(self.network.feature_map(images))
        logits: Tensor = self.network.head(self.network.pool(feature_map))
        return logits - logits.mean(dim=1, keepdim=True) if self.network.head.sigmoid else logits

    def probabilities(self, images: Tensor) -> Tensor:
        """Return the uncalibrated probabilities, [N, C]."""
        scores: Tensor = self(images)
        return scores.softmax(dim=1)


class LesionFinder:
    """Locates the lesion crop as the graph of the bundle does.

    Args:
        recipe: Its `crop` names the segmentation model and the margin.

    Raises:
        BundleError: The segmentation model is missing.
    """

    def __init__(self, recipe: Recipe) -> None:
        self._segmenter = Segmenter(float_inputs(SegmentationModel.load(segmentation_folder(recipe.crop))))
        self._size = recipe.input.size
        self._shrink = Shrink(recipe.graph_input.size, self._segmenter.info.preprocessing.size)
        self._margin = recipe.crop.margin

    def __deepcopy__(self, _memo: dict[int, object]) -> "LesionFinder":
        """Return itself: it is immutable, and a session of onnxruntime cannot be copied."""
        return self

    @torch.no_grad()
    def boxes(self, images: Tensor) -> Tensor:
        """Return left, top and side of the crop in images [N, 3, H, W] with pixels in [0, 1], [N, 3]."""
        pixels = (images.permute(0, 2, 3, 1) * 255).round().clamp(0, 255).to(torch.uint8)
        found = torch.from_numpy(self._segmenter.probabilities(self._shrink(pixels).contiguous().numpy()))
        return lesion_boxes(found, self._segmenter.info.threshold, self._margin)

    def cropped(self, images: Tensor, boxes: Tensor) -> Tensor:
        """Return the crops at the size of the network's input, [N, 3, size, size]."""
        return crop_images(images, boxes, self._size)


@contextmanager
def gradients() -> Iterator[None]:
    """Enable gradients, also inside `no_grad` and `inference_mode`."""
    with torch.inference_mode(mode=False), torch.enable_grad():
        yield


def _module(network: nn.Module, name: str) -> nn.Module:
    modules: dict[str, nn.Module] = dict(network.named_modules())
    modules.pop("")
    if name not in modules:
        near = difflib.get_close_matches(name, modules, n=3, cutoff=0.4)
        raise UsageError(f"the network has no layer {name!r}; similar: {', '.join(near) or 'none'}")
    return modules[name]
