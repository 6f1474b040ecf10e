"""A Gradio app, for a notebook or a Hugging Face Space. To serve a model otherwise, see `lesionlab serve`.

On this machine: `python -m lesionlab.gradio_app`. In a notebook, or as the whole app.py of a Space:

    from lesionlab.gradio_app import build_app
    build_app().launch(run_history=False)  # without it, the browser stores the images
"""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from lesionlab import RESEARCH_ONLY
from lesionlab.bundle import BundleInfo
from lesionlab.bundle.operating_points import NOUNS
from lesionlab.errors import ImageError, LesionlabError, MissingExtraError
from lesionlab.images import load_image
from lesionlab.prediction import Predictor
from lesionlab.prediction.explanation.overlay import overlaid
from lesionlab.results import Prediction
from lesionlab.taxonomy import TASKS
from lesionlab.web.bundle import PAGE

if TYPE_CHECKING:
    import gradio

_SHOWN_SIDE = 1024
_KEPT_SECONDS = 300  # Gradio keeps uploads as temporary files; these are deleted after a few minutes
_MAX_UPLOAD = "20mb"

_CAMERA = {"video": {"facingMode": "environment"}}  # of a phone: the one at its back
_EXAMPLES = "computer-generated drawings, whose results have no meaning"

Shown = tuple[str, Image.Image]


def build_app(predictor: Predictor | None = None) -> "gradio.Blocks":
    """Return the app; `.launch()` starts it.

    Args:
        predictor: The model; default: the one that ships with the package.

    Raises:
        MissingExtraError: Gradio is not installed.
        BundleError: The model cannot be loaded.
    """
    try:
        import gradio as gr
    except ImportError as error:
        raise MissingExtraError("the Gradio app", "gradio") from error
    model = predictor or Predictor.load()

    def classify(path: str | None) -> Shown | tuple[str, None]:
        if path is None:
            return "", None
        try:
            return predict(model, path)
        except ImageError as error:
            raise gr.Error(str(error), title="No result", print_exception=False) from error

    app = gr.Blocks(title="lesionlab", analytics_enabled=False, delete_cache=(_KEPT_SECONDS, _KEPT_SECONDS))
    with app:
        gr.Markdown(f"# lesionlab\n**{RESEARCH_ONLY}** Model {model.info.identity}.")
        with gr.Row():
            with gr.Column():
                with gr.Tab("File"):
                    # Not an Image: Gradio would decode the file itself, differently from the package.
                    upload = gr.File(label="Dermoscopic image", file_types=["image"], type="filepath")
                with gr.Tab("Camera"):
                    options = gr.WebcamOptions(mirror=False, constraints=_CAMERA)
                    # PNG: without a second loss.
                    camera = gr.Image(
                        label="Camera", sources=["webcam"], type="filepath", format="png", webcam_options=options
                    )
            with gr.Column():
                text = gr.Markdown()
                label = "Class activation map of the most probable class" if model.explainable else "Image"
                image = gr.Image(label=label, interactive=False, format="jpeg", buttons=["fullscreen"])
        results = [text, image]
        gr.Examples(
            [[str(path)] for path in sorted((PAGE / "examples").glob("*.jpg"))],
            inputs=[upload],
            outputs=results,
            fn=classify,
            run_on_click=True,
            label=f"Examples: {_EXAMPLES}",
            api_visibility="private",
        )
        gr.on([upload.upload, upload.clear], classify, upload, results, api_name="predict")
        gr.on([camera.change], classify, camera, results, api_visibility="private")
    return app


def predict(model: Predictor, path: str | Path) -> Shown:
    """Classify an image file.

    Returns:
        The result as Markdown, and the image under its class activation map (the image alone for an abstention or a
        model without one).

    Raises:
        ImageError: The image cannot be read.
    """
    prepared = model.pipeline.prepare(path, name="upload")
    image = load_image(path, at_least=(_SHOWN_SIDE, _SHOWN_SIDE)).image
    image.thumbnail((_SHOWN_SIDE, _SHOWN_SIDE))
    if model.explainable:
        explained = model.pipeline.explain([prepared], [None])[0]
        prediction = explained.prediction
        if explained.explanation is not None:
            image = overlaid(image, explained.explanation.values)
    else:
        prediction = model.pipeline.predict([prepared])[0]
    return to_markdown(prediction, model.info), image


def to_markdown(prediction: Prediction, info: BundleInfo) -> str:
    """Return a prediction as Markdown: its headline, the differential, the decisions and the notes."""
    lines = [f"### {prediction.headline}"]
    if not prediction.abstained:
        lines += ["", *_differential(prediction, info)]
    if prediction.risk is not None:
        lines += ["", f"**{prediction.risk.value.capitalize()} risk**", ""]
    for point in prediction.operating_points:
        if point.positive is None:
            continue
        measured = f" ({point.measured_on}: sensitivity {point.sensitivity:.3f}, specificity {point.specificity:.3f})"
        lines.append(
            f"- {'positive' if point.positive else 'negative'} at {point.name} for {NOUNS[point.target]}: "
            f"{_percent(point.target_probability)}, threshold {point.threshold:.1%}"
            f"{measured if point.measured_on else ''}"
        )
    lines += [f"- note: {note}" for note in prediction.notes]
    if info.training_data.leaky:
        lines.append("- leaky: training and test lesions of this model may overlap")
    lines.append(f"\n{RESEARCH_ONLY}")
    return "\n".join(lines)


def _differential(prediction: Prediction, info: BundleInfo) -> list[str]:
    """Return a table of all classes, the most probable first, as the headline names it."""
    task = TASKS[info.task]
    first = {entry.code: entry.probability for entry in prediction.top}
    rest = sorted(prediction.probabilities.items(), key=lambda entry: -entry[1])
    possible = set(prediction.prediction_set.codes) if prediction.prediction_set else set()
    rows = [
        f"| {task.name_of(code)} | {_percent(share)} | {'cannot be ruled out' * (code in possible)} |"
        for code, share in (first | dict(rest)).items()
    ]
    return ["| diagnosis | calibrated probability | |", "|---|---:|---|", *rows]


def _percent(share: float) -> str:
    """Return a share in percent that is never rounded to 0 or 100."""
    if 0 < share < 0.001:
        return "<0.1%"
    return ">99.9%" if 0.999 < share < 1 else f"{share:.1%}"


def main() -> None:
    """Start the app on the loopback address, without telemetry."""
    try:
        app = build_app()
    except LesionlabError as error:
        sys.stderr.write(f"error: {error}\n")
        raise SystemExit(error.exit_code) from None
    app.launch(server_name="127.0.0.1", share=False, run_history=False, max_file_size=_MAX_UPLOAD, show_error=True)


if __name__ == "__main__":
    main()
