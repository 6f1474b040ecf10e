"""`lesionlab reproduce`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lesionlab.cli.console import (
    log_to_console,
    new_table,
    notes,
    progress_bar,
    require_extra,
    resumable,
    show,
    show_table,
    utf8_stdout,
)
from lesionlab.cli.options import Dataset, Json, ResumableFolder, complete_recipe, existing, open_dataset
from lesionlab.errors import UsageError

if TYPE_CHECKING:
    from lesionlab.experiments.reproduction import Reproduction


def reproduce(
    recipes: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="RECIPE",
            autocompletion=complete_recipe,
            help="Recipes to run: names or TOML files.",
            show_default=False,
        ),
    ] = None,
    *,
    data: Dataset,
    folder: ResumableFolder,
    plan: Annotated[
        Path | None,
        typer.Option(callback=existing, help="TOML file of [[run]] tables, instead of recipes.", show_default=False),
    ] = None,
    against: Annotated[
        Path | None,
        typer.Option(
            callback=existing, help="Evaluated run to compare with on the same test images.", show_default=False
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Run recipes of published systems with the split of their authors and split by lesion, and tabulate both.

    The published splits are leaky: they serve only to reproduce published figures. Run the same command again after an
    interruption: finished runs are kept.
    """
    require_extra("lesionlab reproduce", "train", "torch", "pytorch_lightning", "timm", "matplotlib", "jinja2")
    if bool(recipes) == (plan is not None):
        raise UsageError("give either recipes or --plan with a file that names them")
    from lesionlab.experiments.reproduction import PlannedRun, prepare, read_against, read_plan, reproduce

    planned = read_plan(plan) if plan else [PlannedRun(recipe=recipe) for recipe in recipes or ()]
    reference = read_against(against) if against else None
    prepared = prepare(planned, open_dataset(data), folder, against=reference)
    log_to_console()
    with resumable("run the same command again"):
        found = reproduce(prepared, folder, against=reference, console=notes(), bar=progress_bar)
    if as_json:
        utf8_stdout().write((folder / "reproduction.json").read_text(encoding="utf-8"))
    else:
        _show(found, folder)


def _show(found: "Reproduction", folder: Path) -> None:
    from lesionlab.experiments.reproduction.markdown import cells, general_notes, headings

    table = new_table(*headings(found), left=2)
    for recipe in found.recipes:
        for row in recipe.figures:
            if row.headline:
                table.add_row(*cells(found, recipe, row))
    show_table(table)
    for line in (*general_notes(found), f"All figures: {folder / 'reproduction.md'}", found.notice):
        show(line)
