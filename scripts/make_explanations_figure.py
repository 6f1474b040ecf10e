"""Draw the figure of docs/explanations.md, the shipped model on synthetic images."""  # noqa: INP001

from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from lesionlab.attribution.methods import choose_methods
from lesionlab.attribution.trained import NetworkExplainer, open_trained
from lesionlab.bundle import Bundle
from lesionlab.phantoms import phantom_image
from lesionlab.prediction.explanation.overlay import overlaid
from lesionlab.taxonomy import label_name

FIGURE = Path(__file__).parent.parent / "docs/images/explanations.jpg"
LESIONS = (("mel", 3), ("bcc", 5))  # diagnosis and seed
SIDE, GAP, LINE = 150, 8, 18


def main() -> None:
    """Draw the maps of every method for two synthetic images, one row each."""
    # The maps are drawn for abstentions too: the figure shows the methods, not a result.
    explainer = NetworkExplainer(open_trained(Bundle.load(None)), choose_methods(None))
    pipeline = explainer.predictor.pipeline
    font, height = ImageFont.load_default(13), SIDE * 3 // 4
    columns = 1 + len(explainer.methods)
    whole = Image.new("RGB", (columns * (SIDE + GAP) + GAP, LINE + len(LESIONS) * (height + LINE + GAP) + GAP), "white")
    draw = ImageDraw.Draw(whole)
    for row, (code, seed) in enumerate(LESIONS):
        top = LINE + GAP + row * (height + LINE + GAP)
        image = phantom_image(code, seed, (320, 240))
        prepared = pipeline.prepare(image)
        (prediction,) = pipeline.predict([prepared])
        maps = [one.explanation for one in explainer.maps(prepared, prediction.most_probable)]
        tiles = [("Image", image), *((one.method, overlaid(image, one.values)) for one in maps)]
        for column, (title, tile) in enumerate(tiles):
            left = GAP + column * (SIDE + GAP)
            whole.paste(tile.resize((SIDE, height), Image.Resampling.LANCZOS), (left, top))
            if row == 0:
                draw.text((left, GAP / 2), title, fill="black", font=font)
        probability = prediction.probabilities[prediction.most_probable]
        caption = f"synthetic image; most probable: {label_name(prediction.most_probable)} {probability:.0%}"
        draw.text((GAP, top + height + 2), caption, fill="#444444", font=font)
    whole.save(FIGURE, quality=85, optimize=True)


if __name__ == "__main__":
    main()
