"""`lesionlab explain`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lesionlab import RESEARCH_ONLY
from lesionlab.cli.console import err, progress_bar, require_extra, show, show_json
from lesionlab.cli.options import Force, Images, Json, Methods, Model, OutFolder, images_of
from lesionlab.errors import UsageError
from lesionlab.files import check_output

if TYPE_CHECKING:
    from lesionlab.attribution.explain import Explainer


def explain(
    paths: Images,
    folder: OutFolder,
    model: Model = None,
    methods: Methods = None,
    diagnosis: Annotated[
        str | None,
        typer.Option(help="Code of the class to explain. Default: the most probable class.", show_default=False),
    ] = None,
    layer: Annotated[
        str | None,
        typer.Option(
            help="Layer for Grad-CAM, such as backbone.blocks.3. Default: the last feature map.", show_default=False
        ),
    ] = None,
    stability: Annotated[
        bool, typer.Option(help="Also predict rotated, cropped, brighter and hairless versions of each image.")
    ] = True,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Explain predictions by several attribution methods, and measure their stability under changes of the image.

    Writes an overlay and an array (npz) for each image, and explanations.html. A run is explained by all methods, a
    bundle by its class activation map.

    A bad image is reported on standard error and does not stop the others; the exit code is then 1.
    """
    require_extra("lesionlab explain", "explain", "jinja2", "markupsafe", "tomli_w")
    from lesionlab.attribution.explain import PAGE, explain_images
    from lesionlab.cli.prediction_view import printable

    images = images_of(paths)
    check_output(folder, [model, *images], force=force)
    explainer = _explainer(model, methods, layer)
    with progress_bar("explaining") as progress:
        failures = explain_images(explainer, images, folder, code=diagnosis, stability=stability, progress=progress)
    for failure in failures:
        err().print(printable(f"{failure.image}: {failure.error}"))
    page = folder / PAGE if len(failures) < len(images) else None
    if as_json:
        failed = [failure.model_dump() for failure in failures]
        show_json({"page": str(page) if page else None, "note": explainer.note, "images": images, "failures": failed})
    elif page is not None:
        if explainer.note is not None:
            show(explainer.note)
        show(f"Explanations: {page}")
        show(RESEARCH_ONLY)
    if failures:
        err().print(f"{len(failures)} of {len(images)} images could not be explained")
        raise typer.Exit(1)


def _explainer(model: Path | None, methods: list[str] | None, layer: str | None) -> "Explainer":
    from lesionlab.attribution.explain import CLASS_ACTIVATION_MAP, BundleExplainer
    from lesionlab.prediction import Predictor
    from lesionlab.runs import RunFolder

    if model is not None and (run := RunFolder(model)).exists():
        require_extra("lesionlab explain --model RUN", "explain", "captum", "skimage", "timm", "torch")
        from lesionlab.attribution.methods import choose_methods
        from lesionlab.attribution.trained import RunExplainer, open_trained

        chosen = choose_methods(methods)
        return RunExplainer(open_trained(run, layer), chosen)
    predictor = Predictor.load(model)
    others = [name for name in methods or () if name != CLASS_ACTIVATION_MAP]
    if others or layer is not None:
        option = f"--method {others[0]}" if others else f"--layer {layer}"
        raise UsageError(
            f"{option} needs a run: a bundle is explained by its class activation map; give --model the run that "
            f"{predictor.info.identity} was exported from"
        )
    return BundleExplainer(predictor)
