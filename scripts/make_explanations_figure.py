"""Draw the figure of docs/explanations.md: `python scripts/make_explanations_figure.py RUN`, on synthetic images."""  # noqa: INP001

import sys
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from lesionlab.attribution.explain import explain_image
from lesionlab.attribution.explained import ExplainedImage
from lesionlab.attribution.methods import choose_methods
from lesionlab.attribution.trained import RunExplainer, open_trained
from lesionlab.phantoms import phantom_image
from lesionlab.prediction.explanation.overlay import overlaid
from lesionlab.runs import RunFolder

FIGURE = Path(__file__).parent.parent / "docs/images/explanations.jpg"
LESIONS = (("mel", 3), ("bcc", 5))  # diagnosis and seed
SIDE, GAP, LINE = 150, 8, 18


def main(run: Path) -> None:
    """Explain two synthetic images by every method and write the maps side by side."""
    explainer = RunExplainer(open_trained(RunFolder(run), None), choose_methods(None))
    rows = []
    for code, seed in LESIONS:
        image = FIGURE.with_name(f"{code}-{seed}.png")
        phantom_image(code, seed, (320, 240)).save(image)
        try:
            rows.append(explain_image(explainer, str(image), stability=False))
        finally:
            image.unlink()
    draw_figure(rows).save(FIGURE, quality=85, optimize=True)


def draw_figure(rows: list[ExplainedImage]) -> Image.Image:
    """Return one row per image: the image, then each method's map drawn over it."""
    font, height = ImageFont.load_default(13), SIDE * 3 // 4
    columns = 1 + len(rows[0].maps)
    whole = Image.new("RGB", (columns * (SIDE + GAP) + GAP, LINE + len(rows) * (height + LINE + GAP) + GAP), "white")
    draw = ImageDraw.Draw(whole)
    titles = ["Image", *(one.explanation.method for one in rows[0].maps)]
    for number, row in enumerate(rows):
        top = LINE + GAP + number * (height + LINE + GAP)
        images = [row.thumbnail, *(overlaid(row.thumbnail, one.explanation.values) for one in row.maps)]
        for column, image in enumerate(images):
            left = GAP + column * (SIDE + GAP)
            whole.paste(image.resize((SIDE, height), Image.Resampling.LANCZOS), (left, top))
            if number == 0:
                draw.text((left, GAP / 2), titles[column], fill="black", font=font)
        caption = f"synthetic image; most probable: {row.name} {row.probability:.0%}"
        draw.text((GAP, top + height + 2), caption, fill="#444444", font=font)
    return whole


if __name__ == "__main__":
    main(Path(sys.argv[1]))
