"""Tests of `lesionlab find-lr`."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lesionlab import RESEARCH_ONLY
from lesionlab.data import Manifest

TINY = (
    "--set=model.backbone=test_efficientnet",
    "--set=model.pretrained=false",
    "--set=input.size=32",
    "--set=training.batch_size=16",
    "--device=cpu",
)


@pytest.mark.slow
def test_a_rate_is_suggested_and_the_curve_written(
    cli: Callable[..., Any], phantoms: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = cli("find-lr", "phantom-demo", "--data", phantoms.root, "--steps", "60", "--out", "rates", *TINY)
    assert done.code == 0
    assert "Use it: --set optimizer.learning_rate=" in done.out
    assert RESEARCH_ONLY in done.out
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["rates", "rates.csv", "rates.png"]
    with (tmp_path / "rates/rates.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert float(rows[0]["learning_rate"]) == pytest.approx(1e-7)
    found = json.loads(cli("find-lr", "phantom-demo", "--data", phantoms.root, "--steps", "60", *TINY, "--json").out)
    assert f"learning_rate={found['suggestion']:g}" in done.out
    assert found["losses"] == pytest.approx([float(row["loss"]) for row in rows], rel=1e-4)
