"""`lesionlab check-explanations`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lesionlab.cli.console import note, progress_bar, require_extra, show_json, utf8_stdout
from lesionlab.cli.options import Force, Json, Methods, Model, OutFolder, existing
from lesionlab.errors import UsageError
from lesionlab.files import check_output

if TYPE_CHECKING:
    from lesionlab.attribution.result import ModelCheck


def check_explanations(
    folder: OutFolder,
    model: Model = None,
    masks: Annotated[
        Path | None,
        typer.Option(
            callback=existing,
            help="Folder of lesion masks. Default: HAM10000_segmentations in the dataset.",
            show_default=False,
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            callback=existing,
            help="Dataset: of a bundle; of a run if its images have moved. Default: the dataset of the run.",
            show_default=False,
        ),
    ] = None,
    methods: Methods = None,
    n_images: Annotated[
        int,
        typer.Option(
            "--images", min=2, help="Images for Grad-CAM; slower methods are measured on about a quarter of them."
        ),
    ] = 60,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Measure the quality of a model's explanations.

    A run is measured on the validation images of its split, a bundle on the images of --data that it was not fitted to.

    Localisation (share of the map and its peak inside the lesion), faithfulness (deletion and insertion), weight
    randomisation, and the effect of rulers, ink and hair beside the lesion. attribution.json and attribution.md are
    written after each method.
    """
    require_extra("lesionlab check-explanations", "explain", "captum", "skimage", "timm", "torch")
    from lesionlab.attribution.check import SampleSizes, check_model, validation_images
    from lesionlab.attribution.methods import choose_methods
    from lesionlab.attribution.table import render_table
    from lesionlab.attribution.trained import open_trained
    from lesionlab.bundle import Bundle
    from lesionlab.data import read_dataset
    from lesionlab.data.masks import HAM_MASKS, MaskFolder
    from lesionlab.evaluation.seen import without_seen
    from lesionlab.files import write_json, write_text
    from lesionlab.runs import RunFolder

    check_output(folder, [model, data, masks], force=force)
    chosen = choose_methods(methods)
    if model is not None and (run := RunFolder(model)).exists():
        source: RunFolder | Bundle = run
        place, subset = data or Path(run.record().data_root), "validation"
        images = validation_images(run, data)
    elif data is None:
        raise UsageError("--data is missing: the dataset to measure a bundle on, with lesion masks")
    else:
        source = bundle = Bundle.load(model)
        place, subset = data, "unseen"
        with progress_bar("comparing with the training images") as progress:
            images, _ = without_seen(bundle, read_dataset(data), identifiers=True, keep=False, progress=progress)

    def write(found: "ModelCheck", measured: str) -> None:
        write_json(folder / "attribution.json", {"models": [found.model_dump(mode="json")]})
        write_text(folder / "attribution.md", render_table([found]))
        note(f"measured: {measured}")

    found = check_model(
        open_trained(source),
        images,
        MaskFolder(masks or place / HAM_MASKS),
        sizes=SampleSizes.of_images(n_images),
        subset=subset,
        methods=chosen,
        progress=write,
    )
    if as_json:
        show_json(found)
    else:
        utf8_stdout().write(render_table([found]))
