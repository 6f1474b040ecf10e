"""The network: any backbone, seven logits, normalisation inside."""

import pytest
import torch

from lesionlab.errors import RecipeError
from lesionlab.recipes import InferenceSettings, InputSettings, ModelSettings
from lesionlab.training.network import ExportedNetwork, LesionNetwork, parameter_count

# One of each family: squeeze-and-excite, residual, ConvNeXt, bottleneck blocks, normalisation-free, transformer.
BACKBONES = (
    "test_efficientnet",
    "test_resnet",
    "test_convnext",
    "test_byobnet",
    "test_nfnet",
    "test_vit",
)


def make(backbone: str = "test_efficientnet", inputs: InputSettings | None = None, **options: float) -> LesionNetwork:
    torch.manual_seed(0)
    settings = ModelSettings.model_validate({"backbone": backbone, "dropout": 0.0, **options})
    return LesionNetwork(settings, inputs or InputSettings(size=160))


@pytest.mark.parametrize("backbone", BACKBONES)
def test_every_family_takes_pixels_and_learns(backbone: str) -> None:
    network = make(backbone)
    images = torch.rand(2, 3, 160, 160)
    logits = network(images)
    assert logits.shape == (2, 7)
    assert torch.isfinite(logits).all()
    logits.square().sum().backward()
    without = [name for name, weight in network.named_parameters() if weight.grad is None]
    assert without == []
    assert all(torch.isfinite(weight.grad).all() for weight in network.parameters() if weight.grad is not None)


@pytest.mark.parametrize("backbone", BACKBONES)
def test_a_new_network_is_undecided(backbone: str) -> None:
    probabilities = make(backbone).eval()(torch.rand(2, 3, 160, 160)).softmax(dim=1)
    torch.testing.assert_close(probabilities, torch.full((2, 7), 1 / 7), atol=0.1, rtol=0)


@pytest.mark.parametrize("backbone", BACKBONES)
def test_the_exported_form_takes_bytes_and_gives_the_same_logits(backbone: str) -> None:
    network = make(backbone).eval()
    pixels = torch.randint(0, 256, (2, 160, 160, 3), dtype=torch.uint8)
    with torch.no_grad():
        logits, feature_map = ExportedNetwork(network, InferenceSettings()).eval()(pixels)
        expected = network(pixels.permute(0, 3, 1, 2).float() / 255)
    torch.testing.assert_close(logits, expected)
    assert len(feature_map) == 2


def test_normalisation_is_inside() -> None:
    inputs = InputSettings(size=32, mean=(0.1, 0.2, 0.3), std=(0.5, 0.6, 0.7))
    network = make(inputs=inputs).eval()
    images = torch.rand(2, 3, 32, 32)
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (inputs.mean, inputs.std))
    torch.testing.assert_close(network(images), network.backbone((images - mean) / std))
    assert not any(name in ("mean", "std") for name in network.state_dict())


def test_the_count_is_that_of_the_trainable_weights() -> None:
    network = make()
    assert parameter_count(network) == sum(weight.numel() for weight in network.parameters())
    for weight in network.backbone.get_classifier().parameters():
        weight.requires_grad = False
    assert parameter_count(network) == sum(weight.numel() for weight in network.parameters()) - 7 * 257


def test_an_unknown_backbone_is_named_with_similar_ones() -> None:
    with pytest.raises(RecipeError, match=r"model\.backbone: timm knows no 'resnet5O'; similar: .*\bresnet50\b"):
        make("resnet5O")
    with pytest.raises(RecipeError, match=r"timm knows no 'EfficientNet-B3'; similar: .*\befficientnet_b3\b"):
        make("EfficientNet-B3")
    with pytest.raises(RecipeError, match=r"timm knows no '!'; similar: none$"):
        make("!")


def test_a_backbone_without_residual_branches_refuses_stochastic_depth() -> None:
    make("test_resnet", drop_path=0.1)
    with pytest.raises(RecipeError, match=r"model\.drop_path: vgg11 has no residual branches"):
        make("vgg11", drop_path=0.1)
