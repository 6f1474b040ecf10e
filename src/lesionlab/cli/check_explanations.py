"""`lesionlab check-explanations`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lesionlab.cli.console import err, require_extra

if TYPE_CHECKING:
    from lesionlab.attribution.result import ModelCheck


def check_explanations(
    target: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder.", show_default=False)],
    folder: Annotated[
        Path, typer.Option("--out", "-o", help="Folder for attribution.json and attribution.md.", show_default=False)
    ],
    masks: Annotated[
        Path | None,
        typer.Option(
            help="Folder of lesion masks. Default: HAM10000_segmentations in the dataset.", show_default=False
        ),
    ] = None,
    data: Annotated[
        Path | None, typer.Option("--data", help="Where the dataset is now, if it has moved.", show_default=False)
    ] = None,
    methods: Annotated[
        list[str] | None,
        typer.Option(
            "--method",
            help="grad-cam, grad-cam++, integrated-gradients, occlusion, lime or shap. Repeatable; default: all.",
            show_default=False,
        ),
    ] = None,
    images: Annotated[
        int, typer.Option(min=2, help="Images for Grad-CAM; slower methods are measured on about a quarter of them.")
    ] = 60,
) -> None:
    """Measure whether a run's explanations are right, on the validation part of its own split.

    How much of a map lies on the lesion, whether its peak does, what deleting and inserting the marked pixels does to
    the answer, whether maps change when weights are put at random, and what rulers, ink and hair beside the lesion do.
    What is known is written after each method.
    """
    require_extra("lesionlab check-explanations", "explain", "captum", "skimage", "timm", "torch")
    from lesionlab.attribution.check import SampleSizes, check_run
    from lesionlab.attribution.methods import choose_methods
    from lesionlab.attribution.table import render_table
    from lesionlab.data.masks import HAM_MASKS, MaskFolder
    from lesionlab.files import write_json, write_text
    from lesionlab.runs import RunFolder

    run = RunFolder(target)
    chosen = choose_methods(methods)
    place = masks or (data or Path(run.record().data_root)) / HAM_MASKS

    def write(found: "ModelCheck", measured: str) -> None:
        write_json(folder / "attribution.json", {"models": [found.model_dump(mode="json")]})
        write_text(folder / "attribution.md", render_table([found]))
        err.print(f"measured: {measured}")

    sizes = SampleSizes.of_images(images)
    found = check_run(run, MaskFolder(place), sizes=sizes, methods=chosen, data_root=data, progress=write)
    typer.echo(render_table([found]), nl=False)
