"""`lesionlab tune`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lesionlab.cli.console import (
    log_to_console,
    new_table,
    note,
    notes,
    progress_bar,
    require_extra,
    resumable,
    show,
    show_json,
    show_table,
)
from lesionlab.cli.options import (
    Columns,
    Datasets,
    Decisions,
    Json,
    Metadata,
    Ray,
    RecipeName,
    ResumableFolder,
    Settings,
    Unknown,
    existing,
    open_datasets,
)
from lesionlab.cli.train import Device
from lesionlab.errors import UsageError

if TYPE_CHECKING:
    from lesionlab.experiments.tuning import TuningResult


def tune(
    recipe: RecipeName,
    data: Datasets,
    folder: ResumableFolder,
    trials: Annotated[
        int, typer.Option(min=1, help="Number of trials of the study, those of earlier starts included.")
    ] = 50,
    ranges: Annotated[
        list[str] | None,
        typer.Option(
            "--range",
            metavar="KEY=LOW:HIGH",
            help="Setting to search: optimizer.learning_rate=1e-4:1e-2:log, model.dropout=0:0.5, or choices as "
            "training.batch_size=16,32,64. Repeatable.",
            show_default=False,
        ),
    ] = None,
    search: Annotated[
        Path | None,
        typer.Option(callback=existing, help="TOML file of ranges, as in the documentation.", show_default=False),
    ] = None,
    storage: Annotated[
        str,
        typer.Option(
            metavar="URL",
            help="Database of the study, as postgresql://user@host/database. Default: an SQLite file in --out.",
            show_default=False,
        ),
    ] = "",
    study: Annotated[
        str, typer.Option(help="Name of the study in its database. Default: that of the recipe.", show_default=False)
    ] = "",
    jobs: Annotated[int, typer.Option(min=1, help="Number of trials at a time, each in a process of its own.")] = 1,
    ray: Ray = None,
    pruning: Annotated[
        bool, typer.Option("--pruning/--no-pruning", help="End trials early that are worse than the median.")
    ] = True,
    heartbeat: Annotated[
        int,
        typer.Option(
            min=1, help="Seconds between two signs of life of a trial. After six without one it is run again."
        ),
    ] = 10,
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
    """Search settings of a recipe, by the monitored metric on the validation subset; the test subset is not read.

    Run the same command again after an interruption, or with more trials: the study goes on with those that are
    missing.
    """
    require_extra("lesionlab tune", "tune", "torch", "pytorch_lightning", "timm", "matplotlib", "jinja2", "optuna")
    from lesionlab.data import load_split
    from lesionlab.recipes import load_recipe, prepare_split, usable_split

    checked = load_recipe(recipe, changes or ())
    if fold is not None and split_file is None:
        raise UsageError("--fold needs --split with a file made by `lesionlab data split --folds K`")
    from lesionlab.experiments.tuning import StudySettings, read_space

    space = read_space(checked, ranges or (), search)
    manifest = open_datasets(data, columns, metadata, unknown, decisions, checked.data.image_type)
    if split_file:
        manifest, split = usable_split(checked, manifest, load_split(split_file))
    else:
        manifest, split = prepare_split(checked, manifest)
    log_to_console()
    from lesionlab.experiments.tuning import tune

    settings = StudySettings(
        name=study or checked.name, storage=storage, trials=trials, jobs=jobs, pruning=pruning, heartbeat=heartbeat
    )
    with resumable("run the same command again"):
        result = tune(
            space,
            manifest,
            split,
            folder,
            settings,
            fold=fold,
            device=device,
            console=notes(),
            bar=progress_bar,
            ray=ray,
        )
    if as_json:
        show_json(result)
    else:
        _show(result, folder)
    note(f"next: lesionlab train {folder / 'recipe.toml'} --data {data[0]}")


def _show(result: "TuningResult", folder: Path) -> None:
    from lesionlab.evaluation.wording import LEAKY, interval, number

    mark = f" {LEAKY}" if result.leaky else ""
    keys = list(result.best[0].settings)
    table = new_table("trial", f"{result.metric.replace('_', ' ')} (95%)", *keys)
    for row in result.best:
        around = f" ({interval(row.estimate)})" if row.estimate and interval(row.estimate) else ""
        values = [f"{value:.4g}" if isinstance(value, float) else str(value) for value in row.settings.values()]
        name = f"{row.trial} (the recipe)" if row.present else str(row.trial)
        table.add_row(name, number(row.value) + around + mark, *values)
    show_table(table)
    if result.importance:
        show("Importance: " + ", ".join(f"{key} {share:.2f}" for key, share in result.importance.items()))
    counts = ", ".join(f"{count} {state}" for state, count in result.states.items())
    show(f"Trials: {counts}. Validation subset; the best of many trials is too optimistic on it.")
    show(f"Report: {folder / 'report.html'}")
    show(result.notice)
