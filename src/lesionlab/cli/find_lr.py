"""`lesionlab find-lr`."""

from pathlib import Path
from typing import Annotated

import typer

from lesionlab import RESEARCH_ONLY
from lesionlab.cli.console import log_to_console, note, progress_bar, require_extra, show, show_json
from lesionlab.cli.options import (
    Columns,
    Datasets,
    Decisions,
    Json,
    Metadata,
    RecipeName,
    Settings,
    Unknown,
    existing,
    open_datasets,
)
from lesionlab.cli.train import Device
from lesionlab.errors import UsageError


def find_lr(
    recipe: RecipeName,
    data: Datasets,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Folder for the curve: rates.csv and rates.png.", show_default=False),
    ] = None,
    lowest: Annotated[float, typer.Option(help="Learning rate of the first step.")] = 1e-7,
    highest: Annotated[float, typer.Option(help="Learning rate of the last step.")] = 1.0,
    steps: Annotated[int, typer.Option(min=10, help="Number of steps.")] = 100,
    split_file: Annotated[
        Path | None,
        typer.Option(
            "--split",
            callback=existing,
            help="Split file of `lesionlab data split`. Default: split by the recipe.",
            show_default=False,
        ),
    ] = None,
    fold: Annotated[
        int | None, typer.Option(help="Validation fold, for a split file with folds.", show_default=False)
    ] = None,
    device: Annotated[
        Device | None, typer.Option(help="Default: the fastest available device.", show_default=False)
    ] = None,
    changes: Settings = None,
    metadata: Metadata = None,
    columns: Columns = None,
    unknown: Unknown = "error",
    decisions: Decisions = None,
    as_json: Json = False,
) -> None:
    """Suggest a learning rate for a recipe: the loss of the training images while the rate rises from step to step."""
    require_extra("lesionlab find-lr", "train", "torch", "pytorch_lightning", "timm")
    from lesionlab.data import load_split
    from lesionlab.recipes import load_recipe, prepare_split, usable_split
    from lesionlab.training.learning_rate import find_learning_rate

    checked = load_recipe(recipe, changes or ())
    if fold is not None and split_file is None:
        raise UsageError("--fold needs --split with a file made by `lesionlab data split --folds K`")
    manifest = open_datasets(data, columns, metadata, unknown, decisions, checked.data.image_type)
    if split_file:
        manifest, split = usable_split(checked, manifest, load_split(split_file))
    else:
        manifest, split = prepare_split(checked, manifest)
    log_to_console()
    with progress_bar("decoding images") as decoding, progress_bar("range test") as progress:
        curve = find_learning_rate(
            checked,
            manifest,
            split,
            fold=fold,
            device=device,
            lowest=lowest,
            highest=highest,
            steps=steps,
            decoding_progress=decoding,
            progress=progress,
        )
    if out is not None:
        from lesionlab.evaluation.figures.learning_rate import write_rate_curve
        from lesionlab.files import write_text

        rows = zip(curve.rates, curve.losses, curve.smoothed, strict=True)
        lines = (
            "learning_rate,loss,smoothed_loss",
            *(f"{rate:.6g},{loss:.6g},{mean:.6g}" for rate, loss, mean in rows),
        )
        write_text(out / "rates.csv", "\n".join(lines) + "\n")
        write_rate_curve(curve.rates, curve.losses, curve.smoothed, curve.suggestion, out / "rates.png")
        note(f"curve: {out / 'rates.csv'} and rates.png")
    if as_json:
        show_json(curve)
        return
    show(f"Suggested learning rate: {curve.suggestion:g}, a tenth of the rate of the lowest loss ({curve.lowest:g}).")
    show(f"Use it: --set optimizer.learning_rate={curve.suggestion:g}")
    show(RESEARCH_ONLY)
