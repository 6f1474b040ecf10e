"""The page of image pairs for review: one self-contained HTML file."""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files

from lesionlab import RESEARCH_ONLY, __version__
from lesionlab.errors import ImageError, MissingExtraError
from lesionlab.images import load_image

_SIDE = 220  # pixels
_QUALITY = 80


@dataclass(frozen=True, slots=True)
class ShownImage:
    """An image of the page.

    Attributes:
        location: See `lesionlab.images.read_image_bytes`.
        name: Its identifier.
        facts: Lines under it, such as lesion and diagnosis.
    """

    location: str
    name: str
    facts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ShownPair:
    """Images side by side, with a heading and lines about them."""

    heading: str
    images: tuple[ShownImage, ...]
    facts: tuple[str, ...] = ()


def render_pairs(title: str, summary: Sequence[str], pairs: Sequence[ShownPair]) -> str:
    """Return a page of images side by side.

    Args:
        title: Heading of the page.
        summary: Sentences under it.
        pairs: The images.

    Raises:
        MissingExtraError: Jinja is not installed.
    """
    try:
        from jinja2 import Environment, StrictUndefined
    except ImportError as error:
        raise MissingExtraError("the page of image pairs", "evaluate", "jinja2") from error
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["thumbnail"] = _thumbnail
    template = environment.from_string((files("lesionlab.curation") / "pairs.html.jinja").read_text(encoding="utf-8"))
    return template.render(title=title, summary=summary, pairs=pairs, research_only=RESEARCH_ONLY, version=__version__)


def _thumbnail(image: ShownImage) -> str | None:
    """Return an image as a `data:` URI; None if it cannot be read."""
    try:
        pixels = load_image(image.location, at_least=(_SIDE, _SIDE)).image
    except ImageError:
        return None
    pixels.thumbnail((_SIDE, _SIDE))
    stream = io.BytesIO()
    pixels.save(stream, "JPEG", quality=_QUALITY)
    return "data:image/jpeg;base64," + base64.b64encode(stream.getvalue()).decode("ascii")
