"""Grad-CAM against the map of the bundle, Captum and pytorch-grad-cam; hooks are removed."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from captum.attr import LayerGradCam
from pytorch_grad_cam import GradCAMPlusPlus
from torch import Tensor, nn

from lesionlab.attribution.gradcam import _map_and_gradient, _positive_weights, grad_cam
from lesionlab.attribution.methods import METHODS
from lesionlab.attribution.network import ExplainedNetwork
from lesionlab.errors import UsageError
from lesionlab.export.measure import Measurements
from lesionlab.export.reference import linear_head
from lesionlab.prediction.explanation.class_activation import GRID, class_activation_map, scaled
from lesionlab.recipes import InferenceSettings, load_recipe
from lesionlab.recipes.load import recipe_names
from lesionlab.training.network import ChannelsFirst, ExportedNetwork, LesionNetwork

Make = Callable[..., ExplainedNetwork]
FAMILIES = ("test_efficientnet", "test_resnet", "test_convnext", "test_byobnet", "plain_cnn")


def image_of(pixels: np.ndarray) -> Tensor:
    return torch.tensor(pixels).permute(2, 0, 1).float() / 255


def hooks(network: nn.Module) -> int:
    return sum(len(m._forward_hooks) + len(m._backward_hooks) + len(m._forward_pre_hooks) for m in network.modules())


@pytest.mark.slow
@pytest.mark.parametrize("views", ["none", "flips"])
@pytest.mark.parametrize(
    ("backbone", "task", "head"),
    [
        ("test_efficientnet", "diagnosis", {}),
        ("test_resnet", "malignant", {}),
        ("test_resnet", "melanoma", {"sigmoid": True}),
        ("test_vit", "diagnosis", {}),
    ],
)
def test_grad_cam_equals_the_map_of_the_bundle(
    make_network: Make, images: list[np.ndarray], views: str, backbone: str, task: str, head: dict[str, Any]
) -> None:
    network = make_network(backbone, task=task, head=head, inference={"tta": views})
    exported = ExportedNetwork(network.network, InferenceSettings.model_validate({"tta": views})).eval()
    with torch.no_grad():
        logits, maps = (found.numpy() for found in exported(ChannelsFirst()(torch.tensor(np.stack(images)))))
    features = maps.mean(axis=(2, 3))
    last = linear_head([network.network], Measurements(logits, features, np.zeros((len(images), 3), np.float32)))
    assert last is not None
    shown = 0
    for pixels, feature_map in zip(images, maps, strict=True):
        for index in range(len(network.classes)):
            expected = class_activation_map(last, feature_map, index)
            found = grad_cam(network, image_of(pixels), index).numpy()
            np.testing.assert_allclose(found, expected, atol=1e-4)
            np.testing.assert_allclose(scaled(found), scaled(expected), atol=1e-4)
            shown += expected.max() > 0
    assert shown > 0


def test_contrast_map_is_grad_cam_minus_its_mean_over_the_classes(make_network: Make, images: list[np.ndarray]) -> None:
    network = make_network("test_efficientnet", inference={"tta": "flips"})
    maps = [METHODS["contrast"].attribute(network, images[0], index) for index in range(7)]
    raw = np.stack([METHODS["grad-cam"].attribute(network, images[0], index) for index in range(7)])
    np.testing.assert_allclose(maps, raw - raw.mean(axis=0), atol=1e-5)
    np.testing.assert_allclose(sum(maps), np.zeros_like(raw[0]), atol=1e-4)
    # The same weights added to all classes change no probability and no contrast map, but Grad-CAM.
    with torch.no_grad():
        network.network.head.classifier.weight += torch.randn(network.network.head.classifier.weight.shape[1])
    np.testing.assert_allclose(METHODS["contrast"].attribute(network, images[0], 2), maps[2], atol=1e-4)
    assert np.abs(METHODS["grad-cam"].attribute(network, images[0], 2) - raw[2]).max() > 1e-2


# The network of the default recipe is small; the others take seconds.
@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [name if name == "efficientnet-lite0" else pytest.param(name, marks=pytest.mark.slow) for name in recipe_names()],
)
def test_every_recipe_has_a_map(name: str) -> None:
    recipe = load_recipe(name, ["model.pretrained=false"])
    network = ExplainedNetwork(LesionNetwork(recipe), recipe)
    with torch.no_grad():
        feature_map = network.network.feature_map(torch.zeros(1, 3, recipe.input.size, recipe.input.size))
    pixels = np.random.default_rng(0).integers(0, 256, (recipe.input.size, recipe.input.size, 3), dtype=np.uint8)
    for method in ("grad-cam", "grad-cam++", "contrast"):
        found = METHODS[method].attribute(network, pixels, 1)
        # The map of a crop is placed in the whole image.
        assert found.shape == ((GRID, GRID) if recipe.crop.segmentation else feature_map.shape[2:])
        assert np.ptp(found) > 0
    assert hooks(network) == 0


@pytest.mark.slow
@pytest.mark.parametrize("backbone", FAMILIES)
@pytest.mark.parametrize("head", [{}, {"hidden": [8]}, {"pool": "flatten"}])
def test_grad_cam_equals_captum_times_the_number_of_cells(
    make_network: Make, images: list[np.ndarray], backbone: str, head: dict[str, Any]
) -> None:
    network = make_network(backbone, head=head)
    for pixels in images:
        image = image_of(pixels)
        expected = LayerGradCam(network, network.last_map).attribute(image[None].requires_grad_(), target=2)[0, 0]
        found = grad_cam(network, image, 2)
        torch.testing.assert_close(found, expected.detach() * found.numel(), atol=1e-4, rtol=1e-4)


def test_grad_cam_plus_plus_weights_equal_pytorch_grad_cam(make_network: Make, images: list[np.ndarray]) -> None:
    network = make_network("test_resnet", layer="backbone.layer3", head={"hidden": [8]})
    with GradCAMPlusPlus(network, [network.layer]) as theirs:
        for pixels in images:
            feature_map, gradient = _map_and_gradient(network, image_of(pixels)[None], 3)
            gradient = gradient * 1e4  # the library adds a constant to the denominator, which dominates small gradients
            expected = theirs.get_cam_weights(None, [], [], feature_map[None].numpy(), gradient[None].numpy())[0]
            assert expected.max() > 0
            np.testing.assert_allclose(_positive_weights(feature_map, gradient), expected, rtol=1e-3, atol=1e-6)


def test_a_frozen_network_is_explained_inside_no_grad_and_inference_mode(
    make_network: Make, images: list[np.ndarray]
) -> None:
    frozen = make_network(model={"freeze": True})
    expected = METHODS["grad-cam"].attribute(frozen, images[0], 0)
    assert np.ptp(expected) > 0
    for off in (torch.no_grad(), torch.inference_mode()):
        with off:
            for method in ("grad-cam", "integrated-gradients"):
                found = METHODS[method].attribute(frozen, images[0], 0)
                assert np.ptp(found) > 0
            np.testing.assert_array_equal(METHODS["grad-cam"].attribute(frozen, images[0], 0), expected)
    assert all(weight.grad is None and not weight.requires_grad for weight in frozen.parameters())


def test_another_layer_can_be_chosen(make_network: Make, images: list[np.ndarray]) -> None:
    earlier = make_network(layer="backbone.blocks.0", inference={"tta": "flips"})
    found = METHODS["grad-cam"].attribute(earlier, images[0], 0)
    assert found.shape[0] > make_network().network.feature_map(torch.zeros(1, 3, 64, 64)).shape[2]
    mirrored = METHODS["grad-cam"].attribute(earlier, images[0][:, ::-1].copy(), 0)
    np.testing.assert_allclose(mirrored[:, ::-1], found, atol=1e-4)


@pytest.mark.parametrize(
    ("backbone", "layer", "message"),
    [
        ("test_efficientnet", "backbone.blocks.9", r"no layer 'backbone\.blocks\.9'; similar: backbone\.blocks"),
        ("test_efficientnet", "!", r"no layer '!'; similar: none"),
        ("test_efficientnet", "head.classifier", r"layer 'head\.classifier' is not a feature map"),
        ("test_vit", "backbone.blocks.1", r"'backbone\.blocks\.1' is not a feature map"),
        (
            "test_efficientnet",
            "backbone.classifier",
            r"'backbone\.classifier' is not (part of the prediction|a feature map)",
        ),
    ],
)
def test_an_unsuitable_layer_is_rejected(
    make_network: Make, images: list[np.ndarray], backbone: str, layer: str, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        METHODS["grad-cam"].attribute(make_network(backbone, layer=layer), images[0], 0)


def test_hooks_are_removed_after_an_error(make_network: Make, images: list[np.ndarray]) -> None:
    network = make_network(layer="head.classifier")
    with pytest.raises(UsageError):
        METHODS["grad-cam"].attribute(network, images[0], 0)
    assert hooks(network) == 0
