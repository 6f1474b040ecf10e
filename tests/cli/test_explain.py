"""Tests of `lesionlab explain` and `lesionlab check-explanations`."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from lesionlab import RESEARCH_ONLY
from lesionlab.attribution.explain import PAGE
from lesionlab.data import Manifest
from lesionlab.runs import RunFolder


@pytest.fixture(scope="module")
def images(phantoms: Manifest) -> list[str]:
    return [phantoms.location(record) for record in list(phantoms)[:2]]


@pytest.mark.slow
def test_command_line(
    tiny_run: RunFolder, tiny_bundle: Path, images: list[str], tmp_path: Path, cli: Callable[..., Any]
) -> None:
    for model in (tiny_run.path, tiny_run.bundle):
        out = tmp_path / model.name
        options = ("--method", "integrated-gradients", "--no-stability")
        done = cli("explain", images[0], "--model", model, "--out", out, *options)
        assert done.code == 0
        assert RESEARCH_ONLY in done.out
        assert str(out / PAGE) in done.out
        assert len(list(out.glob("*-integrated-gradients.png"))) == 1
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"no image")
    one = tmp_path / "one.png"
    Image.new("RGB", (1, 1)).save(one)
    done = cli("explain", bad, one, "--model", tiny_run.bundle, "--out", tmp_path / "b")
    assert done.code == 1
    assert "too small (1x1" in done.err
    assert "2 of 2 images could not be explained" in done.err
    assert not (tmp_path / "b" / PAGE).exists()
    for arguments, message in (
        ((images[0], "--model", tiny_run.bundle, "--method", "lemon"), "no method 'lemon'"),
        ((images[0], "--model", tiny_run.bundle, "--layer", "nose"), "the network has no layer 'nose'"),
        ((images[0], "--model", tiny_run.path, "--method", "lemon"), "no method 'lemon'"),
        ((images[0], "--model", tiny_run.path, "--method", "grad-cam"), "the last feature map is a feature map of 1x1"),
        ((images[0], "--model", tiny_run.path, "--layer", "nose"), "the network has no layer 'nose'"),
        ((images[0], "--model", tiny_run.path, "--diagnosis", "wart"), "diagnosis 'wart' is none of mel"),
        ((tmp_path / "none.png", "--model", tiny_run.path), "there is no such file"),
    ):
        done = cli("explain", *arguments, "--out", tmp_path / "c")
        assert done.code == 2, message
        assert message in done.err
        assert len(done.err.splitlines()) == 1
    done = cli("explain", images[0], "--model", tiny_bundle, "--method", "lime", "--out", tmp_path / "c")
    assert (done.code, done.out) == (1, "")
    assert f"{tiny_bundle} has no recipe of its network; use the run" in done.err
    done = cli("check-explanations", "--model", tiny_run.bundle, "--out", tmp_path / "d")
    assert (done.code, done.out) == (2, "")
    assert "--data is missing" in done.err
    done = cli("check-explanations", "--model", tiny_run.path, "--masks", tmp_path / "none", "--out", tmp_path / "d")
    assert (done.code, done.out) == (2, "")
    assert "there is no such file or folder" in done.err
