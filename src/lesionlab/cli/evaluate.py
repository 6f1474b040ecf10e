"""`lesionlab evaluate`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lesionlab import RESEARCH_ONLY
from lesionlab.cli.console import new_table, progress_bar, require_extra, show, show_table, utf8_stdout
from lesionlab.cli.options import Columns, Force, Json, Metadata, Model, Subset, column_mapping, existing
from lesionlab.errors import UsageError
from lesionlab.files import check_output

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
    data: Annotated[
        Path | None,
        typer.Option(
            callback=existing,
            help="Folder of the dataset. Default: the dataset of the run, where it was trained.",
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
    metadata: Metadata = None,
    columns: Columns = None,
    corrupted: Annotated[
        int, typer.Option(min=0, help="Number of images to evaluate under 12 corruptions at 5 severities too.")
    ] = 0,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Evaluate a run or a bundle; write metrics.json, predictions.csv and report.html.

    The model is evaluated end to end, from image files to calibrated probabilities. On its training dataset the split
    is recovered from its hash; on another dataset all images are evaluated.
    """
    require_extra("lesionlab evaluate", "evaluate", "matplotlib", "jinja2", "markupsafe", "tomli_w")
    from lesionlab.bundle import Bundle
    from lesionlab.data import read_dataset
    from lesionlab.runs import RunFolder

    run = None if model is None else RunFolder(model)
    if run is not None and run.exists() and metadata is None and _holds_images_of(run, data):
        place = folder or run.evaluation / (subset or Subset.TEST)
        check_output(place, [run.path, run.bundle, data], force=force)
        evaluation = _evaluate_run(run, data, subset or Subset.TEST, place, corrupted)
    elif data is not None:
        manifest = read_dataset(data, columns=column_mapping(columns), metadata=metadata)
        evaluation, place = _evaluate_bundle(model, manifest, subset, folder, corrupted, force=force)
    else:
        Bundle.load(model)  # a missing or damaged bundle is reported first
        raise UsageError("--data is needed: the folder of the dataset to evaluate on")
    if as_json:
        utf8_stdout().write((place / "metrics.json").read_text(encoding="utf-8"))
    else:
        _show(evaluation, place)


def _holds_images_of(run: "RunFolder", data: Path | None) -> bool:
    """Return whether a folder holds the dataset of a run, as opposed to an external one."""
    if data is None:
        return True
    manifest = run.manifest(data)
    return Path(manifest.location(manifest.records[0])).exists()


def _evaluate_run(run: "RunFolder", data: Path | None, subset: Subset, place: Path, corrupted: int) -> "Evaluation":
    from lesionlab.evaluation import evaluate_run

    with progress_bar("predicting") as progress:
        return evaluate_run(run, subset=subset, data_root=data, out=place, corrupted=corrupted, progress=progress)


def _evaluate_bundle(
    model: Path | None,
    manifest: "Manifest",
    subset: Subset | None,
    folder: Path | None,
    corrupted: int,
    *,
    force: bool,
) -> "tuple[Evaluation, Path]":
    from lesionlab.bundle import Bundle
    from lesionlab.bundle.split_recovery import recover_split
    from lesionlab.evaluation import dataset_name, evaluate_subset, write_evaluation
    from lesionlab.prediction import Predictor

    bundle = Bundle.load(model)
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
    with progress_bar("predicting") as progress:
        evaluation = evaluate_subset(
            Predictor.load(bundle),
            images,
            subset=chosen,
            unseen=split is None or chosen is Subset.TEST,
            manifest_sha256=manifest.sha256,
            corrupted=corrupted,
            progress=progress,
        )
    write_evaluation(place, evaluation)
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
    summary, leaky = evaluation.evaluated.summary, evaluation.info.training_data.leaky
    title = f"{evaluation.info.identity}, {evaluation.dataset}, {evaluation.subset}"
    for sentence in evaluation.groups.warnings:
        show(f"The pooled figures do not hold within one source. {sentence}", style="yellow")
    table = new_table("metric", "value", "95% interval by lesion", title=title)
    for name, found in _headlines(evaluation):
        value = "not defined" if found.value is None else f"{found.value:.3f}" + (" leaky" if leaky else "")
        interval = "" if found.low is None or found.high is None else f"{found.low:.3f} to {found.high:.3f}"
        table.add_row(name, value, interval)
    show_table(table)
    show(f"{summary.n_images} images of {summary.n_lesions} lesions. Report: {place / 'report.html'}")
    if not evaluation.unseen:
        show("The model was fitted to these images: the figures are too optimistic.", style="yellow")
    show(RESEARCH_ONLY)
