"""Prevalence, operating point and patient data change a result at once, in both pages as in Python."""

import csv
import io
import re

import pytest
from playwright.sync_api import Page, expect

from lesionlab.bundle import Patient, default_bundle_path
from lesionlab.prediction import Predictor
from lesionlab.web.bundle import PAGE
from tests.web.page.conftest import Host, OpenPage, Serve, choose

pytestmark = pytest.mark.slow


def headline(page: Page) -> str:
    """Return the headline of the only image, from the file of results."""
    page.evaluate("location.hash = '#classify'")
    with page.expect_download() as download:
        page.get_by_role("button", name="Download as CSV").click()
    (row,) = csv.DictReader(io.StringIO(download.value.path().read_text(encoding="utf-8")))
    page.go_back()
    return row["headline"]


def assert_equal(found: str, expected: str) -> None:
    """Compare two headlines; the weights of the static page are rounded, and so its percentages may differ a little."""
    number = r"\d+\.\d+"
    assert re.sub(number, "", found) == re.sub(number, "", expected)
    assert [float(text) for text in re.findall(number, found)] == pytest.approx(
        [float(text) for text in re.findall(number, expected)], abs=0.5
    )


@pytest.mark.parametrize("kind", ["server", "static"])
def test_result_follows_prevalence_operating_point_and_patient(
    open_page: OpenPage, serve: Serve, host: Host, kind: str
) -> None:
    bundle, image = default_bundle_path(), PAGE / "examples" / "melanoma.jpg"
    page = open_page(serve(bundle) if kind == "server" else host(bundle))
    choose(page, image)
    page.locator(".summary").wait_for(timeout=30_000)
    assert_equal(headline(page), Predictor.load(threads=1).predict(image).headline)
    page.get_by_text("Age, sex, site and prevalence").click()
    page.get_by_label("Prevalence of malignancy in percent").fill("2")
    page.get_by_label("Operating point", exact=True).select_option("90% sensitivity for malignancy")
    page.get_by_label("Sex", exact=True).select_option("male")
    page.get_by_label("Age in years").fill("70")
    expect(page.locator(".summary")).to_contain_text("at 90% sensitivity")
    stated = Predictor.load(threads=1, prevalence={"malignant": 0.02}, risk="sensitivity=0.9")
    patient = Patient(age=70, sex="male")
    assert_equal(headline(page), stated.predict(image, patient).headline)
    page.get_by_text("Age, sex, site and prevalence").click()
    page.get_by_label("Prevalence of malignancy in percent").fill("")
    by_image = Predictor.load(threads=1, risk="sensitivity=0.9").predict(image, patient)
    assert_equal(headline(page), by_image.headline)
