"""`lesionlab evaluate`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lesionlab import RESEARCH_ONLY
from lesionlab.cli.console import new_table, note, progress_bar, require_extra, show, show_table, utf8_stdout
from lesionlab.cli.groups_view import show_groups
from lesionlab.cli.options import (
    Columns,
    Decisions,
    Force,
    Json,
    Model,
    Subset,
    Unknown,
    existing,
    open_dataset,
    with_decisions,
)
from lesionlab.errors import UsageError
from lesionlab.files import check_output, write_json
from lesionlab.taxonomy import TaskName

if TYPE_CHECKING:
    from lesionlab.data import Manifest, Split
    from lesionlab.evaluation import Evaluation
    from lesionlab.metrics import Estimate
    from lesionlab.runs import RunFolder

# Metrics in the terminal; the report has all of them.
_HEADLINES = ("balanced_accuracy", "accuracy", "macro_auc", "malignant_auc", "malignant_recall", "melanoma_auc", "ece")
# Of two classes: metrics of all images around those of the target class.
_HEADLINES_OF_TWO = (("balanced_accuracy", "accuracy"), ("auc", "recall", "specificity", "precision", "f1"), ("ece",))


def evaluate(
    model: Model = None,
    folders: Annotated[
        list[Path] | None,
        typer.Option(
            "--data",
            callback=existing,
            help="Folder of the dataset. Repeatable: several datasets are evaluated with one table. Default: the "
            "dataset of the run, where it was trained.",
            show_default=False,
        ),
    ] = None,
    subset: Annotated[
        Subset | None,
        typer.Option(help="Default: test on the training dataset, all on another dataset.", show_default=False),
    ] = None,
    folder: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="Output folder. Default: evaluation/SUBSET in the run folder; for a bundle, in the current folder.",
            show_default=False,
        ),
    ] = None,
    tables: Annotated[
        list[Path] | None,
        typer.Option(
            "--metadata",
            callback=existing,
            help="Metadata table, for a folder whose layout does not imply one. Repeatable: further tables are joined "
            "by image or lesion. With several --data, one for each.",
            show_default=False,
        ),
    ] = None,
    columns: Columns = None,
    unknown: Unknown = "error",
    decisions: Decisions = None,
    corrupted: Annotated[
        int, typer.Option(min=0, help="Number of images to evaluate under 12 corruptions at 5 severities too.")
    ] = 0,
    task: Annotated[
        TaskName | None,
        typer.Option(
            help="Task to measure. Images whose label determines none of its classes are left out and counted. "
            "Default: the finest task that all labels determine.",
            show_default=False,
        ),
    ] = None,
    keep_seen: Annotated[
        bool,
        typer.Option(
            "--keep-seen",
            help="Keep images that the model was fitted to, and mark all figures as seen. Default: left out.",
        ),
    ] = False,
    store: Annotated[
        bool,
        typer.Option(
            "--store", help="Add the figures on another dataset to the bundle, for the performance view of its page."
        ),
    ] = False,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Evaluate a run or a bundle; write metrics.json, predictions.csv and report.html.

    The model is evaluated end to end, from image files to calibrated probabilities. On its training dataset the split
    is recovered from its hash; on another dataset all images are evaluated. Images that the model was fitted to are
    recognised by identifier and by perceptual hash, and left out.
    """
    require_extra("lesionlab evaluate", "evaluate", "matplotlib", "jinja2", "markupsafe", "tomli_w")
    from lesionlab.bundle import Bundle
    from lesionlab.runs import RunFolder

    if decisions and (folders is None or len(folders) > 1):
        raise UsageError("--decisions needs exactly one --data")
    if folders is not None and len(folders) > 1:
        _evaluate_several(
            model,
            folders,
            tables or [],
            subset,
            folder,
            columns,
            corrupted,
            task=task,
            unknown=unknown,
            keep_seen=keep_seen,
            store=store,
            force=force,
            as_json=as_json,
        )
        return
    data = folders[0] if folders else None
    run = None if model is None else RunFolder(model)
    if run is not None and run.exists() and not tables and _holds_images_of(run, data):
        if decisions:
            raise UsageError("--decisions: the run has its own manifest; pass the decisions to `lesionlab train`")
        if store:
            raise UsageError("--store: the bundle of a run has its own test results; give --data of another dataset")
        place = folder or run.evaluation / (subset or Subset.TEST)
        check_output(place, [run.path, run.bundle, data], force=force)
        evaluation = _evaluate_run(run, data, subset or Subset.TEST, place, corrupted, task=task, keep_seen=keep_seen)
    elif data is not None:
        manifest = open_dataset(data, columns, tables, unknown, Bundle.load(model).info.image_type)
        manifest = with_decisions(manifest, decisions)
        evaluation, place = _evaluate_bundle(
            model, manifest, subset, folder, corrupted, task=task, keep_seen=keep_seen, store=store, force=force
        )
    else:
        Bundle.load(model)  # a missing or damaged bundle is reported first
        raise UsageError("--data is needed: the folder of the dataset to evaluate on")
    if as_json:
        utf8_stdout().write((place / "metrics.json").read_text(encoding="utf-8"))
    else:
        _show(evaluation, place)


