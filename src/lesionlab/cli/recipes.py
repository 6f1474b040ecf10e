"""`lesionlab recipes`."""

import inspect
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lesionlab.cli.console import show, show_json
from lesionlab.cli.options import Json, complete_recipe

if TYPE_CHECKING:
    from pydantic import BaseModel

_ATTRIBUTE = re.compile(r"^    (\w+): (.*(?:\n        .*)*)", re.MULTILINE)


def recipes(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="[RECIPE]",
            autocompletion=complete_recipe,
            help="Recipe (a name or a TOML file) to show with the value and meaning of every setting.",
            show_default=False,
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """List the recipes, or show every setting of one."""
    from rich.text import Text

    from lesionlab.recipes import load_recipe, recipe_names

    found = [load_recipe(one) for one in ([name] if name is not None else recipe_names())]
    if as_json:
        shown = [recipe.model_dump(mode="json") for recipe in found]
        show_json(shown[0] if name is not None else shown)
        return
    for recipe in found:
        if name is None:
            size, epochs = recipe.input.size, recipe.training.epochs
            title = Text.assemble((recipe.name, "bold"), f"  {recipe.model.backbone}, {size} pixels, {epochs} epochs")
            show(title)
            show(f"  {recipe.description}")
            continue
        show(recipe.description, style="bold")
        for key, value, meaning in _settings(recipe):
            show(f"{key} = {value}")
            if meaning:
                show(f"    {meaning}", style="dim")


def _settings(table: "BaseModel", prefix: str = "") -> Iterator[tuple[str, Any, str]]:
    """Yield key, value and meaning of each setting; the meanings are those of the schema's docstrings."""
    from pydantic import BaseModel

    described = dict(_ATTRIBUTE.findall(inspect.getdoc(type(table)) or ""))
    for key, value in table:
        if isinstance(value, BaseModel):
            yield from _settings(value, f"{prefix}{key}.")
        elif value is not None and prefix + key != "description":  # None: no published system
            text = " ".join(described.get(key, "").split())
            yield prefix + key, value, re.split(r"(?<=\.) (?=[A-Z`])", text)[0]
