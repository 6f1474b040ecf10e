"""`lesionlab explain`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from lesionlab import RESEARCH_ONLY
from lesionlab.cli.console import err, out, progress_bar, require_extra
from lesionlab.errors import UsageError

if TYPE_CHECKING:
    from lesionlab.attribution.explain import Explainer


def explain(
    target: Annotated[Path, typer.Argument(help="A run folder, or a bundle.", show_default=False)],
    paths: Annotated[
        list[str],
        typer.Argument(
            help="Images, folders, zip archives (archive.zip::member for one image) or quoted patterns ('a/**/*.jpg').",
            show_default=False,
        ),
    ],
    folder: Annotated[Path, typer.Option("--out", "-o", help="Folder to write to.", show_default=False)],
    methods: Annotated[
        list[str] | None,
        typer.Option(
            "--method",
            help="grad-cam, grad-cam++, integrated-gradients, occlusion, lime or shap. Repeatable; default: all.",
            show_default=False,
        ),
    ] = None,
    diagnosis: Annotated[
        str | None,
        typer.Option(help="Code of the class to explain. Default: the answer to each image.", show_default=False),
    ] = None,
    layer: Annotated[
        str | None,
        typer.Option(
            help="Layer that Grad-CAM reads, such as backbone.blocks.3. Default: the last feature map.",
            show_default=False,
        ),
    ] = None,
    stability: Annotated[
        bool, typer.Option(help="Ask about turned, cropped, brighter and hairless forms of each image as well.")
    ] = True,
) -> None:
    """Show where answers come from, by several methods side by side, and whether they hold when a picture changes.

    Writes a picture and an array (npz) for each image, and explanations.html. A bundle is explained by its class
    activation map alone.

    A bad image is reported on standard error and does not stop the rest; the exit code is then 1.
    """
    require_extra("lesionlab explain", "explain", "jinja2", "markupsafe")
    from lesionlab.attribution.explain import PAGE, explain_images
    from lesionlab.cli.prediction_view import printable
    from lesionlab.prediction.io.inputs import expand_inputs

    images = expand_inputs(paths)
    explainer = _explainer(target, methods, layer)
    with progress_bar("explaining") as progress:
        failures = explain_images(explainer, images, folder, code=diagnosis, stability=stability, progress=progress)
    for failure in failures:
        err.print(Text(printable(f"{failure.image}: {failure.error}")), soft_wrap=True)
    if len(failures) < len(images):
        if explainer.note is not None:
            out.print(explainer.note, markup=False, soft_wrap=True)
        out.print(f"Explanations: {folder / PAGE}", markup=False, soft_wrap=True)
        out.print(RESEARCH_ONLY)
    if failures:
        err.print(Text(f"{len(failures)} of {len(images)} images could not be explained"), soft_wrap=True)
        raise typer.Exit(1)


def _explainer(target: Path, methods: list[str] | None, layer: str | None) -> "Explainer":
    from lesionlab.attribution.explain import CLASS_ACTIVATION_MAP, BundleExplainer
    from lesionlab.prediction import Predictor
    from lesionlab.runs import RunFolder

    run = RunFolder(target)
    if run.exists():
        require_extra("lesionlab explain RUN", "explain", "captum", "skimage", "timm", "torch")
        from lesionlab.attribution.methods import choose_methods
        from lesionlab.attribution.trained import RunExplainer, open_trained

        chosen = choose_methods(methods)
        return RunExplainer(open_trained(run, layer), chosen)
    predictor = Predictor.load(target)
    others = [name for name in methods or () if name != CLASS_ACTIVATION_MAP]
    if others or layer is not None:
        asked = f"--method {others[0]}" if others else f"--layer {layer}"
        raise UsageError(
            f"{asked}: {target} is a bundle, which is explained by its class activation map alone; "
            "name the run that it was exported from"
        )
    return BundleExplainer(predictor)