def _evaluate_several(
    model: Path | None,
    folders: list[Path],
    tables: list[Path],
    subset: Subset | None,
    out: Path | None,
    columns: str | None,
    corrupted: int,
    *,
    task: TaskName | None,
    unknown: Unknown,
    keep_seen: bool,
    store: bool,
    force: bool,
    as_json: bool,
) -> None:
    """Evaluate several datasets into folders of their own, and write their figures into one table."""
    from lesionlab.bundle import Bundle
    from lesionlab.data import left_out_in_words
    from lesionlab.evaluation.datasets import DATASETS, dataset_figures
    from lesionlab.evaluation.seen import overlap_in_words
    from lesionlab.taxonomy import TASKS

    if tables and len(tables) != len(folders):
        raise UsageError(f"--metadata: {len(tables)} tables for {len(folders)} datasets; give one for each, or none")
    names = _names(folders, tables)
    info = Bundle.load(model).info
    base = out or Path("evaluation") / f"{info.name}-datasets"
    found = []
    for number, (name, folder) in enumerate(zip(names, folders, strict=True)):
        note(f"{name}: {folder}")
        table = tables[number] if tables else None
        manifest = open_dataset(folder, columns, table, unknown, info.image_type)
        evaluation, place = _evaluate_bundle(
            model,
            manifest,
            subset,
            base / name,
            corrupted,
            task=task,
            keep_seen=keep_seen,
            store=store,
            force=force,
        )
        found.append(dataset_figures(evaluation, place.name))
    write_json(base / DATASETS, [row.model_dump(mode="json") for row in found])
    if as_json:
        utf8_stdout().write((base / DATASETS).read_text(encoding="utf-8"))
        return
    for row in found:
        for auc in filter(lambda auc: auc.differs, row.within_source_auc):
            show(f"{row.folder}: the pooled figures do not hold within one source. {auc.sentence}", style="yellow")
    show_groups("dataset", (row.whole for row in found))
    for row in found:
        if len(row.by_source) > 1:
            show_groups(f"{row.folder}, source", row.by_source)
        if sentence := left_out_in_words(row.left_out, TASKS[row.task]):
            show(f"{row.folder}: {sentence}; not evaluated.", style="yellow")
        if sentence := overlap_in_words(row.unseen, row.seen):
            show(f"{row.folder}: {sentence}", style="yellow")
    show(f"All figures: {base / DATASETS}")
    show(RESEARCH_ONLY)


def _names(folders: list[Path], tables: list[Path]) -> list[str]:
    """Return a name for each dataset: of its folder, and of its table where several have the same folder."""
    names = [folder.resolve().name for folder in folders]
    if tables:
        shared = {name for name in names if names.count(name) > 1}
        pairs = zip(names, tables, strict=True)
        names = [f"{name}-{table.stem}" if name in shared else name for name, table in pairs]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise UsageError(f"--data: two datasets are named {twice}; rename a folder, or give tables with other names")
    return names


def _holds_images_of(run: "RunFolder", data: Path | None) -> bool:
    """Return whether a folder holds the dataset of a run, as opposed to an external one."""
    if data is None:
        return True
    manifest = run.manifest(data)
    return Path(manifest.location(manifest.records[0])).exists()


def _evaluate_run(
    run: "RunFolder",
    data: Path | None,
    subset: Subset,
    place: Path,
    corrupted: int,
    *,
    task: TaskName | None,
    keep_seen: bool,
) -> "Evaluation":
    from lesionlab.evaluation import evaluate_run

    with progress_bar("predicting") as progress:
        return evaluate_run(
            run,
            subset=subset,
            data_root=data,
            out=place,
            task=task,
            corrupted=corrupted,
            keep_seen=keep_seen,
            progress=progress,
        )


