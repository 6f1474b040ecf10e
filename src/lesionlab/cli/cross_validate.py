"""`lesionlab cross-validate`."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

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
from lesionlab.cli.groups_view import show_groups
from lesionlab.cli.options import (
    Columns,
    Datasets,
    Decisions,
    Json,
    Metadata,
    Ray,
    RecipeName,
    ResumableFolder,
    Track,
    Unknown,
    open_datasets,
    require_trackers,
)
from lesionlab.errors import UsageError

if TYPE_CHECKING:
    from lesionlab.experiments import CrossValidation


class GroupBy(StrEnum):
    """Property of the images that folds are made by."""

    SOURCE = "source"


_SHOWN = ("balanced_accuracy", "macro_auc", "malignant_auc", "melanoma_auc", "ece")


def cross_validate(
    recipe: RecipeName,
    data: Datasets,
    folder: ResumableFolder,
    folds: Annotated[
        int | None, typer.Option(min=3, help="Number of folds; one training each. Default: 5.", show_default=False)
    ] = None,
    group_by: Annotated[
        GroupBy | None,
        typer.Option(
            help="Hold out each source of the images in turn: leave-one-source-out. Validation lesions come from the "
            "other sources.",
            show_default=False,
        ),
    ] = None,
    changes: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            help="Change a setting of the recipe: --set training.epochs=3. Repeatable. In model.start and "
            "distillation.teachers, {fold} is the number of the fold.",
            show_default=False,
        ),
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Number of folds at a time, each in a process of its own.")] = 1,
    ray: Ray = None,
    track: Track = None,
    metadata: Metadata = None,
    columns: Columns = None,
    unknown: Unknown = "error",
    decisions: Decisions = None,
    as_json: Json = False,
) -> None:
    """Cross-validate a recipe by lesion: each image is predicted by a model that was not trained on its lesion.

    In turn, one fold is the test set, the next one the validation set, and the others are the training set. With
    --group-by source, each source of the images is the test set of one model. Run the same command again after an
    interruption: finished folds are kept.
    """
    if group_by is not None and folds is not None:
        raise UsageError("--folds and --group-by exclude each other: each source is one fold")
    require_extra("lesionlab cross-validate", "train", "torch", "pytorch_lightning", "timm", "matplotlib", "jinja2")
    from lesionlab.recipes import load_recipe

    trackers = require_trackers(track)
    checked = load_recipe(recipe, changes or ())
    manifest = open_datasets(data, columns, metadata, unknown, decisions, checked.data.image_type)
    log_to_console()
    from lesionlab.experiments import cross_validate

    by: Literal["source"] | None = "source" if group_by is not None else None
    with resumable("run the same command again"):
        found = cross_validate(
            checked,
            manifest,
            folder,
            folds=folds or 5,
            group_by=by,
            console=notes(),
            bar=progress_bar,
            trackers=trackers,
            jobs=jobs,
            ray=ray,
        )
    if as_json:
        utf8_stdout().write((folder / "metrics.json").read_text(encoding="utf-8"))
    else:
        _show(found, folder)


def _show(found: "CrossValidation", folder: Path) -> None:
    from lesionlab.evaluation.wording import LEAKY, interval, number

    mark = f" {LEAKY}" if found.leaky else ""
    table = new_table("metric", "all images (95%)", "mean of folds", "SD", "minimum", "maximum")
    for name in _SHOWN:
        if (whole := found.overall[name]).value is None:
            continue
        around = f" ({interval(whole)})" if interval(whole) else ""
        spread = found.spread.get(name)
        values = (spread.mean, spread.sd, spread.lowest, spread.highest) if spread else [None] * 4
        table.add_row(name.replace("_", " "), number(whole.value) + around + mark, *map(number, values))
    show_table(table)
    if found.group_by == "source":
        show_groups(
            "source held out", (row for fold in found.folds for row in fold.by_source if row.value == fold.source)
        )
    counted = f"{found.n_images:,} images of {found.n_lesions:,} lesions, each predicted by a model not trained on it"
    show(counted if not found.leaky else f"LEAKY: split by image. {found.n_images:,} images")
    show(f"All figures: {folder / 'metrics.json'}")
    show(found.notice)
