"""Tests of `lesionlab convert`."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lesionlab.bundle import Bundle
from lesionlab.cli.convert import To
from lesionlab.data import Manifest
from lesionlab.export import convert as converting
from lesionlab.export.formats import FORMATS
from lesionlab.runs import RunFolder


@pytest.fixture(autouse=True)
def equally_quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tiny network says nothing of speed."""
    monkeypatch.setattr(converting, "time_alternately", lambda *_: np.tile([0.010, 0.009], (40, 1)))


def test_every_format_is_an_option() -> None:
    assert [name.value for name in To] == list(FORMATS)


def test_run_is_converted_to_a_smaller_bundle(
    cli: Callable[..., Any], tiny_run: RunFolder, phantoms: Manifest, tmp_path: Path
) -> None:
    done = cli("convert", "--model", tiny_run.path, "--to", "onnx-fp16", "--out", tmp_path, "--data", phantoms.root)
    assert done.code == 0
    assert "accepted" in done.out
    assert "research" in done.out.lower()
    assert Bundle.load(tmp_path / "onnx-fp16").info.graph.dtype == "float16"


def test_failed_criteria_are_one_line(
    cli: Callable[..., Any], tiny_run: RunFolder, phantoms: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(FORMATS["onnx-fp16"]), "max_latency", 0.5)
    options = ("--to", "onnx-fp16", "--out", tmp_path, "--data", phantoms.root, "--json")
    done = cli("convert", "--model", tiny_run.path, *options)
    assert done.code == 1
    assert done.err == "error: not accepted: onnx-fp16: latency is 0.90 times that of FP32 (limit 0.5)\n"
    (found,) = json.loads(done.out)
    assert found["failures"] == ["latency is 0.90 times that of FP32 (limit 0.5)"]
    assert not list(tmp_path.iterdir())
    kept = cli("convert", "--model", tiny_run.path, *options, "--keep")
    assert kept.code == 0
    assert kept.err.endswith("onnx-fp16: kept, although latency is 0.90 times that of FP32 (limit 0.5)\n")
    assert Bundle.load(tmp_path / "onnx-fp16").info.graph.dtype == "float16"


def test_int8_needs_the_dataset(cli: Callable[..., Any], tiny_run: RunFolder, tmp_path: Path) -> None:
    done = cli("convert", "--model", tiny_run.path, "--to", "onnx-int8", "--out", tmp_path)
    assert done.code == 2
    assert done.err == "error: --to onnx-int8 needs --data for calibration on training images\n"
