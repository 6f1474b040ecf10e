"""The page of explanations: one HTML file that asks nothing of the network."""

import base64
import io
from collections.abc import Sequence
from functools import cache
from importlib.resources import files

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup
from PIL import Image

from lesionlab import RESEARCH_ONLY, __version__
from lesionlab.attribution.explain import ExplainedImage
from lesionlab.bundle import BundleInfo
from lesionlab.prediction.explanation.overlay import overlaid

_QUALITY = 85


def render_image(explained: ExplainedImage, number: int) -> Markup:
    """Return the section of one image.

    Args:
        explained: What is said of it.
        number: Unique within the page.
    """
    picture = explained.picture
    stability = explained.stability
    hairless = next((v for v in stability.variants if v.kind == "hair removed"), None) if stability else None
    return _render(
        "image.html.jinja",
        image=explained,
        number=number,
        answer=explained.prediction.top[0],
        original=_data_uri(picture),
        overlays=[(one, _data_uri(overlaid(picture, one.explanation.values))) for one in explained.by],
        stability=stability,
        kinds={} if stability is None else _by_kind(explained),
        hairless=None if hairless is None else _data_uri(Image.fromarray(hairless.pixels).resize(picture.size)),
    )


def render_page(sections: Sequence[Markup], info: BundleInfo, note: str | None) -> str:
    """Return the page.

    Args:
        sections: What `render_image` returned for each image.
        info: Description of the model.
        note: What a reader has to know of the choice of methods; None for nothing.
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


def _by_kind(explained: ExplainedImage) -> dict[str, list[tuple[float, str, bool]]]:
    """Return the changed pictures by what was changed: probability of the class, words, whether the answer stays."""
    kinds: dict[str, list[tuple[float, str, bool]]] = {}
    stability = explained.stability
    for variant in stability.variants if stability is not None else ():
        code = variant.prediction.most_probable
        words = f"{variant.amount}: {explained.diagnosis_name} {variant.probability:.0%}, most probable: {code}"
        same = code == explained.prediction.most_probable
        kinds.setdefault(variant.kind, []).append((variant.probability, words, same))
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
