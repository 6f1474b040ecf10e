"""Tests of `lesionlab recipes`."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lesionlab.recipes import Recipe, load_recipe, recipe_names


def test_all_recipes_are_listed(cli: Callable[..., Any]) -> None:
    done = cli("recipes")
    assert (done.code, done.err) == (0, "")
    for name in recipe_names():
        (line,) = [line for line in done.out.splitlines() if line.split()[0] == name]
        assert load_recipe(name).model.backbone in line
    listed = json.loads(cli("recipes", "--json").out)
    assert [Recipe.model_validate(recipe) for recipe in listed] == [load_recipe(name) for name in recipe_names()]


def test_recipe_is_shown_with_every_setting(cli: Callable[..., Any], tmp_path: Path) -> None:
    done = cli("recipes", "efficientnet-lite0")
    title, *lines = done.out.splitlines()
    assert title == load_recipe("efficientnet-lite0").description
    rows = dict(line.split(" = ") for line in lines if not line.startswith(" "))
    assert rows["training.epochs"] == str(load_recipe("efficientnet-lite0").training.epochs)
    assert rows["model.backbone"] == "tf_efficientnet_lite0"
    assert all(line.startswith("    ") and line.strip() for line in lines[1::2])  # every setting has a meaning
    assert len(lines) == 2 * len(rows)
    assert Recipe.model_validate(json.loads(cli("recipes", "phantom-demo", "--json").out)).name == "phantom-demo"
    (tmp_path / "mine.toml").write_text('name = "mine"\ndescription = "[red]"\n[model]\nbackbone = "[bold]"\n')
    shown = cli("recipes", tmp_path / "mine.toml").out
    assert "[red]" in shown
    assert "[bold]" in shown
