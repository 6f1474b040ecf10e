"""`lesionlab recipes`."""

import json
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from lesionlab.cli.console import out


def recipes(
    name: Annotated[
        str | None, typer.Argument(help="Show this recipe (a name or a TOML file) with every setting.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the recipes, or show every setting of one."""
    from lesionlab.recipes import load_recipe, recipe_names

    if name is not None:
        settings = load_recipe(name).model_dump(mode="json")
        if as_json:
            typer.echo(json.dumps(settings, indent=2))
            return
        table = Table(title=escape(settings["description"]), title_justify="left", box=None, show_header=False)
        for key, value in settings.items():
            if isinstance(value, dict):
                for inner, setting in value.items():
                    table.add_row(f"{key}.{inner}", escape(str(setting)) or "none")
            elif key != "description":
                table.add_row(key, escape(str(value)))
        out.print(table)
        return
    found = [load_recipe(name) for name in recipe_names()]
    if as_json:
        typer.echo(json.dumps([recipe.model_dump(mode="json") for recipe in found], indent=2))
        return
    table = Table(box=None, header_style="bold", title_justify="left")
    for heading in ("recipe", "backbone", "pixels", "epochs", "description"):
        table.add_column(heading)
    for recipe in found:
        size, epochs = str(recipe.input.size), str(recipe.training.epochs)
        table.add_row(recipe.name, recipe.model.backbone, size, epochs, recipe.description)
    out.print(table)
