"""The model as a Gradio app, for a notebook or a Space; `lesionlab serve` has the page and the API that last.

On this machine: `python -m lesionlab.gradio_app`. In a notebook, or as the whole app.py of a Space:

    from lesionlab.gradio_app import build_app
    build_app().launch(run_history=False)  # else the browser keeps the images
"""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from lesionlab import RESEARCH_ONLY
from lesionlab.bundle import BundleInfo
from lesionlab.errors import ImageError, LesionlabError, MissingExtraError
from lesionlab.images import load_image
from lesionlab.prediction import Prediction, Predictor
from lesionlab.prediction.overlay import overlaid
from lesionlab.taxonomy import TASKS

if TYPE_CHECKING:
    import gradio

_SHOWN_SIDE = 1024
_KEPT_SECONDS = 300  # Gradio keeps uploads as temporary files; these are deleted after a few minutes
_MAX_UPLOAD = "20mb"

Answer = tuple[dict[str, float], str, Image.Image]


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

    def judge(path: str | None) -> Answer | tuple[None, str, None]:
        if path is None:
            return None, "", None
        try:
            return answer(model, path)
        except ImageError as error:
            raise gr.Error(str(error), title="No answer", print_exception=False) from error

    app = gr.Blocks(title="lesionlab", analytics_enabled=False, delete_cache=(_KEPT_SECONDS, _KEPT_SECONDS))
    with app:
        gr.Markdown(f"# lesionlab\n**{RESEARCH_ONLY}** Model {model.info.identity}.")
        with gr.Row():
            with gr.Column():
                # Not an Image: Gradio would decode it first, by rules that are not those of the package.
                upload = gr.File(label="Dermoscopic image", file_types=["image"], type="filepath")
                picture = gr.Image(
                    label=_picture_label(model), interactive=False, format="jpeg", buttons=["fullscreen"]
                )
            with gr.Column():
                words = gr.Markdown()
                probabilities = gr.Label(label="Calibrated probabilities", num_top_classes=len(model.info.classes))
        gr.on([upload.upload, upload.clear], judge, upload, [probabilities, words, picture], api_name="judge")
    return app


def answer(model: Predictor, path: str | Path) -> Answer:
    """Judge an image file.

    Returns:
        The probability of each class by its name, what is to be said about the image as Markdown, and the picture,
        with the map of the answer laid over it where the model explains itself.

    Raises:
        ImageError: The image cannot be judged.
    """
    prepared = model.prepare(path, name="upload")
    picture = load_image(path, at_least=(_SHOWN_SIDE, _SHOWN_SIDE)).image
    picture.thumbnail((_SHOWN_SIDE, _SHOWN_SIDE))
    if model.explains:
        explained = model.judge_explained([prepared], [None])[0]
        prediction, picture = explained.prediction, overlaid(picture, explained.explanation.values)
    else:
        prediction = model.judge([prepared])[0]
    task = TASKS[model.info.task]
    by_name = {task.name_of(code): probability for code, probability in prediction.probabilities.items()}
    return by_name, in_words(prediction, model.info), picture


def in_words(prediction: Prediction, info: BundleInfo) -> str:
    """Return all but the list of probabilities, as Markdown: what speaks against the answer comes first."""
    best = prediction.top[0]
    found = prediction.suspicion
    lines = []
    if prediction.refusal:
        lines.append("### Do not rely on this answer")
        lines += [f"- {reason.message}" for reason in prediction.refusal.reasons]
    lines.append(f"### {best.name}: {best.probability:.1%}, {prediction.risk.value} risk")
    lines.append(f"**P({info.looked_for}) {found[info.looked_for]:.1%}**")
    for point in info.operating_points:
        side = "at or above" if found[point.looked_for] >= point.threshold else "below"
        lines.append(
            f"- {side} {point.threshold:.1%}, the threshold for {point.purpose} "
            f"({point.measured_on}: sensitivity {point.sensitivity:.3f}, specificity {point.specificity:.3f})"
        )
    lines += [f"- note: {note}" for note in prediction.notes]
    if info.training_data.leaky:
        lines.append("- leaky: images of one lesion may stand on both sides of the model's split")
    lines.append(f"\n{RESEARCH_ONLY}")
    return "\n".join(lines)


def _picture_label(model: Predictor) -> str:
    return "What speaks for the answer" if model.explains else "The image"


def main() -> None:
    """Start the app on this machine's own address; it tells nobody that it runs."""
    try:
        app = build_app()
    except LesionlabError as error:
        sys.stderr.write(f"error: {error}\n")
        raise SystemExit(error.exit_code) from None
    app.launch(server_name="127.0.0.1", share=False, run_history=False, max_file_size=_MAX_UPLOAD, show_error=True)


if __name__ == "__main__":
    main()
