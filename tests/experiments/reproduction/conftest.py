"""A recipe that trains in a second and has a published split."""

from collections.abc import Callable
from pathlib import Path

import pytest
import tomli_w

from lesionlab.recipes import Recipe

WriteRecipe = Callable[..., Path]


@pytest.fixture
def write_recipe(make_recipe: Callable[..., Recipe], tmp_path: Path) -> WriteRecipe:
    """Return a function that writes a recipe file with a table [published] and given changes."""

    def write(*changes: str, name: str = "tiny-published") -> Path:
        recipe = make_recipe(
            f"name={name}",
            "training.epochs=1",
            'published.system="A small system"',
            "published.split={validation=0.2, test=0.25, by_image=true}",
            'published.figures={accuracy=0.92, "mel.f1"=0.5, kappa=0.7}',
            *changes,
        )
        path = tmp_path / f"{name}.toml"
        path.write_text(tomli_w.dumps(recipe.model_dump(mode="json", exclude_none=True)), encoding="utf-8")
        return path

    return write
