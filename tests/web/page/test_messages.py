"""The texts of the page in two languages."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.web.page.conftest import accessibility_issues, choose

pytestmark = pytest.mark.slow

PLACEHOLDER = re.compile(r"\{(\w+)\}")


def test_both_languages_have_the_same_messages_and_values(chromium: Browser, server: str) -> None:
    page = chromium.new_page()
    page.goto(server)
    found = page.evaluate(
        """async () => {
          const script = document.querySelector("script[type=module]").src;
          const { CATALOGUES } = await import(script.replace(/server.*/, "messages.js"));
          return Object.fromEntries(Object.entries(CATALOGUES).map(([code, { messages }]) => [code, messages]));
        }"""
    )
    page.close()
    assert found["en"].keys() == found["de"].keys()
    for key, message in found["en"].items():
        forms, others = ([m] if isinstance(m, str) else list(m.values()) for m in (message, found["de"][key]))
        values = [set(PLACEHOLDER.findall(form)) for form in (*forms, *others)]
        assert set.union(*values) in values, key
        assert all(form.strip() for form in (*forms, *others)), key


def test_the_page_uses_the_language_of_the_browser(chromium: Browser, server: str, images: dict[str, Path]) -> None:
    context = chromium.new_context(locale="de-AT", viewport={"width": 390, "height": 844})
    page = context.new_page()
    page.goto(server)
    choose(page, images["mole.jpg"])
    summary = page.locator(".summary")
    expect(summary).to_contain_text("Wahrscheinlichkeit für Malignität")
    expect(summary).to_contain_text("bei 95 % Sensitivität für Malignität")
    expect(summary.locator("strong")).to_have_text(re.compile(r"^[<>]?\d+,\d\s%$"))
    expect(page.locator(".research-notice")).to_have_text("Nur für Forschung und Lehre, keine Diagnose.")
    expect(page.locator(".bars").first).to_contain_text("Melanozytärer Nävus")
    expect(page.locator("html")).to_have_attribute("lang", "de")
    assert accessibility_issues(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    page.get_by_label("Sprache").select_option("en")
    expect(summary).to_contain_text("probability of malignancy")
    expect(page.locator("html")).to_have_attribute("lang", "en")
    page.reload()
    expect(summary).to_contain_text("probability of malignancy")  # a reload keeps the image and the language
    context.close()
