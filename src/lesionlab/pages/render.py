"""Rendering of self-contained HTML pages from templates of the package."""

import base64
import io
from collections.abc import Callable
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from PIL import Image

from lesionlab import RESEARCH_ONLY, __version__
from lesionlab.errors import ImageError, MissingExtraError
from lesionlab.images import load_image
from lesionlab.pages.colours import palette

if TYPE_CHECKING:
    from jinja2 import Environment

_QUALITY = 80


def page_environment(**filters: Callable[..., Any]) -> "Environment":
    """Return the environment of the templates, which are named by their path in the package.

    One that extends `pages/base.html.jinja` has the research notice, the styles of `pages/base.css`, and a policy that
    forbids scripts and resources from elsewhere. Values are escaped.

    Args:
        filters: Filters by name.

    Raises:
        MissingExtraError: Jinja is not installed.
    """
    try:
        from jinja2 import Environment, FunctionLoader, StrictUndefined
    except ImportError as error:
        raise MissingExtraError("an HTML page", "evaluate", "jinja2") from error
    environment = Environment(
        loader=FunctionLoader(lambda name: (files("lesionlab") / name).read_text(encoding="utf-8")),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= filters
    environment.globals |= {
        "palettes": {"light": palette(), "dark": palette(dark=True)},
        "research_only": RESEARCH_ONLY,
        "version": __version__,
    }
    return environment


def data_uri(image: Image.Image, quality: int = _QUALITY) -> str:
    """Return an image as a `data:` URI of a JPEG."""
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=quality)
    return "data:image/jpeg;base64," + base64.b64encode(stream.getvalue()).decode("ascii")


def thumbnail(location: str, side: int) -> Image.Image | None:
    """Return an image that fits into a square of a side in pixels; None if it cannot be read."""
    try:
        image = load_image(location, at_least=(side, side)).image
    except ImageError:
        return None
    image.thumbnail((side, side))
    return image
