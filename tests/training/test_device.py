"""Choice of accelerator, precision and compilation."""

import shutil

import pytest
import torch

from lesionlab.recipes import TrainingSettings, load_recipe
from lesionlab.training.device import Compute, can_compile, choose_accelerator, choose_compute, choose_precision


@pytest.mark.parametrize(
    ("cuda", "mps", "expected"),
    [(True, False, "cuda"), (True, True, "cuda"), (False, True, "mps"), (False, False, "cpu")],
)
def test_the_fastest_accelerator_is_chosen(
    monkeypatch: pytest.MonkeyPatch, cuda: bool, mps: bool, expected: str
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    assert choose_accelerator() == expected


@pytest.mark.parametrize(
    ("accelerator", "native", "expected"),
    [
        ("cuda", True, "bf16-mixed"),
        ("cuda", False, "16-mixed"),
        ("cpu", True, "bf16-mixed"),
        ("cpu", False, "32-true"),
        ("mps", True, "32-true"),
    ],
)
def test_bfloat16_is_used_with_hardware_support(
    monkeypatch: pytest.MonkeyPatch, accelerator: str, native: bool, expected: str
) -> None:
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda *, including_emulation: native)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"amx_bf16": native}, raising=False)
    assert choose_precision("auto", accelerator) == expected


def test_without_known_capabilities_float32_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    assert choose_precision("auto", "cpu") == "32-true"


@pytest.mark.parametrize("setting", ["32-true", "bf16-mixed", "16-mixed"])
@pytest.mark.parametrize("accelerator", ["cuda", "mps", "cpu"])
def test_an_explicit_precision_is_kept(setting: str, accelerator: str) -> None:
    assert TrainingSettings.model_validate({"precision": setting}).precision == setting
    assert choose_precision(setting, accelerator) == setting


def test_a_cpu_needs_a_compiler_to_compile(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    assert [can_compile(name) for name in ("cuda", "mps", "cpu")] == [True, False, False]
    monkeypatch.setattr(shutil, "which", lambda name: f"/bin/{name}" if name == "clang++" else None)
    assert [can_compile(name) for name in ("cuda", "mps", "cpu")] == [True, False, True]


@pytest.mark.parametrize(
    ("images", "changes", "compiled"),
    [
        (7000, (), True),
        (200, (), False),
        (7000, ("training.compile=false",), False),
        (7000, ("training.sizes=[128, 192, 224]",), False),  # compiled once per size
        (7000, ("model.freeze=true",), False),  # trained on features
        (7000, ("model.freeze=true", "unfreeze.layers=2", "unfreeze.epochs=10"), True),
    ],
)
def test_a_network_is_compiled_if_it_pays_off(
    monkeypatch: pytest.MonkeyPatch, images: int, changes: tuple[str, ...], compiled: bool
) -> None:
    monkeypatch.setattr("lesionlab.training.device.can_compile", lambda _accelerator: True)
    assert choose_compute(load_recipe("efficientnet-lite0", changes), images).compiled == compiled


def test_skipped_compilation_is_logged(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    recipe = load_recipe("efficientnet-lite0")
    monkeypatch.setattr("lesionlab.training.device.can_compile", lambda _accelerator: True)
    with caplog.at_level("INFO"):
        choose_compute(recipe, 200)
        monkeypatch.setattr("lesionlab.training.device.can_compile", lambda _accelerator: False)
        choose_compute(recipe, 7000)
    assert "compilation skipped: it does not pay off for 75 steps (from 1000 on)" in caplog.messages
    assert any("no C++ compiler is installed" in message for message in caplog.messages)


def test_the_description_has_device_and_versions(monkeypatch: pytest.MonkeyPatch) -> None:
    found = Compute("cpu", "32-true").describe()
    assert found["torch"] == torch.__version__.partition("+")[0]
    assert (found["precision"], found["compiled"], found["accelerator"]) == ("32-true", "false", "cpu")
    assert all(isinstance(value, str) and value for value in found.values())
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "Some GPU")
    assert Compute("cuda", "bf16-mixed", compiled=True).describe()["device"] == "Some GPU"
