"""`lesionlab cross-validate`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from lesionlab.cli.console import err, interruptible, log_to_console, out, progress_bar, require_extra
from lesionlab.cli.dataset import Columns, Metadata, column_mapping

if TYPE_CHECKING:
    from lesionlab.experiments import CrossValidation

_SHOWN = ("balanced_accuracy", "macro_auc", "malignant_auc", "melanoma_auc", "ece")


def cross_validate(
    recipe: Annotated[str, typer.Argument(help="Name of a recipe (see `lesionlab recipes`) or a TOML file.")],
    data: Annotated[Path, typer.Option("--data", help="Folder of the dataset, in any layout that `data check` reads.")],
    folder: Annotated[Path, typer.Option("--out", help="Where the runs and figures go. An interrupted one goes on.")],
    folds: Annotated[int, typer.Option(min=3, help="Number of folds, and of trainings.")] = 5,
    changes: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            help="Change a setting: --set training.epochs=3. Repeatable. In model.start and distillation.teachers, "
            "{fold} stands for the fold.",
        ),
    ] = None,
    metadata: Metadata = None,
    columns: Columns = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print metrics.json.")] = False,
) -> None:
    """Train a recipe once for each fold of the lesions, and measure every image by a model that never saw its lesion.

    Of the folds, one is the test, the next one serves for validation and calibration, the rest for training, in turn.
    Run the same command again after an interruption: what is finished stays, and the rest goes on.
    """
    require_extra("lesionlab cross-validate", "train", "torch", "pytorch_lightning", "timm", "matplotlib", "jinja2")
    from lesionlab.data import read_dataset
    from lesionlab.recipes import load_recipe

    checked = load_recipe(recipe, changes or ())
    manifest = read_dataset(data, columns=column_mapping(columns), metadata=metadata)
    log_to_console()
    from lesionlab.experiments import cross_validate as carry_out

    with interruptible("goes on from here"):
        found = carry_out(checked, manifest, folder, folds=folds, console=err, bar=progress_bar)
    if as_json:
        typer.echo((folder / "metrics.json").read_text(encoding="utf-8"), nl=False)
    else:
        _show(found, folder)


def _show(found: "CrossValidation", folder: Path) -> None:
    from lesionlab.evaluation.wording import LEAKY, interval, number

    mark = f" {LEAKY}" if found.leaky else ""
    table = Table(box=None, header_style="bold")
    table.add_column("figure")
    for heading in ("all images (95%)", "mean of folds", "SD", "least", "most"):
        table.add_column(heading, justify="right", no_wrap=True)
    for name in _SHOWN:
        if (whole := found.overall[name]).value is None:
            continue
        around = f" ({interval(whole)})" if interval(whole) else ""
        spread = found.spread.get(name)
        values = (spread.mean, spread.sd, spread.lowest, spread.highest) if spread else [None] * 4
        table.add_row(name.replace("_", " "), number(whole.value) + around + mark, *map(number, values))
    out.print(table)
    counted = f"{found.n_images:,} images of {found.n_lesions:,} lesions, each judged once by a model that never saw it"
    out.print(counted if not found.leaky else f"LEAKY: split by image. {found.n_images:,} images", soft_wrap=True)
    out.print(f"All figures: {escape(str(folder / 'metrics.json'))}", soft_wrap=True)
    out.print(found.notice)
