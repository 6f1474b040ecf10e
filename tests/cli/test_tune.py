"""Tests of `lesionlab tune`; tests/experiments/tuning has those of the search, and of kills."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lesionlab import RESEARCH_ONLY
from lesionlab.data import Manifest
from lesionlab.recipes import load_recipe

TINY = (
    "--set=model.backbone=test_efficientnet",
    "--set=model.pretrained=false",
    "--set=input.size=32",
    "--set=training.batch_size=16",
    "--set=training.epochs=1",
)


@pytest.mark.slow
def test_the_best_trials_are_tabulated(cli: Callable[..., Any], phantoms: Manifest, tmp_path: Path) -> None:
    out = tmp_path / "out"
    arguments = ("tune", "phantom-demo", "--data", phantoms.root, "--out", out, *TINY, "--range", "model.dropout=0:0.5")
    done = cli(*arguments, "--trials", 2)
    assert done.code == 0
    for words in ("0 (the recipe)", "Trials: 2 complete, 0 pruned, 0 fail", str(out / "report.html"), RESEARCH_ONLY):
        assert words in done.out
    assert f"next: lesionlab train {out / 'recipe.toml'} --data {phantoms.root}" in done.err
    found = json.loads(cli(*arguments, "--trials", 2, "--json").out)
    assert [row["state"] for row in found["trials"]] == ["complete", "complete"]
    assert load_recipe(str(out / "recipe.toml")).model.dropout == found["best"][0]["settings"]["model.dropout"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "nothing to search: give --range key=low:high"),
        (["--range", "model.dropot=0:0.5"], "unknown key model.dropot; did you mean dropout?"),
        (["--search", "missing.toml"], "--search missing.toml: there is no such file or folder"),
        (["--range", "model.dropout=0:0.5", "--fold", "1"], "--fold needs --split"),
        (["--range", "model.dropout=0:0.5", "--storage", "nowhere"], "is not a URL such as postgresql://"),
        (["--range", "model.dropout=0:0.5", "--trials", "0"], "--trials"),
    ],
)
def test_wrong_usage_is_reported(
    cli: Callable[..., Any], arguments: list[str], message: str, phantoms: Manifest, tmp_path: Path
) -> None:
    done = cli("tune", "phantom-demo", "--data", phantoms.root, "--out", tmp_path / "out", *arguments)
    assert done.code == 2
    assert message in " ".join(done.err.split())
    assert not (tmp_path / "out" / "study.db").exists()
