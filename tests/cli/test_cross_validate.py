"""Tests of `lesionlab cross-validate`."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lesionlab import RESEARCH_ONLY
from lesionlab.data import Manifest

TINY = (
    "--set", "model.backbone=test_efficientnet", "--set", "model.pretrained=false", "--set", "input.size=32",
    "--set", "training.epochs=1",
)  # fmt: skip


@pytest.mark.slow
def test_folds_are_tabulated(cli: Callable[..., Any], phantoms: Manifest, tmp_path: Path) -> None:
    arguments = ("cross-validate", "phantom-demo", "--data", phantoms.root, "--out", tmp_path / "out", "--folds", 3)
    done = cli(*arguments, *TINY)
    assert done.code == 0
    assert "fold 3 of 3" in done.err
    assert "each predicted by a model not trained on it" in " ".join(done.out.split())
    assert RESEARCH_ONLY in done.out
    (line,) = [line for line in done.out.splitlines() if "balanced accuracy" in line]
    found = json.loads(cli(*arguments, *TINY, "--json").out)
    assert f"{found['overall']['balanced_accuracy']['value']:.3f}" in line
    assert line.split()[-1] == f"{max(fold['figures']['balanced_accuracy']['value'] for fold in found['folds']):.3f}"


@pytest.mark.slow
def test_held_out_sources_are_tabulated(cli: Callable[..., Any], phantoms: Manifest, tmp_path: Path) -> None:
    halves = {lesion: "ab"[n % 2] for n, lesion in enumerate(sorted({record.lesion_id for record in phantoms}))}
    records = tuple(replace(record, source=halves[record.lesion_id]) for record in phantoms)
    replace(phantoms, records=records).save(tmp_path / "table.csv")
    arguments = ("cross-validate", "phantom-demo", "--data", phantoms.root, "--out", tmp_path / "out")
    done = cli(*arguments, "--metadata", tmp_path / "table.csv", "--group-by", "source", *TINY)
    assert (done.code, "fold 2 of 2: b held out" in done.err) == (0, True)
    assert [line.split()[0] for line in done.out.splitlines() if line.startswith((" a ", " b "))] == ["a", "b"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["phantom-demo", "--folds", "2"], "--folds"),
        (["phantom-demo", "--folds", "3", "--group-by", "source"], "--folds and --group-by exclude each other"),
        (["phantom-demo", "--group-by", "source"], "folds by source need at least two"),
        (["phantom-demi"], "did you mean phantom-demo?"),
        (["phantom-demo", "--set", "model.start=nowhere"], "nowhere is not a run folder"),
    ],
)
def test_wrong_usage_is_reported_and_nothing_is_written(
    cli: Callable[..., Any], arguments: list[str], message: str, phantoms: Manifest, tmp_path: Path
) -> None:
    done = cli("cross-validate", *arguments, "--data", phantoms.root, "--out", tmp_path / "out")
    assert done.code in (1, 2)
    assert message in " ".join(done.err.split())
    assert not (tmp_path / "out").exists()
