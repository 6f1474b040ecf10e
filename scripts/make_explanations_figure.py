"""Draw the figure of docs/explanations.md: `python scripts/make_explanations_figure.py RUN`, on pictures drawn by a program."""  # noqa: INP001, E501

import sys
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from lesionlab.attribution.explain import ExplainedImage, explain_image
from lesionlab.attribution.methods import choose_methods
from lesionlab.attribution.trained import RunExplainer, open_trained
from lesionlab.phantoms import phantom_image
from lesionlab.prediction.explanation.overlay import overlaid
from lesionlab.runs import RunFolder

FIGURE = Path(__file__).parent.parent / "docs/images/explanations.jpg"
LESIONS = (("mel", 3), ("bcc", 5))  # diagnosis and seed
SIDE, GAP, LINE = 150, 8, 18


def main(run: Path) -> None:
    """Explain two phantoms by every method, and write the maps side by side."""
    explainer = RunExplainer(open_trained(RunFolder(run), None), choose_methods(None))
    rows = []
    for code, seed in LESIONS:
        image = FIGURE.with_name(f"{code}-{seed}.png")
        phantom_image(code, seed, (320, 240)).save(image)
        try:
            rows.append(explain_image(explainer, str(image), stability=False))
        finally:
            image.unlink()
    drawn(rows).save(FIGURE, quality=85, optimize=True)


def drawn(rows: list[ExplainedImage]) -> Image.Image:
    """Return a row of pictures for each image: itself, then each method's map over it."""
    font, height = ImageFont.load_default(13), SIDE * 3 // 4
    columns = 1 + len(rows[0].by)
    whole = Image.new("RGB", (columns * (SIDE + GAP) + GAP, LINE + len(rows) * (height + LINE + GAP) + GAP), "white")
    draw = ImageDraw.Draw(whole)
    titles = ["The picture", *(one.explanation.method for one in rows[0].by)]
    for number, row in enumerate(rows):
        top = LINE + GAP + number * (height + LINE + GAP)
        pictures = [row.picture, *(overlaid(row.picture, one.explanation.values) for one in row.by)]
        for place, picture in enumerate(pictures):
            left = GAP + place * (SIDE + GAP)
            whole.paste(picture.resize((SIDE, height), Image.Resampling.LANCZOS), (left, top))
            if number == 0:
                draw.text((left, GAP / 2), titles[place], fill="black", font=font)
        told = f"drawn by a program; answer: {row.diagnosis_name} {row.probability:.0%}"
        draw.text((GAP, top + height + 2), told, fill="#444444", font=font)
    return whole


if __name__ == "__main__":
    main(Path(sys.argv[1]))
