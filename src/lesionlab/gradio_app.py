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

if TYPE_CHECKING:
    import gradio

_SHOWN_SIDE = 1024
_KEPT_SECONDS = 300  # Gradio keeps uploads as temporary files; these are deleted after a few minutes
_MAX_UPLOAD = "20mb"

Shown = tuple[dict[str, float] | None, str, Image.Image]


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

    def classify(path: str | None) -> Shown | tuple[None, str, None]:
        if path is None:
            return None, "", None
        try:
            return predict(model, path)
        except ImageError as error:
            raise gr.Error(str(error), title="No result", print_exception=False) from error

    app = gr.Blocks(title="lesionlab", analytics_enabled=False, delete_cache=(_KEPT_SECONDS, _KEPT_SECONDS))
    with app:
        gr.Markdown(f"# lesionlab\n**{RESEARCH_ONLY}** Model {model.info.identity}.")
        with gr.Row():
            with gr.Column():
                # Not an Image: Gradio would decode the file itself, differently from the package.
                upload = gr.File(label="Dermoscopic image", file_types=["image"], type="filepath")
                label = "Class activation map of the most probable class" if model.explainable else "Image"
                image = gr.Image(label=label, interactive=False, format="jpeg", buttons=["fullscreen"])
            with gr.Column():
                text = gr.Markdown()
                probabilities = gr.Label(label="Calibrated probabilities", num_top_classes=len(model.info.classes))
        gr.on([upload.upload, upload.clear], classify, upload, [probabilities, text, image], api_name="predict")
    return app


def predict(model: Predictor, path: str | Path) -> Shown:
    """Classify an image file.

    Returns:
        The probability of each class by its name, the most probable first (None for an abstention), the result as
        Markdown, and the image under its class activation map (none for an abstention or a model without one).

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
    return _by_name(prediction, model.info), to_markdown(prediction, model.info), image


def to_markdown(prediction: Prediction, info: BundleInfo) -> str:
    """Return a prediction as Markdown, without the list of probabilities."""
    lines = [f"### {prediction.headline}"]
    if prediction.risk is not None:
        lines.append(f"**{prediction.risk.value.capitalize()} risk**")
    for point in prediction.operating_points:
        if point.positive is None:
            continue
        measured = f" ({point.measured_on}: sensitivity {point.sensitivity:.3f}, specificity {point.specificity:.3f})"
        lines.append(
            f"- {'positive' if point.positive else 'negative'} at {point.name} for {NOUNS[point.target]}: "
            f"{point.target_probability:.1%}, threshold {point.threshold:.1%}{measured if point.measured_on else ''}"
        )
    lines += [f"- note: {note}" for note in prediction.notes]
    if info.training_data.leaky:
        lines.append("- leaky: training and test lesions of this model may overlap")
    lines.append(f"\n{RESEARCH_ONLY}")
    return "\n".join(lines)


def _by_name(prediction: Prediction, info: BundleInfo) -> dict[str, float] | None:
    # gr.Label has the first of the largest values as its title, so the order of `top` decides between equal ones.
    if prediction.abstained:
        return None
    task = TASKS[info.task]
    rest = {task.name_of(code): probability for code, probability in prediction.probabilities.items()}
    return {diagnosis.name: diagnosis.probability for diagnosis in prediction.top} | rest


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
