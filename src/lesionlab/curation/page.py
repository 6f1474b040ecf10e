"""The page of image pairs for review: one self-contained HTML file."""

from collections.abc import Sequence
from dataclasses import dataclass

from lesionlab.pages import data_uri, page_environment, thumbnail

_SIDE = 220  # pixels


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
    template = page_environment(thumbnail=_thumbnail).get_template("curation/pairs.html.jinja")
    return template.render(title=title, summary=summary, pairs=pairs)


def _thumbnail(image: ShownImage) -> str | None:
    shown = thumbnail(image.location, _SIDE)
    return None if shown is None else data_uri(shown)
