"""`lesionlab calibrate`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lesionlab import RESEARCH_ONLY
from lesionlab.cli.console import (
    log_to_console,
    new_table,
    progress_bar,
    require_extra,
    show,
    show_json,
    show_table,
)
from lesionlab.cli.options import (
    Columns,
    Datasets,
    Decisions,
    Force,
    Json,
    Metadata,
    Model,
    Unknown,
    existing,
    open_datasets,
)
from lesionlab.files import check_output

if TYPE_CHECKING:
    from lesionlab.export.importing import Imported
    from lesionlab.export.recalibrate import Recalibrated


def calibrate(
    data: Datasets,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder or .zip file.", show_default=False)],
    model: Model = None,
    metadata: Metadata = None,
    columns: Columns = None,
    unknown: Unknown = "error",
    decisions: Decisions = None,
    negatives: Annotated[
        Path | None,
        typer.Option(
            "--negatives",
            callback=existing,
            help="Folder of pictures that are no dermoscopic images, in one subfolder for each kind: also fit the "
            "detector that abstains from them, a new output of the graph.",
            show_default=False,
        ),
    ] = None,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Calibrate a bundle again on its validation images, without its training run.

    Calibration, thresholds, decision rule, prediction sets and limits are fitted as in an export; without --negatives
    the graph stays the same. Test results belong to the earlier calibration: run `lesionlab evaluate` again. The test
    images are not read.
    """
    require_extra("lesionlab calibrate", "train", "torch", "timm", "onnx", "scipy", "sklearn")
    from lesionlab.bundle import Bundle
    from lesionlab.cli.info import describe_bundle
    from lesionlab.export.recalibrate import recalibrate_bundle

    bundle = Bundle.load(model)
    check_output(out, [model, bundle.path, *data], force=force)
    log_to_console()
    dataset = open_datasets(data, columns, metadata, unknown, decisions, bundle.info.image_type)
    with progress_bar("predicting validation images") as progress:
        found = recalibrate_bundle(bundle, dataset, out, negatives=negatives, progress=progress)
    if as_json:
        show_json(
            {
                **describe_bundle(found.bundle),
                "before": found.before.model_dump(mode="json"),
                "after": found.after.model_dump(mode="json"),
            }
        )
    else:
        show_calibration(found)
        show(RESEARCH_ONLY)


def show_calibration(found: "Recalibrated | Imported", images: str = "validation images") -> None:
    """Print a calibration with its figures, and the thresholds."""
    info, before, after = found.bundle.info, found.before, found.after
    table = new_table(f"on {images}", "before", "after", title=f"{info.identity}, {found.bundle.path}")
    table.add_row("calibration", before.method, after.method)
    for name, values in {
        "negative log likelihood": (before.nll, after.nll),
        "calibration error, most probable class": (before.ece, after.ece),
        f"calibration error, P({info.target})": (before.target_ece, after.target_ece),
        f"mean P({info.target}); observed {after.target_share:.4f}": (before.target_mean, after.target_mean),
    }.items():
        table.add_row(name, *(f"{value:.4f}" for value in values))
    show_table(table)
    for point in info.operating_points:
        show(
            f"{point.purpose}: threshold {point.threshold:.3f}, sensitivity {point.sensitivity:.3f}, specificity "
            f"{point.specificity:.3f}"
        )
    show("The figures are of the images that everything was fitted to: they are optimistic.")
