"""`lesionlab benchmark`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from lesionlab.cli.console import err, interruptible, log_to_console, out, progress_bar, require_extra
from lesionlab.errors import UsageError

if TYPE_CHECKING:
    from lesionlab.experiments.reproduction import Reproduction


def benchmark(
    recipes: Annotated[
        list[str] | None, typer.Argument(help="Recipes to run as they are: names or TOML files.", show_default=False)
    ] = None,
    *,
    data: Annotated[Path, typer.Option("--data", help="Folder of the dataset, in any layout that `data check` reads.")],
    folder: Annotated[Path, typer.Option("--out", help="Where the runs and the table go. An interrupted one goes on.")],
    plan: Annotated[
        Path | None,
        typer.Option("--plan", help="TOML file of [[run]] tables, in place of recipes.", show_default=False),
    ] = None,
    against: Annotated[
        Path | None,
        typer.Option("--against", help="Evaluated run to compare with on the same test images.", show_default=False),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print reproduction.json.")] = False,
) -> None:
    """Run recipes as their authors divided the data and by lesion, and write one table of both.

    The published arrangement is leaky and serves to repeat published figures. Run the same command again after an
    interruption: what is finished stays, and the rest goes on.
    """
    require_extra("lesionlab benchmark", "train", "torch", "pytorch_lightning", "timm", "matplotlib", "jinja2")
    if bool(recipes) == (plan is not None):
        raise UsageError("give the recipes to run, or --plan with a file that names them: one of the two")
    from lesionlab.data import read_dataset
    from lesionlab.experiments.reproduction import PlannedRun, prepare, read_against, read_plan, reproduce

    planned = read_plan(plan) if plan else [PlannedRun(recipe=recipe) for recipe in recipes or ()]
    opponent = read_against(against) if against else None
    prepared = prepare(planned, read_dataset(data), folder, against=opponent)
    log_to_console()
    with interruptible("goes on from here"):
        found = reproduce(prepared, folder, against=opponent, console=err, bar=progress_bar)
    if as_json:
        typer.echo((folder / "reproduction.json").read_text(encoding="utf-8"), nl=False)
    else:
        _show(found, folder)


def _show(found: "Reproduction", folder: Path) -> None:
    from lesionlab.experiments.reproduction.markdown import cells, general_notes, headings

    table = Table(box=None, header_style="bold")
    for position, heading in enumerate(headings(found)):
        table.add_column(heading, justify="left" if position < 2 else "right")
    for recipe in found.recipes:
        for row in recipe.figures:
            if row.headline:
                table.add_row(*map(escape, cells(found, recipe, row)))
    out.print(table)
    for note in general_notes(found):
        out.print(note, markup=False, soft_wrap=True)
    out.print(f"All figures: {folder / 'reproduction.md'}", markup=False, soft_wrap=True)
    out.print(found.notice)
