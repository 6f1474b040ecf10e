"""The HTML page of explanations."""

import base64
import io
from collections.abc import Sequence
from functools import cache
from importlib.resources import files

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup
from PIL import Image

from lesionlab import RESEARCH_ONLY, __version__
from lesionlab.attribution.explained import ExplainedImage
from lesionlab.attribution.stability import Stability
from lesionlab.bundle import BundleInfo
from lesionlab.prediction.explanation.overlay import overlaid

_QUALITY = 85


def render_image(explained: ExplainedImage, number: int) -> Markup:
    """Return the section of one image.

    Args:
        explained: The image with its maps.
        number: Unique within the page.
    """
    thumbnail, stability = explained.thumbnail, explained.stability
    hairless = next((v for v in stability.variants if v.kind == "hair removed"), None) if stability else None
    return _render(
        "image.html.jinja",
        image=explained,
        number=number,
        original=_data_uri(thumbnail),
        overlays=[(one, _data_uri(overlaid(thumbnail, one.explanation.values))) for one in explained.maps],
        stability=stability,
        kinds=_by_kind(stability) if stability else {},
        hairless=_data_uri(Image.fromarray(hairless.pixels).resize(thumbnail.size)) if hairless else None,
    )


def render_page(sections: Sequence[Markup], info: BundleInfo, note: str | None) -> str:
    """Return the page.

    Args:
        sections: The results of `render_image`.
        info: Description of the model.
        note: Remark on the methods; None for none.
    """
    return _render(
        "page.html.jinja",
        sections=sections,
        info=info,
        note=note,
        style=Markup(_resource("page.css")),  # noqa: S704 - a file of the package
        research_only=RESEARCH_ONLY,
        version=__version__,
    )


def _by_kind(stability: Stability) -> dict[str, list[tuple[float, str, bool]]]:
    """Return, by kind of perturbation: probability of the class, description, whether the prediction is unchanged."""
    kinds: dict[str, list[tuple[float, str, bool]]] = {}
    for variant in stability.variants:
        code = variant.prediction.most_probable
        text = f"{variant.amount}: {stability.name} {variant.probability:.0%}, most probable: {code}"
        same = code == stability.original.most_probable
        kinds.setdefault(variant.kind, []).append((variant.probability, text, same))
    return kinds


def _data_uri(picture: Image.Image) -> str:
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=_QUALITY)
    return "data:image/jpeg;base64," + base64.b64encode(stream.getvalue()).decode()


@cache
def _environment() -> Environment:
    return Environment(
        loader=FunctionLoader(_resource),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _render(template: str, **values: object) -> Markup:
    return Markup(_environment().get_template(template).render(**values))  # noqa: S704 - escaped as it was rendered


def _resource(name: str) -> str:
    return (files("lesionlab.attribution") / name).read_text(encoding="utf-8")
