"""The page in browsers without the newest functions."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser, Route, expect

from tests.web.page.conftest import choose

# Newer than Safari 16.4 or Firefox 121.
NEW_FUNCTIONS = ("AbortSignal.any", "Promise.withResolvers", "Object.groupBy", "Promise.try", "Array.fromAsync")
NEW_STYLES = ("light-dark(", "@starting-style", "field-sizing:", "text-wrap:")


def without_new_styles(route: Route) -> None:
    response = route.fetch()
    styles = response.text()
    for name in NEW_STYLES:
        styles = styles.replace(name, "unknown" + name[-1])
    route.fulfill(response=response, body=styles)


@pytest.mark.slow
def test_images_are_classified_and_colours_are_shown(chromium: Browser, server: str, images: dict[str, Path]) -> None:
    colours = {}
    for scheme in ("light", "dark"):
        context = chromium.new_context(color_scheme="dark" if scheme == "dark" else "light")
        context.add_init_script("".join(f"delete {name};" for name in NEW_FUNCTIONS))
        context.route("**/*.css", without_new_styles)
        page = context.new_page()
        page.goto(server)
        choose(page, images["mole.jpg"])
        expect(page.locator(".summary")).to_contain_text("probability of malignancy")
        names = ("--page", "--ink", "--alarm", "--good", "--heat")
        style = "getComputedStyle(document.documentElement)"
        colours[scheme] = [page.evaluate(f"{style}.getPropertyValue('{name}').trim()") for name in names]
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") != "rgba(0, 0, 0, 0)"
        context.close()
    assert all(colours["light"] + colours["dark"])
    assert not set(colours["light"]) & set(colours["dark"])
