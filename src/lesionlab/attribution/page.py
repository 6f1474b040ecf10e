"""The HTML page of explanations."""

from collections.abc import Sequence

from markupsafe import Markup
from PIL import Image

from lesionlab.attribution.explained import ExplainedImage
from lesionlab.attribution.stability import Stability
from lesionlab.bundle import BundleInfo
from lesionlab.pages import data_uri, page_environment
from lesionlab.prediction.explanation.overlay import overlaid


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
        original=data_uri(thumbnail),
        overlays=[(one, data_uri(overlaid(thumbnail, one.explanation.values))) for one in explained.maps],
        stability=stability,
        kinds=_by_kind(stability) if stability else {},
        hairless=data_uri(Image.fromarray(hairless.pixels).resize(thumbnail.size)) if hairless else None,
    )


def render_page(sections: Sequence[Markup], info: BundleInfo, note: str | None) -> str:
    """Return the page.

    Args:
        sections: The results of `render_image`.
        info: Description of the model.
        note: Remark on the methods; None for none.
    """
    return _render("page.html.jinja", sections=sections, info=info, note=note)


def _by_kind(stability: Stability) -> dict[str, list[tuple[float, str, bool]]]:
    """Return, by kind of perturbation: probability of the class, description, whether the prediction is unchanged."""
    kinds: dict[str, list[tuple[float, str, bool]]] = {}
    for variant in stability.variants:
        code = variant.prediction.most_probable
        text = f"{variant.amount}: {stability.name} {variant.probability:.0%}, most probable: {code}"
        same = code == stability.original.most_probable
        kinds.setdefault(variant.kind, []).append((variant.probability, text, same))
    return kinds


def _render(template: str, **values: object) -> Markup:
    return Markup(page_environment().get_template(f"attribution/{template}").render(**values))  # noqa: S704 - escaped as it was rendered
