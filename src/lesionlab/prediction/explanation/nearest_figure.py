"""An image beside the training cases that are most like it, as a picture that says what each of them is."""

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from PIL import Image, ImageDraw, ImageFont, ImageOps, PngImagePlugin

from lesionlab import RESEARCH_ONLY
from lesionlab.errors import ImageError
from lesionlab.files import FreeNames, replacing
from lesionlab.images import load_image
from lesionlab.prediction.explanation.nearest_images import SIMILARITY_MEANING
from lesionlab.prediction.io.inputs import image_id
from lesionlab.results import NearestImage, Prediction

_SIDE: Final = 224  # of the square that a picture stands in, in pixels
_GAP: Final = 8
_FONT: Final = 13
_LETTERS: Final = 32  # that fit below a picture in one line
_LINES: Final = 4
_MISSING: Final = (225, 225, 225)


class NearestImageFolder:
    """A folder that takes one picture for each image with its similar cases.

    Args:
        folder: The folder, which exists.
        places: Where the training images are, by identifier.
        images: The images that will be shown. None of them is ever overwritten.
    """

    def __init__(self, folder: Path, places: Mapping[str, str], images: Sequence[str] = ()) -> None:
        self.folder = folder
        self._places = places
        self._names = FreeNames(Path(image).name for image in images)

    def write(self, image: str, prediction: Prediction, similar: Sequence[NearestImage]) -> Path:
        """Show an image beside its similar cases; return the picture's place.

        Args:
            image: Where the image is; it is read again, since a prediction keeps no pixels.
            prediction: What was predicted for it.
            similar: The training cases; one whose image is not at hand gets a grey square.

        Raises:
            ImageError: The image or a training image cannot be read.
            LesionlabError: The picture cannot be written.
        """
        tiles = [_tile(_square(image), ["this image", prediction.headline])]
        tiles += [self._case_tile(case) for case in similar]
        notes = PngImagePlugin.PngInfo()
        notes.add_text("Title", "the most similar training cases")
        notes.add_text("Software", prediction.model)
        notes.add_text("Disclaimer", RESEARCH_ONLY)
        target = self.folder / self._names.take(image_id(image), "-similar.png")
        with replacing(target, binary=True) as stream:
            _in_a_row(tiles).save(stream, "PNG", pnginfo=notes)
        return target

    def _case_tile(self, case: NearestImage) -> Image.Image:
        lines, place = [case.image_id, f"similarity {case.similarity:.2f}", case.name], self._places.get(case.image_id)
        if place is None:
            return _tile(None, lines)
        try:
            return _tile(_square(place), lines)
        except ImageError as error:
            raise ImageError(f"the training image {place}: {error}") from error


def _square(place: str) -> Image.Image:
    picture = load_image(place, at_least=(_SIDE, _SIDE)).image
    return ImageOps.pad(picture, (_SIDE, _SIDE), Image.Resampling.BICUBIC, color="white")


def _tile(picture: Image.Image | None, lines: Sequence[str]) -> Image.Image:
    """Return a square picture, or a grey square for one that is not at hand, with lines below it."""
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
    """Return tiles side by side, the first a little apart, with what they are below them."""
    width = len(tiles) * (_SIDE + _GAP) + 2 * _GAP
    font = ImageFont.load_default(_FONT)
    below = [
        f"The most similar training cases, with the dataset's own diagnoses. Similarity {SIMILARITY_MEANING}.",
        RESEARCH_ONLY,
    ]
    below = [part for line in below for part in textwrap.wrap(line, width // 7)]
    whole = Image.new("RGB", (width, tiles[0].height + len(below) * (_FONT + 4) + 2 * _GAP), "white")
    for index, tile in enumerate(tiles):
        whole.paste(tile, (_GAP + index * (_SIDE + _GAP) + (_GAP if index else 0), _GAP))
    draw = ImageDraw.Draw(whole)
    for row, line in enumerate(below):
        draw.text((_GAP, _GAP + tiles[0].height + row * (_FONT + 4)), line, fill="black", font=font)
    return whole
