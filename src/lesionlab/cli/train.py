"""`lesionlab train`."""

import datetime as dt
import logging
from pathlib import Path
from typing import Annotated

import typer

from lesionlab.cli.console import err, interruptible, log_to_console, progress_bar, require_extra
from lesionlab.cli.dataset import Columns, Metadata, column_mapping
from lesionlab.errors import UsageError


def train(
    recipe: Annotated[str, typer.Argument(help="Name of a recipe (see `lesionlab recipes`) or a TOML file.")],
    data: Annotated[Path, typer.Option("--data", help="Folder of the dataset, in any layout that `data check` reads.")],
    out: Annotated[
        Path | None, typer.Option("--out", help="Run folder. Default: runs/RECIPE-DATE. An interrupted run goes on.")
    ] = None,
    split_file: Annotated[
        Path | None, typer.Option("--split", help="Split file of `data split`. Default: as the recipe says.")
    ] = None,
    fold: Annotated[int | None, typer.Option(help="Fold to hold out, with a split into folds.")] = None,
    changes: Annotated[
        list[str] | None, typer.Option("--set", help="Change a setting: --set training.epochs=3. Repeatable.")
    ] = None,
    published: Annotated[
        bool, typer.Option("--published", help="Divide the data as the system's authors did: leaky, to repeat them.")
    ] = False,
    metadata: Metadata = None,
    columns: Columns = None,
) -> None:
    """Train a recipe on a dataset and export its bundle.

    Run the same command again after an interruption: it goes on after the last whole epoch, to the same result.
    """
    require_extra("lesionlab train", "train", "torch", "pytorch_lightning", "timm")
    from lesionlab.data import load_split, read_dataset
    from lesionlab.recipes import SplitProtocol, load_recipe, prepare_split

    checked = load_recipe(recipe, changes or ())
    manifest = read_dataset(data, columns=column_mapping(columns), metadata=metadata)
    if published and split_file is not None:
        raise UsageError("--published names a split, and so does --split: give one of them")
    split = load_split(split_file) if split_file else None
    if fold is not None and (split is None or split.folds is None):
        raise UsageError("--fold needs --split with a file made by `lesionlab data split --folds K`")
    log_to_console()
    from lesionlab.evaluation.figures.curves import write_curves
    from lesionlab.export import export_run
    from lesionlab.training import train_recipe

    if split is None:
        manifest, split = prepare_split(
            checked, manifest, SplitProtocol.PUBLISHED if published else SplitProtocol.LESION
        )
    folder = out or Path("runs") / f"{checked.name}-{dt.datetime.now().astimezone():%Y%m%d-%H%M%S}"
    with progress_bar("decoding images") as decoding, interruptible(f"with --out {folder} goes on from here"):
        run = train_recipe(checked, manifest, folder, split=split, fold=fold, console=err, decoding_progress=decoding)
    write_curves(run.read_history(), run.curves, monitor=checked.training.monitor, leaky=run.record().leaky)
    with progress_bar("calibrating") as calibrating:
        export_run(run, progress=calibrating)
    logging.getLogger("lesionlab").info("next: lesionlab evaluate %s", run.path)