def _evaluate_bundle(
    model: Path | None,
    manifest: "Manifest",
    subset: Subset | None,
    folder: Path | None,
    corrupted: int,
    *,
    task: TaskName | None,
    keep_seen: bool,
    store: bool,
    force: bool,
) -> "tuple[Evaluation, Path]":
    from lesionlab.bundle import Bundle
    from lesionlab.bundle.split_recovery import recover_split
    from lesionlab.evaluation import dataset_name, evaluate_subset, write_evaluation
    from lesionlab.evaluation.external import store_external
    from lesionlab.evaluation.seen import without_seen
    from lesionlab.prediction import Predictor

    bundle = Bundle.load(model)
    if store and (model is None or bundle.evaluation is None):
        raise UsageError("--store: give --model, a bundle with the results of `lesionlab evaluate` on its own test set")
    split: Split | None = None
    if recovered := recover_split(bundle.info, manifest):
        manifest, split = recovered
    chosen = subset or (Subset.TEST if split else Subset.ALL)
    if chosen is Subset.ALL:
        images = manifest
    elif split is not None:
        images = manifest.select(split.subsets()[chosen])
    else:
        raise UsageError(f"--subset {chosen}: {manifest.root} is not the training dataset and has no subsets")
    place = folder or Path("evaluation") / f"{bundle.info.name}-{dataset_name(images)}-{chosen}"
    check_output(place, [model, manifest.root], force=force)
    seen, unseen = None, (chosen is Subset.TEST) if split else None
    if split is None or (unseen and not bundle.info.training_data.leaky):
        with progress_bar("searching for training images") as progress:
            images, seen = without_seen(bundle, images, identifiers=split is None, keep=keep_seen, progress=progress)
        # Only the calibration images of an imported model are known, so that other images may be training images.
        if seen is not None and (seen.kept or bundle.info.imported is None):
            unseen = not seen.kept
    with progress_bar("predicting") as progress:
        evaluation = evaluate_subset(
            Predictor.load(bundle),
            images,
            subset=chosen,
            unseen=unseen,
            seen=seen,
            task=task or (bundle.info.task if split else None),
            manifest_sha256=manifest.sha256,
            corrupted=corrupted,
            progress=progress,
        )
    write_evaluation(place, evaluation)
    if store:
        store_external(bundle, place)
    return evaluation, place


def _headlines(evaluation: "Evaluation") -> list[tuple[str, "Estimate"]]:
    """Return the metrics to show, with their names."""
    summary, task = evaluation.evaluated.summary, evaluation.evaluated.task
    if not task.binary:
        return [(name.replace("_", " "), summary.overall[name]) for name in _HEADLINES]
    first, of_class, last = _HEADLINES_OF_TWO
    word = "malignant" if task.tells_malignancy else task.names[1].lower()
    metrics = summary.per_class[task.classes[1]]
    return [
        *((name.replace("_", " "), summary.overall[name]) for name in first),
        *((f"{word} {name}", metrics[name]) for name in of_class),
        *((name, summary.overall[name]) for name in last),
    ]


def _show(evaluation: "Evaluation", place: Path) -> None:
    from lesionlab.data import left_out_in_words
    from lesionlab.evaluation.seen import overlap_in_words
    from lesionlab.evaluation.wording import view_in_words

    summary, leaky = evaluation.evaluated.summary, evaluation.info.training_data.leaky
    mark = " leaky" if leaky else " seen" if evaluation.unseen is False else ""
    title = f"{evaluation.info.identity}, {evaluation.dataset}, {evaluation.subset}"
    for sentence in evaluation.groups.warnings:
        show(f"The pooled figures do not hold within one source. {sentence}", style="yellow")
    table = new_table("metric", "value", "95% interval by lesion", title=title)
    for name, found in _headlines(evaluation):
        value = "not defined" if found.value is None else f"{found.value:.3f}" + mark
        interval = "" if found.low is None or found.high is None else f"{found.low:.3f} to {found.high:.3f}"
        table.add_row(name, value, interval)
    show_table(table)
    if len(evaluation.groups.by_source) > 1:
        show_groups("source", evaluation.groups.by_source)
    show(f"{summary.n_images} images of {summary.n_lesions} lesions. Report: {place / 'report.html'}")
    if sentence := left_out_in_words(evaluation.left_out, evaluation.evaluated.task):
        show(f"{sentence}; not evaluated.", style="yellow")
    if sentence := view_in_words(len(evaluation.info.classes), evaluation.evaluated.task):
        show(sentence)
    if sentence := overlap_in_words(evaluation.unseen, evaluation.seen):
        show(sentence, style="yellow")
    show(RESEARCH_ONLY)
