"""Tests of `lesionlab registry`."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lesionlab import RESEARCH_ONLY
from lesionlab.bundle import Bundle
from lesionlab.data import Manifest
from tests.hub import Hub


@pytest.mark.slow
def test_a_version_is_pushed_listed_and_pulled(
    cli: Callable[..., Any], tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LESIONLAB_REGISTRY", str(tmp_path / "models"))
    pushed = cli("registry", "push", tiny_bundle)
    assert pushed.code == 0
    assert pushed.out.startswith("tiny@1: tiny@")
    listed = cli("registry", "list")
    assert ("tiny" in listed.out, RESEARCH_ONLY in listed.out) == (True, True)
    (version,) = json.loads(cli("registry", "list", "--json").out)["versions"]
    assert version["version"] == "1"
    assert cli("registry", "pull", "tiny", "--out", tmp_path / "pulled").code == 0
    assert Bundle.load(tmp_path / "pulled").info == Bundle.load(tiny_bundle).info
    again = cli("registry", "pull", "tiny", "--out", tmp_path / "pulled")
    assert (again.code, "exists; choose another --out, or replace it with --force" in again.err) == (2, True)
    for arguments, message in (
        (("rollback", "tiny", "--reason", "none"), "has no earlier version"),
        (("pull", "other", "--out", tmp_path / "b"), "has no model other"),
        (("promote", "tiny@9", "--data", tmp_path, "--reason", "none"), "tiny has the versions 1, not 9"),
    ):
        done = cli("registry", *arguments)
        assert done.code == 2
        assert message in done.err


@pytest.mark.slow
@pytest.mark.usefixtures("figures_drawn_once")
def test_a_version_that_is_not_accepted_is_an_error(
    cli: Callable[..., Any], tiny_bundle: Path, tiny_whole_bundle: Path, phantoms: Manifest, tmp_path: Path
) -> None:
    registry = ("--registry", tmp_path / "models")
    for bundle in (tiny_bundle, tiny_whole_bundle):
        cli("registry", "push", bundle, *registry)
    options = ("--data", phantoms.root, "--reason", "a test", *registry)
    first = cli("registry", "promote", "tiny@1", *options)
    assert first.code == 0
    assert "promoted: tiny@1, channel production, the first version of the channel" in first.out
    assert RESEARCH_ONLY in first.out
    assert (
        json.loads(cli("registry", "list", "--json", *registry).out)["channels"]["tiny"][0]["present"]["version"] == "1"
    )
    second = cli("registry", "promote", "tiny@2", *options, "--json")
    record = json.loads(second.out)
    assert (record["decision"], second.code) in {("promoted", 0), ("rejected", 1)}
    assert ("is not promoted to production" in second.err) == (record["decision"] == "rejected")


@pytest.mark.slow
def test_a_model_on_the_hub_predicts_as_the_one_on_disk(
    cli: Callable[..., Any],
    hub: Hub,
    tiny_whole_bundle: Path,
    phantoms: Manifest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LESIONLAB_CACHE", str(tmp_path / "cache"))
    uploaded = cli("registry", "hub", "--model", tiny_whole_bundle, "--out", "hf://clinic/skin")
    assert (uploaded.code, RESEARCH_ONLY in uploaded.out) == (0, True)
    assert uploaded.out.startswith("hf://clinic/skin: tiny@")
    image = phantoms.location(next(iter(phantoms)))
    local = cli("predict", image, "--model", tiny_whole_bundle, "--format", "jsonl")
    remote = cli("predict", image, "--model", "hf://clinic/skin", "--format", "jsonl")
    assert local.out
    assert (remote.code, remote.out) == (0, local.out)
    hub.repositories.clear()
    offline = cli("predict", image, "--model", "hf://clinic/skin", "--format", "jsonl")
    assert (offline.code, offline.out) == (0, local.out)
    missing = cli("predict", image, "--model", "hf://clinic/other")
    assert missing.code == 1
    assert missing.err.startswith("error: hf://clinic/other cannot be read, and no copy is in the cache")
    assert len(missing.err.splitlines()) == 1


@pytest.mark.slow
def test_a_folder_for_the_hub_is_replaced_with_force_only(
    cli: Callable[..., Any], tiny_bundle: Path, tmp_path: Path
) -> None:
    options = ("registry", "hub", "--model", tiny_bundle, "--out", tmp_path / "model")
    assert cli(*options).code == 0
    assert Bundle.load(tmp_path / "model").info == Bundle.load(tiny_bundle).info
    assert "exists; choose another --out, or replace it with --force" in cli(*options).err
    assert cli(*options, "--force").code == 0
    assert cli("registry", "hub", "--model", tiny_bundle, "--out", "s3://bucket/model").code == 2
