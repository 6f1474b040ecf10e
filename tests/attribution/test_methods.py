"""The common interface of the methods, their properties, and memory use."""

import gc
from collections.abc import Callable

import numpy as np
import psutil
import pytest
import torch
from torch import nn

from lesionlab.attribution.methods import METHODS, Method, choose_methods
from lesionlab.attribution.network import ExplainedNetwork
from lesionlab.attribution.perturbation import skin_baseline, superpixels
from lesionlab.errors import BundleError, ImageError, UsageError

Make = Callable[..., ExplainedNetwork]


@pytest.fixture(scope="module")
def network(make_network: Make) -> ExplainedNetwork:
    return make_network("test_resnet")


@pytest.fixture(scope="module")
def pixels(images: list[np.ndarray]) -> np.ndarray:
    return images[0]


@pytest.fixture(params=list(METHODS))
def method(request: pytest.FixtureRequest) -> Method:
    return METHODS[request.param]


class Redness(nn.Module):
    """A network whose score is the mean red of the upper left quarter."""

    size = 32
    classes = ("other", "mel")

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        red = images[:, 0, :16, :16].mean(dim=(1, 2))
        return torch.stack([-red, red], dim=1)


@pytest.mark.slow
def test_maps_are_two_dimensional_and_reproducible(
    network: ExplainedNetwork, pixels: np.ndarray, method: Method
) -> None:
    state = torch.random.get_rng_state()
    found = method.attribute(network, pixels, 1)
    assert found.ndim == 2
    assert found.dtype == np.float32
    assert np.ptp(found) > 0
    np.testing.assert_array_equal(found, method.attribute(network, pixels, 1))
    assert torch.equal(torch.random.get_rng_state(), state)
    displayed = method.displayed(found)
    assert displayed.min() >= 0
    assert displayed.max() in (0, 1)


@pytest.mark.parametrize("name", ["integrated-gradients", "occlusion", "lime", "shap"])
def test_the_decisive_region_is_found(name: str) -> None:
    skin = np.full((32, 32, 3), (200, 150, 140), np.uint8)
    spot = skin.copy()
    spot[4:12, 4:12] = (255, 0, 0)
    spot[20:28, 20:28] = (255, 0, 0)  # equally red, outside the quarter
    network: ExplainedNetwork = Redness()  # type: ignore[assignment]
    found = METHODS[name].attribute(network, spot, 1)
    assert found[4:12, 4:12].mean() > 3 * np.abs(found[20:28, 20:28]).mean()
    against = METHODS[name].attribute(network, spot, 0)
    np.testing.assert_allclose(against, -found, atol=1e-3)


@pytest.mark.parametrize("name", ["integrated-gradients", "shap"])
def test_attributions_sum_to_the_difference_from_the_baseline(
    network: ExplainedNetwork, pixels: np.ndarray, name: str
) -> None:
    image = torch.tensor(pixels).permute(2, 0, 1).float() / 255
    with torch.no_grad():
        scores = network(torch.stack([image, skin_baseline(image)]))[:, 2]
    found = METHODS[name].attribute(network, pixels, 2)
    parts = found.sum()
    if name == "shap":  # one value for each region
        numbers = superpixels(image).numpy()
        parts = sum(found[numbers == number][0] for number in range(numbers.max() + 1))
    assert parts == pytest.approx(float(scores[0] - scores[1]), rel=0.05, abs=0.02)


def test_baseline_is_the_colour_of_the_margin() -> None:
    image = torch.zeros(3, 40, 40)
    image[0] = 0.8
    image[:, 10:30, 10:30] = 0.1
    assert skin_baseline(image)[:, 20, 20].tolist() == pytest.approx([0.8, 0, 0])


def test_superpixels_are_numbered_consecutively(images: list[np.ndarray]) -> None:
    numbers = superpixels(torch.tensor(images[0]).permute(2, 0, 1).float() / 255)
    assert numbers.shape == (64, 64)
    assert sorted(set(numbers.flatten().tolist())) == list(range(int(numbers.max()) + 1))


def test_invalid_input_is_rejected(network: ExplainedNetwork, method: Method) -> None:
    with pytest.raises(ImageError, match=r"takes uint8 \[64, 64, 3\], this image is uint8 \[1, 1, 3\]"):
        method.attribute(network, np.zeros((1, 1, 3), np.uint8), 0)
    with pytest.raises(ImageError, match="this image is float64"):
        method.attribute(network, np.zeros((64, 64, 3)), 0)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="class 7: the network has the classes 0 to 6"):
        method.attribute(network, np.zeros((64, 64, 3), np.uint8), 7)


@pytest.mark.slow
def test_a_uniform_image_has_a_map(network: ExplainedNetwork, method: Method) -> None:
    found = method.attribute(network, np.full((64, 64, 3), 128, np.uint8), 0)
    assert np.isfinite(found).all()


def test_a_feature_map_of_one_cell_is_rejected(make_network: Make) -> None:
    with pytest.raises(UsageError, match="last feature map is a feature map of 1x1"):
        METHODS["grad-cam"].attribute(make_network("test_resnet", size=32), np.zeros((32, 32, 3), np.uint8), 0)


def test_outputs_that_are_not_finite_are_rejected(make_network: Make, pixels: np.ndarray) -> None:
    broken = make_network("test_resnet")
    with torch.no_grad():
        broken.network.head.classifier.weight.fill_(torch.nan)
    with pytest.raises(BundleError, match="not finite"):
        METHODS["grad-cam"].attribute(broken, pixels, 0)


def test_methods_are_chosen_by_name() -> None:
    assert [method.name for method in choose_methods(None)] == list(METHODS)
    assert [method.name for method in choose_methods(["lime", "grad-cam", "lime"])] == ["lime", "grad-cam"]
    with pytest.raises(UsageError, match="no method 'gradcam'; there are grad-cam, "):
        choose_methods(["gradcam"])


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_thousand_explanations_leak_neither_memory_nor_hooks(make_network: Make, method: Method) -> None:
    network = make_network("test_resnet")
    draw = np.random.default_rng(0)
    process = psutil.Process()

    def explain(times: int) -> int:
        for _ in range(times):
            method.attribute(network, draw.integers(0, 256, (64, 64, 3), dtype=np.uint8), 0)
        gc.collect()
        return int(process.memory_info().rss)

    settled = explain(100)
    assert explain(1000) - settled < 20e6
    hooks = [m._forward_hooks or m._backward_hooks or m._forward_pre_hooks for m in network.modules()]
    assert not any(hooks)
