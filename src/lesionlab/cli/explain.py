"""`lesionlab explain`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lesionlab import RESEARCH_ONLY
from lesionlab.cli.console import err, progress_bar, require_extra, show, show_json
from lesionlab.cli.options import Force, Images, Json, Methods, Model, OutFolder, images_of
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
    bundle by its class activation map, or by the methods that are named.

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
    from lesionlab.bundle import Bundle
    from lesionlab.prediction import Predictor
    from lesionlab.runs import RunFolder

    run = None if model is None else RunFolder(model)
    if run is not None and not run.exists():
        run = None
    if run is None and layer is None and methods in (None, [CLASS_ACTIVATION_MAP]):
        return BundleExplainer(Predictor.load(model))
    what = "--model RUN" if run else f"--method {methods[0]}" if methods else f"--layer {layer}"
    require_extra(f"lesionlab explain {what}", "explain", "captum", "skimage", "timm", "torch")
    from lesionlab.attribution.methods import choose_methods
    from lesionlab.attribution.trained import NetworkExplainer, open_trained

    chosen = choose_methods(methods)
    return NetworkExplainer(open_trained(run or Bundle.load(model), layer), chosen)
