"""`lesionlab fuse`."""

from pathlib import Path
from typing import Annotated

import typer

from lesionlab import RESEARCH_ONLY
from lesionlab.cli.console import log_to_console, new_table, progress_bar, require_extra, show, show_json, show_table
from lesionlab.cli.info import describe_bundle
from lesionlab.cli.options import Columns, Dataset, Force, Json, Metadata, Model, Unknown, existing, open_dataset
from lesionlab.files import check_output


def fuse(
    data: Dataset,
    clinical: Annotated[
        Path,
        typer.Option(
            callback=existing,
            help="Run folder or bundle of a model for clinical images (--set data.image_type=clinical).",
            show_default=False,
        ),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder or .zip file.", show_default=False)],
    model: Model = None,
    metadata: Metadata = None,
    columns: Columns = None,
    unknown: Unknown = "error",
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Combine a model for dermoscopic and one for clinical images: lesions with images of either type, or of both.

    The dataset has both images of each lesion. Calibration and thresholds are fitted for each of the three cases on the
    validation lesions of the clinical model, on which the dermoscopic model must not have been trained. The test
    lesions are not read.
    """
    require_extra("lesionlab fuse", "train", "torch", "timm", "scipy", "sklearn")
    from lesionlab.bundle import Bundle
    from lesionlab.export.combine import combine_bundles, subsets_of

    first, second = Bundle.load(model), Bundle.load(clinical)
    check_output(out, [model, first.path, clinical, second.path, data], force=force)
    log_to_console()
    dataset = open_dataset(data, columns, metadata, unknown, "all")
    subsets = subsets_of(clinical, second, dataset)
    with progress_bar("predicting validation images") as progress:
        found = combine_bundles(first, second, dataset, subsets, out, progress=progress)
    if as_json:
        show_json(describe_bundle(found))
        return
    info = found.info
    combined = info.fusion.clinical if info.fusion else None
    if combined is None or found.clinical is None:
        return
    table = new_table(
        "images",
        "calibration",
        f"specificity at 95% sensitivity for {info.target}",
        title=f"{info.identity}, {found.path}",
    )
    both = info.fitted_for(combined.fitted)
    for name, values in {"dermoscopic": info, "clinical": found.clinical.info, "both": both}.items():
        points = {point.name: point for point in values.operating_points if point.target == info.target}
        point = points.get("95% sensitivity")
        table.add_row(name, values.calibration.method, "-" if point is None else f"{point.specificity:.3f}")
    show_table(table)
    weights = ", ".join(f"{kind} {weight:.2f}" for kind, weight in combined.weights.items())
    show(f"Weights where a lesion has both images: {weights}. {combined.lesions:,} validation lesions.")
    show("The figures are of the lesions that everything was fitted to: they are optimistic.")
    show(RESEARCH_ONLY)
