"""`lesionlab evaluate`."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from lesionlab import RESEARCH_ONLY
from lesionlab.cli.console import out, progress_bar, require_extra
from lesionlab.cli.dataset import Columns, Metadata, column_mapping
from lesionlab.errors import UsageError

if TYPE_CHECKING:
    from lesionlab.data import Manifest, Split
    from lesionlab.evaluation import Evaluation
    from lesionlab.metrics import Estimate
    from lesionlab.runs import RunFolder

# Shown in the terminal; the report has the rest.
_HEADLINES = ("balanced_accuracy", "accuracy", "macro_auc", "malignant_auc", "malignant_recall", "melanoma_auc", "ece")
# Of two classes: metrics of all images around those of the class that is looked for.
_HEADLINES_OF_TWO = (("balanced_accuracy", "accuracy"), ("auc", "recall", "specificity", "precision", "f1"), ("ece",))


class Subset(StrEnum):
    """The images to evaluate."""

    TRAIN = "train"
    VALIDATION = "validation"
    TEST = "test"
    ALL = "all"


def evaluate(
    target: Annotated[
        Path | None, typer.Argument(help="A run folder or a bundle. Default: the model that ships with the package.")
    ] = None,
    data: Annotated[
        Path | None, typer.Option("--data", help="Folder of the dataset; not needed for a run whose data is in place.")
    ] = None,
    subset: Annotated[
        Subset | None, typer.Option("--subset", help="Default: test on the data it was trained on, all on any other.")
    ] = None,
    folder: Annotated[
        Path | None, typer.Option("--out", help="Where to write. Default: evaluation/ in the run, or here.")
    ] = None,
    metadata: Metadata = None,
    columns: Columns = None,
    corrupted: Annotated[
        int,
        typer.Option("--corrupted", min=0, help="Images to judge under 12 corruptions at 5 severities as well."),
    ] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print metrics.json.")] = False,
) -> None:
    """Measure a run or a bundle; write metrics.json, predictions.csv and report.html.

    The model is asked as its users ask it, from image files to calibrated probabilities. On its own dataset the
    part is found again from the split's hash; on another dataset every image is judged.
    """
    require_extra("lesionlab evaluate", "train", "matplotlib", "jinja2")
    from lesionlab.bundle import Bundle
    from lesionlab.data import read_dataset
    from lesionlab.runs import RunFolder

    if target is not None and (run := RunFolder(target)).exists():
        evaluation, place = _evaluate_run(run, data, subset or Subset.TEST, folder, corrupted)
    elif data is not None:
        evaluation, place = _evaluate_bundle(
            target, read_dataset(data, columns=column_mapping(columns), metadata=metadata), subset, folder, corrupted
        )
    else:
        Bundle.load(target)  # what is missing altogether is said first
        raise UsageError("--data is needed: the folder of the dataset to evaluate on")
    if as_json:
        typer.echo((place / "metrics.json").read_text(encoding="utf-8"), nl=False)
    else:
        _show(evaluation, place)


def _evaluate_run(
    run: "RunFolder", data: Path | None, subset: Subset, folder: Path | None, corrupted: int
) -> "tuple[Evaluation, Path]":
    from lesionlab.evaluation import evaluate_run

    place = folder or run.evaluation / subset
    with progress_bar("judging images") as progress:
        return evaluate_run(
            run, subset=subset, data_root=data, out=place, corrupted=corrupted, progress=progress
        ), place


def _evaluate_bundle(
    model: Path | None, manifest: "Manifest", subset: Subset | None, folder: Path | None, corrupted: int
) -> "tuple[Evaluation, Path]":
    from lesionlab.bundle import Bundle
    from lesionlab.bundle.split_recovery import recover_split
    from lesionlab.evaluation import evaluate_subset, write_evaluation
    from lesionlab.prediction import Predictor

    bundle = Bundle.load(model)
    split: Split | None = None
    if again := recover_split(bundle.info, manifest):
        manifest, split = again
    chosen = subset or (Subset.TEST if split else Subset.ALL)
    if chosen is Subset.ALL:
        images = manifest
    elif split is not None:
        images = manifest.select(split.subsets()[chosen])
    else:
        raise UsageError(f"--subset {chosen}: {manifest.root} is not what the model was trained on; it has no parts")
    with progress_bar("judging images") as progress:
        evaluation = evaluate_subset(
            Predictor.load(bundle),
            images,
            subset=chosen,
            unseen=split is None or chosen is Subset.TEST,
            manifest_sha256=manifest.sha256,
            corrupted=corrupted,
            progress=progress,
        )
    place = folder or Path("evaluation") / f"{bundle.info.name}-{evaluation.dataset}-{evaluation.subset}"
    write_evaluation(place, evaluation)
    return evaluation, place


def _headlines(evaluation: "Evaluation") -> list[tuple[str, "Estimate"]]:
    """Return the metrics to show, each with its name in words."""
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
    table = Table(box=None, header_style="bold", title_justify="left")
    table.title = f"{evaluation.info.identity}, {evaluation.dataset}, {evaluation.subset}"
    for heading in ("metric", "value", "95% interval by lesion"):
        table.add_column(heading, justify="left" if heading == "metric" else "right")
    for name, found in _headlines(evaluation):
        value = "not defined" if found.value is None else f"{found.value:.3f}" + (" leaky" if leaky else "")
        interval = "" if found.low is None or found.high is None else f"{found.low:.3f} to {found.high:.3f}"
        table.add_row(name, value, interval)
    out.print(table)
    out.print(
        f"{summary.n_images} images of {summary.n_lesions} lesions. Report: {place / 'report.html'}", soft_wrap=True
    )
    if not evaluation.unseen:
        out.print("The model has seen these images: the figures are too good.", style="yellow")
    out.print(RESEARCH_ONLY)
