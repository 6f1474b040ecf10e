"""`lesionlab segment`: train a lesion segmentation model, and measure segmented lesions."""

from pathlib import Path
from typing import Annotated

import typer

from lesionlab import RESEARCH_ONLY
from lesionlab.cli.console import (
    err,
    log_to_console,
    note,
    notes,
    progress_bar,
    require_extra,
    resumable,
    show,
    show_json,
)
from lesionlab.cli.options import (
    Columns,
    Dataset,
    Force,
    Images,
    Json,
    Metadata,
    OutFolder,
    ResumableFolder,
    Unknown,
    add_commands,
    existing,
    images_of,
    open_dataset,
)
from lesionlab.errors import LesionlabError
from lesionlab.files import check_output

app = typer.Typer(help=f"Segment lesions and measure them. {RESEARCH_ONLY}", no_args_is_help=True)


def train(
    data: Dataset,
    masks: Annotated[
        Path,
        typer.Option(callback=existing, help="Folder of masks named IMAGE_segmentation.png.", show_default=False),
    ],
    folder: ResumableFolder,
    epochs: Annotated[int, typer.Option(min=1, help="Number of epochs.")] = 8,
    size: Annotated[int, typer.Option(min=32, max=1024, help="Side of the input in pixels.")] = 96,
    seed: Annotated[int, typer.Option(min=0, help="Random seed.")] = 0,
    metadata: Metadata = None,
    columns: Columns = None,
    unknown: Unknown = "error",
    as_json: Json = False,
) -> None:
    """Train a small network on lesion masks and measure it on test images, split by lesion like a classifier."""
    require_extra("lesionlab segment train", "train", "torch", "timm", "segmentation_models_pytorch", "onnxscript")
    from lesionlab.data import make_split
    from lesionlab.data.masks import MaskFolder
    from lesionlab.recipes import SegmentationSettings

    settings = SegmentationSettings(epochs=epochs, size=size, seed=seed)
    manifest = open_dataset(data, columns, metadata, unknown)
    shares = settings.split
    split = make_split(manifest, validation=shares.validation, test=shares.test, seed=shares.seed)
    log_to_console()
    from lesionlab.export.segmentation import export_segmentation
    from lesionlab.training.segmentation import train_segmentation

    with resumable("run the same command again"):
        run = train_segmentation(settings, manifest, split, MaskFolder(masks), folder / "training", console=notes())
    with progress_bar("measuring") as progress:
        model = export_segmentation(run, manifest, split, folder, progress)
    if as_json:
        show_json({"path": str(folder), **model.info.model_dump(mode="json")})
        return
    for name, estimate in model.info.metrics.items():
        limits = "" if estimate.low is None else f" ({estimate.low:.4f} to {estimate.high:.4f})"
        show(f"{name} {estimate.value:.4f}{limits}")


def measure(
    images: Images,
    folder: OutFolder,
    model: Annotated[
        Path | None,
        typer.Option(
            "--model",
            "-m",
            callback=existing,
            help="Folder of a segmentation model. Default: the one in the package.",
            show_default=False,
        ),
    ] = None,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Write the mask of each lesion, and measures.csv with asymmetry, border, colours and size."""
    from lesionlab.segmentation import Segmenter
    from lesionlab.segmentation.write import write_measures

    found = images_of(images)
    check_output(folder, [model, *found], force=force)
    segmenter = Segmenter.load(model)
    with progress_bar("measuring") as progress:
        failures = write_measures(segmenter, found, folder, progress)
    measured = len(found) - len(failures)
    if as_json:
        show_json({"measures": str(folder / "measures.csv"), "measured": measured, "failures": failures})
    note(f"{measured} measured, {len(failures)} failed; {folder / 'measures.csv'}")
    note(RESEARCH_ONLY)
    if failures:
        for failure in failures:
            err().print(failure, style="red")
        raise LesionlabError(f"{len(failures)} of {len(found)} images could not be measured")


add_commands(app, train, measure)
