"""Tests of `lesionlab reproduce`."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tomli_w

from lesionlab import RESEARCH_ONLY
from lesionlab.data import Manifest
from lesionlab.recipes import Recipe


@pytest.fixture
def recipe(make_recipe: Callable[..., Recipe], tmp_path: Path) -> Path:
    """A recipe file that trains in a second, with a published split."""
    made = make_recipe(
        "name=tiny-published",
        "training.epochs=1",
        'published.system="A small system"',
        "published.split={validation=0.2, test=0.25, by_image=true}",
        "published.figures={accuracy=0.92, macro_auc=0.99}",
    )
    path = tmp_path / "tiny.toml"
    path.write_text(tomli_w.dumps(made.model_dump(mode="json", exclude_none=True)), encoding="utf-8")
    return path


@pytest.mark.slow
def test_plan_is_run_and_tabulated(cli: Callable[..., Any], recipe: Path, phantoms: Manifest, tmp_path: Path) -> None:
    plan = tmp_path / "plan.toml"
    plan.write_text(
        f'[[run]]\nrecipe = "{recipe}"\nset = ["input.size=48"]\nremark = "48 pixels [small]"\n'
        'protocols = ["published"]\n'
    )
    arguments = ("reproduce", "--plan", plan, "--data", phantoms.root, "--out", tmp_path / "out")
    done = cli(*arguments)
    assert done.code == 0
    assert "1 of 1: recipe tiny-published, split protocol published" in done.err
    assert RESEARCH_ONLY in done.out
    (line,) = [line for line in done.out.splitlines() if "macro auc" in line]
    assert line.strip().startswith("tiny-published (48 pixels [small])  macro auc")
    assert " 0.99 " in line
    assert line.count("leaky") == 1
    assert "mel" not in done.out.split("Intervals")[0]  # headlines only
    found = json.loads(cli(*arguments, "--json").out)
    assert found == json.loads((tmp_path / "out" / "reproduction.json").read_text(encoding="utf-8"))
    assert found["recipes"][0]["changes"] == ["input.size=48"]
    failed = cli(*arguments, "--against", tmp_path / "out" / "tiny-published" / "elsewhere")
    assert (failed.code, len(failed.err.splitlines())) == (2, 1)
    assert "there is no such file or folder" in failed.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "give either recipes or --plan"),
        (["phantom-demo", "--plan", "plan.toml"], "give either recipes or --plan"),
        (["--plan", "nowhere.toml"], "--plan nowhere.toml: there is no such file or folder"),
        (["--plan", "plan.toml"], "plan plan.toml: unknown key run.0.epochs; known here: recipe, set, remark"),
        (["phantom-demi"], "did you mean phantom-demo?"),
    ],
)
def test_wrong_usage_is_one_line(
    cli: Callable[..., Any],
    arguments: list[str],
    message: str,
    phantoms: Manifest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("plan.toml").write_text('[[run]]\nrecipe = "phantom-demo"\nepochs = 3\n')
    done = cli("reproduce", *arguments, "--data", phantoms.root, "--out", "out")
    assert done.code == 2
    assert message in done.err
    assert len(done.err.splitlines()) == 1
    assert not Path("out").exists()
