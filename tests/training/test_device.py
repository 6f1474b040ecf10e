"""Which device and which precision."""

import shutil

import pytest
import torch

from lesionlab.recipes import TrainingSettings
from lesionlab.training import device
from lesionlab.training.device import can_compile, choose_accelerator, choose_precision, describe_environment


@pytest.mark.parametrize(
    ("cuda", "mps", "expected"),
    [(True, False, "cuda"), (True, True, "cuda"), (False, True, "mps"), (False, False, "cpu")],
)
def test_the_best_accelerator_is_chosen(monkeypatch: pytest.MonkeyPatch, cuda: bool, mps: bool, expected: str) -> None:
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
def test_bfloat16_where_the_hardware_has_it(
    monkeypatch: pytest.MonkeyPatch, accelerator: str, native: bool, expected: str
) -> None:
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda *, including_emulation: native)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: native, raising=False)
    assert choose_precision("auto", accelerator) == expected


def test_a_torch_that_cannot_tell_computes_in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(torch.cpu, "_is_amx_tile_supported", raising=False)
    assert choose_precision("auto", "cpu") == "32-true"


@pytest.mark.parametrize("setting", ["32-true", "bf16-mixed", "16-mixed"])
@pytest.mark.parametrize("accelerator", ["cuda", "mps", "cpu"])
def test_what_the_recipe_says_is_done(setting: str, accelerator: str) -> None:
    assert TrainingSettings.model_validate({"precision": setting}).precision == setting
    assert choose_precision(setting, accelerator) == setting


def test_a_cpu_needs_a_compiler_to_compile(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    assert [can_compile(name) for name in ("cuda", "mps", "cpu")] == [True, False, False]
    monkeypatch.setattr(shutil, "which", lambda name: f"/bin/{name}" if name == "clang++" else None)
    assert [can_compile(name) for name in ("cuda", "mps", "cpu")] == [True, False, True]


def test_the_record_names_device_and_versions(monkeypatch: pytest.MonkeyPatch) -> None:
    found = describe_environment("cpu", "32-true", compiled=False)
    assert found["torch"] == torch.__version__.partition("+")[0]
    assert (found["precision"], found["compiled"], found["accelerator"]) == ("32-true", "false", "cpu")
    assert all(isinstance(value, str) and value for value in found.values())
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "Some GPU")
    assert device.describe_environment("cuda", "bf16-mixed", compiled=True)["device"] == "Some GPU"
