"""`lesionlab check-explanations`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lesionlab.cli.console import note, require_extra, show_json, utf8_stdout
from lesionlab.cli.options import Force, Json, Methods, MovedDataset, OutFolder, existing
from lesionlab.files import check_output

if TYPE_CHECKING:
    from lesionlab.attribution.result import ModelCheck


def check_explanations(
    model: Annotated[Path, typer.Option("--model", "-m", callback=existing, help="Run folder.", show_default=False)],
    folder: OutFolder,
    masks: Annotated[
        Path | None,
        typer.Option(
            callback=existing,
            help="Folder of lesion masks. Default: HAM10000_segmentations in the dataset.",
            show_default=False,
        ),
    ] = None,
    data: MovedDataset = None,
    methods: Methods = None,
    images: Annotated[
        int, typer.Option(min=2, help="Images for Grad-CAM; slower methods are measured on about a quarter of them.")
    ] = 60,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Measure the quality of a run's explanations on the validation images of its split.

    Localisation (share of the map and its peak inside the lesion), faithfulness (deletion and insertion), weight
    randomisation, and the effect of rulers, ink and hair beside the lesion. attribution.json and attribution.md are
    written after each method.
    """
    require_extra("lesionlab check-explanations", "explain", "captum", "skimage", "timm", "torch")
    from lesionlab.attribution.check import SampleSizes, check_run
    from lesionlab.attribution.methods import choose_methods
    from lesionlab.attribution.table import render_table
    from lesionlab.data.masks import HAM_MASKS, MaskFolder
    from lesionlab.files import write_json, write_text
    from lesionlab.runs import RunFolder

    check_output(folder, [model, data, masks], force=force)
    run = RunFolder(model)
    chosen = choose_methods(methods)
    place = masks or (data or Path(run.record().data_root)) / HAM_MASKS

    def write(found: "ModelCheck", measured: str) -> None:
        write_json(folder / "attribution.json", {"models": [found.model_dump(mode="json")]})
        write_text(folder / "attribution.md", render_table([found]))
        note(f"measured: {measured}")

    sizes = SampleSizes.of_images(images)
    found = check_run(run, MaskFolder(place), sizes=sizes, methods=chosen, data_root=data, progress=write)
    if as_json:
        show_json(found)
    else:
        utf8_stdout().write(render_table([found]))
