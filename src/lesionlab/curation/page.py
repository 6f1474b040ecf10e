"""The page for review of pairs and labels: one self-contained HTML file."""

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
class ReviewItem:
    """Images side by side, with a heading and lines about them."""

    heading: str
    images: tuple[ShownImage, ...]
    facts: tuple[str, ...] = ()


def render_review(title: str, summary: Sequence[str], items: Sequence[ReviewItem]) -> str:
    """Return a page with the images of each item side by side.

    Args:
        title: Heading of the page.
        summary: Sentences under it.
        items: Pairs of images or lesions, each numbered.

    Raises:
        MissingExtraError: Jinja is not installed.
    """
    template = page_environment(thumbnail=_thumbnail).get_template("curation/review.html.jinja")
    return template.render(title=title, summary=summary, items=items)


def _thumbnail(image: ShownImage) -> str | None:
    shown = thumbnail(image.location, _SIDE)
    return None if shown is None else data_uri(shown)
