"""Figures of an image and its nearest training images, with captions."""

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from PIL import Image, ImageDraw, ImageFont, ImageOps

from lesionlab import RESEARCH_ONLY
from lesionlab.errors import ImageError
from lesionlab.files import FreeNames
from lesionlab.images import load_image
from lesionlab.images.formats import image_id
from lesionlab.prediction.explanation.nearest_images import SIMILARITY_MEANING
from lesionlab.prediction.explanation.overlay import save_figure
from lesionlab.results import NearestImage, Prediction

_SIDE: Final = 224  # side of a tile in pixels
_GAP: Final = 8
_FONT: Final = 13
_LETTERS: Final = 32  # characters per caption line
_LINES: Final = 4
_MISSING: Final = (225, 225, 225)


class NearestImageFolder:
    """A folder with one figure per image.

    Args:
        folder: An existing folder.
        paths: Paths of the training images by identifier.
        images: The images to show. None of them is overwritten.
    """

    def __init__(self, folder: Path, paths: Mapping[str, str], images: Sequence[str] = ()) -> None:
        self.folder = folder
        self._paths = paths
        self._names = FreeNames(Path(image).name for image in images)

    def write(self, image: str, prediction: Prediction, nearest: Sequence[NearestImage]) -> Path:
        """Draw an image and its nearest training images; return the path of the figure.

        Args:
            image: Path of the image; it is read again, since a prediction holds no pixels.
            prediction: Its prediction.
            nearest: The nearest training images; a missing file gets a grey square.

        Raises:
            ImageError: The image or a training image cannot be read.
            LesionlabError: The figure cannot be written.
        """
        tiles = [_tile(_square(image), ["this image", prediction.headline])]
        tiles += [self._nearest_tile(one) for one in nearest]
        target = self.folder / self._names.take(image_id(image), "-nearest.png")
        save_figure(_in_a_row(tiles), target, "nearest training images", prediction.model)
        return target

    def _nearest_tile(self, one: NearestImage) -> Image.Image:
        lines, path = [one.image_id, f"similarity {one.similarity:.2f}", one.name], self._paths.get(one.image_id)
        if path is None:
            return _tile(None, lines)
        try:
            return _tile(_square(path), lines)
        except ImageError as error:
            raise ImageError(f"the training image {path}: {error}") from error


def _square(path: str) -> Image.Image:
    picture = load_image(path, at_least=(_SIDE, _SIDE)).image
    return ImageOps.pad(picture, (_SIDE, _SIDE), Image.Resampling.BICUBIC, color="white")


def _tile(picture: Image.Image | None, lines: Sequence[str]) -> Image.Image:
    """Return a tile with a caption; a grey square for a missing image."""
    font = ImageFont.load_default(_FONT)
    tile = Image.new("RGB", (_SIDE, _SIDE + _LINES * (_FONT + 4) + _GAP), "white")
    draw = ImageDraw.Draw(tile)
    if picture is None:
        draw.rectangle((0, 0, _SIDE, _SIDE - 1), fill=_MISSING)
        draw.text((_SIDE / 2, _SIDE / 2), "not in this dataset", fill="black", font=font, anchor="mm")
    else:
        tile.paste(picture)
    wrapped = [part for line in lines for part in textwrap.wrap(line, _LETTERS)][:_LINES]
    for row, line in enumerate(wrapped):
        draw.text((0, _SIDE + 4 + row * (_FONT + 4)), line, fill="black", font=font)
    return tile


def _in_a_row(tiles: Sequence[Image.Image]) -> Image.Image:
    """Return the tiles in a row, the first set apart, with a caption."""
    width = len(tiles) * (_SIDE + _GAP) + 2 * _GAP
    font = ImageFont.load_default(_FONT)
    caption = f"Nearest training images, with the dataset's own diagnoses. Similarity {SIMILARITY_MEANING}."
    below = [part for line in (caption, RESEARCH_ONLY) for part in textwrap.wrap(line, width // 7)]
    whole = Image.new("RGB", (width, tiles[0].height + len(below) * (_FONT + 4) + 2 * _GAP), "white")
    for index, tile in enumerate(tiles):
        whole.paste(tile, (_GAP + index * (_SIDE + _GAP) + (_GAP if index else 0), _GAP))
    draw = ImageDraw.Draw(whole)
    for row, line in enumerate(below):
        draw.text((_GAP, _GAP + tiles[0].height + row * (_FONT + 4)), line, fill="black", font=font)
    return whole
