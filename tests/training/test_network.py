"""The network: backbones, head, normalisation and exported form."""

import pytest
import torch

from lesionlab.errors import RecipeError
from lesionlab.recipes import InferenceSettings, InputSettings, Recipe, load_recipe
from lesionlab.training.network import ChannelsFirst, ExportedNetwork, LesionNetwork, parameter_count

# One of each family: squeeze-and-excite, residual, ConvNeXt, bottleneck blocks, normalisation-free, transformer.
BACKBONES = (
    "test_efficientnet",
    "test_resnet",
    "test_convnext",
    "test_byobnet",
    "test_nfnet",
    "test_vit",
)


def make(
    backbone: str = "test_efficientnet",
    inputs: InputSettings | None = None,
    tables: dict[str, object] | None = None,
    **options: float,
) -> LesionNetwork:
    torch.manual_seed(0)
    settings = {"backbone": backbone, "pretrained": False, "dropout": 0.0, **options}
    rest = {"name": "one", "description": "A network.", "input": inputs or InputSettings(size=160)}
    return LesionNetwork(Recipe.model_validate({**rest, "model": settings, **(tables or {})}))


@pytest.mark.slow
@pytest.mark.parametrize("backbone", BACKBONES)
def test_every_backbone_family_has_logits_and_gradients(backbone: str) -> None:
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
def test_an_untrained_network_predicts_nearly_uniform_probabilities(backbone: str) -> None:
    probabilities = make(backbone).eval()(torch.rand(2, 3, 160, 160)).softmax(dim=1)
    torch.testing.assert_close(probabilities, torch.full((2, 7), 1 / 7), atol=0.1, rtol=0)


@pytest.mark.parametrize("backbone", BACKBONES)
def test_the_exported_network_gives_the_same_logits(backbone: str) -> None:
    network = make(backbone).eval()
    pixels = torch.randint(0, 256, (2, 160, 160, 3), dtype=torch.uint8)
    with torch.no_grad():
        logits, feature_map = ExportedNetwork(network, InferenceSettings()).eval()(ChannelsFirst()(pixels))
        expected = network(pixels.permute(0, 3, 1, 2).float() / 255)
    torch.testing.assert_close(logits, expected)
    assert len(feature_map) == 2


def test_normalisation_is_part_of_the_network() -> None:
    inputs = InputSettings(size=32, mean=(0.1, 0.2, 0.3), std=(0.5, 0.6, 0.7))
    network = make(inputs=inputs).eval()
    images = torch.rand(2, 3, 32, 32)
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (inputs.mean, inputs.std))
    torch.testing.assert_close(network(images), network.head(network.backbone((images - mean) / std)))
    assert not any(name in ("mean", "std") for name in network.state_dict())


def test_parameter_counts_of_all_and_of_trainable_weights() -> None:
    network = make()
    assert parameter_count(network) == sum(weight.numel() for weight in network.parameters())
    assert parameter_count(network, trainable=True) == parameter_count(network)
    for weight in network.head.classifier.parameters():
        weight.requires_grad = False
    assert parameter_count(network) == sum(weight.numel() for weight in network.parameters())
    assert parameter_count(network, trainable=True) == parameter_count(network) - 7 * 257


def test_an_unknown_backbone_is_an_error_with_similar_names() -> None:
    with pytest.raises(RecipeError, match=r"model\.backbone: timm has no 'resnet5O'; similar: .*\bresnet50\b"):
        make("resnet5O")
    with pytest.raises(RecipeError, match=r"timm has no 'EfficientNet-B3'; similar: .*\befficientnet_b3\b"):
        make("EfficientNet-B3")
    with pytest.raises(RecipeError, match=r"timm has no '!'; similar: none$"):
        make("!")


def test_stochastic_depth_without_residual_branches_is_an_error() -> None:
    make("test_resnet", drop_path=0.1)
    with pytest.raises(RecipeError, match=r"model\.drop_path: vgg11 has no residual branches"):
        make("vgg11", drop_path=0.1)


def from_library(name: str) -> LesionNetwork:
    return LesionNetwork(load_recipe(name, ["model.pretrained=false"]))


def test_the_published_systems_have_their_published_sizes() -> None:
    with torch.device("meta"):  # sizes without weights
        focal, plain, frozen = map(from_library, ("efficientnetb3-focal", "custom-cnn-oversampled", "resnet50-binary"))
    assert parameter_count(focal) == pytest.approx(11.34e6, abs=0.005e6)
    assert parameter_count(focal, trainable=True) == 641_415
    assert parameter_count(plain) == parameter_count(plain, trainable=True) == 27_031_719
    assert plain.head.hidden[1].in_features == 50_176
    assert parameter_count(frozen, trainable=True) == 4_098


def test_a_sigmoid_head_gives_two_logits() -> None:
    network = make(tables={"task": "melanoma", "head": {"sigmoid": True}}).eval()
    logits = network(torch.rand(3, 3, 64, 64))
    assert logits.shape == (3, 2)
    assert not logits[:, 0].any()
    torch.testing.assert_close(logits.softmax(dim=1)[:, 1], logits[:, 1].sigmoid())


def test_a_frozen_backbone_keeps_its_statistics_in_training() -> None:
    network = make(freeze=True).train()
    before = {name: value.clone() for name, value in network.backbone.state_dict().items()}
    network(torch.rand(4, 3, 64, 64)).sum().backward()
    assert all(torch.equal(value, before[name]) for name, value in network.backbone.state_dict().items())
    assert not any(module.training for module in network.backbone.modules())
    assert all(module.training for module in network.head.modules())


def test_only_the_top_layers_are_unfrozen() -> None:
    network = from_library("mobilenetv2-mini-melanoma")
    network.unfreeze_top(14)
    trained = {name.rpartition(".")[0] for name, p in network.backbone.named_parameters() if p.requires_grad}
    assert len(trained) == 14
    assert {next(t for t in ("conv_head", "bn2", "blocks.6.0", "blocks.5.2") if n.startswith(t)) for n in trained} == {
        "conv_head",
        "bn2",
        "blocks.6.0",
        "blocks.5.2",
    }
    network.train()
    assert network.backbone.bn2.training
    assert not network.backbone.bn1.training
    with pytest.raises(RecipeError, match=r"unfreeze\.layers is 1000; the backbone has \d+"):
        network.unfreeze_top(1000)


@pytest.mark.parametrize("pool", ["average", "flatten"])
def test_the_exported_network_keeps_hidden_layers(pool: str) -> None:
    head = {"pool": pool, "hidden": [16, 8], "hidden_dropout": [0.5, 0.5], "batch_norm": True}
    network = make(inputs=InputSettings(size=64), tables={"head": head}).eval()
    pixels = torch.randint(0, 256, (2, 64, 64, 3), dtype=torch.uint8)
    with torch.no_grad():
        logits, _ = ExportedNetwork(network, InferenceSettings()).eval()(ChannelsFirst()(pixels))
        expected = network(pixels.permute(0, 3, 1, 2).float() / 255)
    torch.testing.assert_close(logits, expected)
