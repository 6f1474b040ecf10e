"""`lesionlab train`."""

import datetime as dt
import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from lesionlab.cli.console import log_to_console, note, notes, progress_bar, require_extra, resumable, show_json
from lesionlab.cli.info import describe_bundle
from lesionlab.cli.options import (
    Columns,
    Datasets,
    Decisions,
    Json,
    Metadata,
    RecipeName,
    Settings,
    Track,
    Unknown,
    existing,
    open_datasets,
    require_trackers,
)
from lesionlab.errors import UsageError


class Device(StrEnum):
    """The accelerators."""

    CPU = "cpu"
    CUDA = "cuda"
    MPS = "mps"


def train(
    recipe: RecipeName,
    data: Datasets,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="Run folder. Default: runs/RECIPE-DATE. An interrupted run is resumed.",
            show_default=False,
        ),
    ] = None,
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
    epochs: Annotated[
        int | None, typer.Option(min=1, help="Number of epochs: --set training.epochs=N.", show_default=False)
    ] = None,
    device: Annotated[
        Device | None, typer.Option(help="Default: the fastest available device.", show_default=False)
    ] = None,
    changes: Settings = None,
    published: Annotated[
        bool, typer.Option("--published", help="Use the split of the published system. Leaky; to reproduce it.")
    ] = False,
    track: Track = None,
    ray: Annotated[
        str | None,
        typer.Option(
            help="Train by workers of a Ray cluster: its address; auto: the one on this machine; local: a new one.",
            metavar="ADDRESS",
            show_default=False,
        ),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            min=1, help="Workers of --ray. Default: one per GPU, or per node without GPUs.", show_default=False
        ),
    ] = None,
    metadata: Metadata = None,
    columns: Columns = None,
    unknown: Unknown = "error",
    decisions: Decisions = None,
    as_json: Json = False,
) -> None:
    """Train a recipe on one dataset or several, and export the bundle.

    Run the same command with --out again after an interruption: training continues after the last complete epoch and
    gives the same result. To train on several devices, start the command with torchrun or srun, or use --ray.
    """
    require_extra("lesionlab train", "train", "torch", "pytorch_lightning", "timm")
    from lesionlab.data import load_split
    from lesionlab.experiments.completion import train_and_export
    from lesionlab.experiments.ray_training import train_on_ray
    from lesionlab.ray_cluster import ray_cluster
    from lesionlab.recipes import SplitProtocol, load_recipe, prepare_split, usable_split
    from lesionlab.runs import RunFolder
    from lesionlab.training.processes import started_processes

    trackers = require_trackers(track)
    short = [f"training.epochs={epochs}"] if epochs is not None else []
    checked = load_recipe(recipe, [*(changes or ()), *short])
    manifest = open_datasets(data, columns, metadata, unknown, decisions, checked.data.image_type)
    _check_options(published=published, split_file=split_file, ray=ray, workers=workers)
    split = load_split(split_file) if split_file else None
    if fold is not None and (split is None or split.folds is None):
        raise UsageError("--fold needs --split with a file made by `lesionlab data split --folds K`")
    if split is None:
        manifest, split = prepare_split(
            checked, manifest, SplitProtocol.PUBLISHED if published else SplitProtocol.LESION
        )
    else:
        manifest, split = usable_split(checked, manifest, split)
    name = out or Path("runs") / f"{checked.name}-{dt.datetime.now().astimezone():%Y%m%d-%H%M%S}"
    with started_processes(device) as processes:
        if processes.is_first:
            log_to_console()
        run = RunFolder(processes.by_first(lambda: name))
        if run.exists() and run.record().finished and run.bundle.exists():
            raise UsageError(f"{run.path} holds a finished run; choose another --out, or evaluate this one")
        with resumable(f"run the same command with --out {run.path}"):
            if ray is not None:
                with ray_cluster(ray):
                    train_on_ray(
                        run,
                        checked,
                        manifest,
                        split,
                        fold=fold,
                        device=device,
                        workers=workers,
                        trackers=trackers,
                        show=note,
                    )
            bundle = train_and_export(
                run,
                checked,
                manifest,
                split,
                fold=fold,
                device=device,
                console=notes(),
                bar=progress_bar,
                trackers=trackers,
                processes=processes,
            )
    if not processes.is_first:
        return
    if as_json:
        show_json({"run": str(run.path), "history": run.read_history(), "model": describe_bundle(bundle)})
    note(f"next: lesionlab evaluate --model {run.path}")


def _check_options(*, published: bool, split_file: Path | None, ray: str | None, workers: int | None) -> None:
    if published and split_file is not None:
        raise UsageError("--published and --split exclude each other: each defines the split")
    if workers is not None and ray is None:
        raise UsageError("--workers is for --ray")
    if ray is not None and int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise UsageError("--ray starts the processes itself; start the command without torchrun")
