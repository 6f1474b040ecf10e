"""Explanations drawn over their images, as PNG files with captions."""

import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont, PngImagePlugin

from lesionlab import RESEARCH_ONLY
from lesionlab.files import FreeNames, cannot_write, replacing
from lesionlab.images import load_image
from lesionlab.images.formats import image_id
from lesionlab.results import Explanation, Prediction

# Every sixteenth colour of matplotlib's viridis (CC0): monotonic in lightness, so readable without colour vision.
_COLOURS = np.array(
    [
        (68, 1, 84), (72, 26, 108), (71, 47, 125), (65, 68, 135), (57, 86, 140), (49, 104, 142), (42, 120, 142),
        (35, 136, 142), (31, 152, 139), (34, 168, 132), (53, 183, 121), (84, 197, 104), (122, 209, 81),
        (165, 219, 54), (210, 226, 27), (253, 231, 37),
    ]
)  # fmt: skip
_OPACITY = 0.65
_SIDES = (320, 1024)  # minimum and maximum of an image's longer side in pixels


class OverlayFolder:
    """A folder with one image file per explanation.

    Args:
        folder: The folder; it is created if missing.
        images: The images to explain. None of them is overwritten.

    Raises:
        LesionlabError: The folder cannot be created.
    """

    def __init__(self, folder: Path, images: Iterable[str] = ()) -> None:
        self.folder = folder
        self._names = FreeNames(os.path.basename(image) for image in images)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise cannot_write(folder, error) from error

    def write(self, image: str, prediction: Prediction, explanation: Explanation, *, method: str | None = None) -> Path:
        """Draw an explanation over its image; return the path of the file.

        Args:
            image: Path of the image; it is read again, since a prediction holds no pixels.
            prediction: Its prediction.
            explanation: The explanation of one class.
            method: Name of the method for the file name, where there are several; its title is added to the caption.

        Raises:
            ImageError: The image cannot be read any more.
            LesionlabError: The file cannot be written.
        """
        low, high = _SIDES
        picture = load_image(image, at_least=(high, high)).image
        scale = min(max(low / max(picture.size), 1), high / max(picture.size))
        size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
        lines = [f"{explanation.name} {prediction.probabilities[explanation.code]:.1%}", RESEARCH_ONLY]
        if method is not None:
            lines.insert(0, explanation.method)
        suffix = f"-{explanation.code}" + ("" if method is None else f"-{method}")
        target = self.folder / self._names.take(image_id(image), f"{suffix}.png")
        figure = _captioned(overlaid(picture.resize(size), explanation.values), lines)
        save_figure(figure, target, f"{explanation.method}: {explanation.name}", prediction.model)
        return target


def save_figure(figure: Image.Image, path: Path, title: str, model: str) -> None:
    """Save a figure as PNG, with its title, the model and the research-only notice as metadata.

    Raises:
        LesionlabError: The file cannot be written.
    """
    notes = PngImagePlugin.PngInfo()
    for key, text in (("Title", title), ("Software", model), ("Disclaimer", RESEARCH_ONLY)):
        notes.add_text(key, text)
    with replacing(path, binary=True) as stream:
        figure.save(stream, "PNG", pnginfo=notes)


def overlaid(picture: Image.Image, values: np.ndarray) -> Image.Image:
    """Return an image with a map drawn over it; stronger evidence is lighter and less transparent.

    Args:
        picture: RGB.
        values: float32 [rows, columns] from 0 to 1 over the whole image.
    """
    grid = Image.fromarray(values.astype(np.float32))
    heat = np.asarray(grid.resize(picture.size, Image.Resampling.BILINEAR))[..., None].clip(0, 1)
    positions = np.linspace(0, 1, len(_COLOURS))
    colours = np.concatenate([np.interp(heat, positions, channel) for channel in _COLOURS.T], axis=2)
    opacity = _OPACITY * np.sqrt(heat)
    pixels = np.asarray(picture) * (1 - opacity) + colours * opacity
    return Image.fromarray(pixels.round().astype(np.uint8))


def _captioned(picture: Image.Image, lines: list[str]) -> Image.Image:
    font = _font_that_fits(lines, picture.width - 8)
    height = round(max(font.getbbox(line)[3] for line in lines) * 1.3)
    whole = Image.new("RGB", (picture.width, picture.height + height * len(lines) + 6), "white")
    whole.paste(picture)
    draw = ImageDraw.Draw(whole)
    for row, line in enumerate(lines):
        draw.text((4, picture.height + 3 + row * height), line, fill="black", font=font)
    return whole


def _font_that_fits(lines: list[str], width: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    for size in (18, 16, 14, 12, 10):
        font = ImageFont.load_default(size)
        if max(font.getlength(line) for line in lines) <= width:
            return font
    return ImageFont.load_default(8)
