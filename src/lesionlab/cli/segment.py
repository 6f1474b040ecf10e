"""`lesionlab segment`: where the lesion lies, its measures, and the training of the model that draws it."""

from pathlib import Path
from typing import Annotated

import typer

from lesionlab import RESEARCH_ONLY
from lesionlab.cli.console import err, interruptible, log_to_console, out, progress_bar, require_extra
from lesionlab.cli.dataset import Columns, Metadata, column_mapping
from lesionlab.errors import LesionlabError

app = typer.Typer(help=f"Draw the lesion's outline and measure it. {RESEARCH_ONLY}", no_args_is_help=True)


@app.command()
def train(
    data: Annotated[Path, typer.Option("--data", help="Folder of the dataset, in any layout that `data check` reads.")],
    masks: Annotated[Path, typer.Option("--masks", help="Folder of the masks, called as IMAGE_segmentation.png.")],
    folder: Annotated[Path, typer.Option("--out", help="Folder to write. An interrupted training goes on.")],
    epochs: Annotated[int, typer.Option(min=1, help="Passes over the training part.")] = 8,
    size: Annotated[int, typer.Option(min=32, max=1024, help="Side of the input in pixels.")] = 96,
    seed: Annotated[int, typer.Option(min=0, help="Everything random follows from it.")] = 0,
    metadata: Metadata = None,
    columns: Columns = None,
) -> None:
    """Train a small network on lesion masks and measure it on the test part, split by lesion as classifiers are."""
    require_extra("lesionlab segment train", "train", "torch", "timm", "segmentation_models_pytorch", "onnxscript")
    from lesionlab.data import make_split, read_dataset
    from lesionlab.data.masks import MaskFolder
    from lesionlab.recipes import SegmentationSettings

    settings = SegmentationSettings(epochs=epochs, size=size, seed=seed)
    manifest = read_dataset(data, columns=column_mapping(columns), metadata=metadata)
    shares = settings.split
    split = make_split(manifest, validation=shares.validation, test=shares.test, seed=shares.seed)
    log_to_console()
    from lesionlab.export.segmentation import export_segmentation
    from lesionlab.training.segmentation import train_segmentation

    with interruptible(f"with --out {folder} goes on from here"):
        run = train_segmentation(settings, manifest, split, MaskFolder(masks), folder / "training", console=err)
    with progress_bar("measuring") as progress:
        model = export_segmentation(run, manifest, split, folder, progress)
    for name, estimate in model.info.metrics.items():
        out.print(f"{name} {estimate.value:.4f} ({estimate.low:.4f} to {estimate.high:.4f})")


@app.command()
def measure(
    images: Annotated[list[str], typer.Argument(help="Images, folders, globs, or archive.zip::member.")],
    folder: Annotated[Path, typer.Option("--out", help="Folder for the masks and measures.csv.")],
    model: Annotated[
        Path | None, typer.Option("--model", help="Folder of a segmentation model. Default: the one in the package.")
    ] = None,
) -> None:
    """Write each lesion's mask, and a table of asymmetry, border, colours and size."""
    from lesionlab.prediction.io.inputs import expand_inputs
    from lesionlab.segmentation import Segmenter
    from lesionlab.segmentation.write import write_measures

    found = expand_inputs(images)
    segmenter = Segmenter.load(model)
    with progress_bar("measuring") as progress:
        failures = write_measures(segmenter, found, folder, progress)
    err.print(f"{len(found) - len(failures)} measured, {len(failures)} failed; {folder / 'measures.csv'}", markup=False)
    err.print(RESEARCH_ONLY)
    if failures:
        for failure in failures:
            err.print(failure, style="red", markup=False, soft_wrap=True)
        raise LesionlabError(f"{len(failures)} of {len(found)} images could not be measured")
