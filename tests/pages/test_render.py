"""The base of all pages: escaped, self-contained, with the research notice."""

import base64
import io
from pathlib import Path

from PIL import Image

from lesionlab import RESEARCH_ONLY
from lesionlab.pages import data_uri, page_environment, thumbnail

TEMPLATE = """{% extends "pages/base.html.jinja" %}
{% block title %}{{ name }}{% endblock %}
{% block content %}{{ name | twice }}{% endblock %}
"""


def test_a_page_is_escaped_and_has_notice_style_and_policy() -> None:
    page = page_environment(twice=lambda text: text * 2).from_string(TEMPLATE).render(name="<b>")
    assert "<title>&lt;b&gt;</title>" in page
    assert "&lt;b&gt;&lt;b&gt;" in page
    assert RESEARCH_ONLY in page
    assert "default-src 'none'" in page
    assert page.count("--ink:") == 2
    assert "prefers-color-scheme: dark" in page
    assert "://" not in page


def test_a_thumbnail_fits_into_its_square_and_may_be_missing(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.new("RGB", (400, 200), "red").save(path)
    image = thumbnail(str(path), 100)
    assert image is not None
    assert image.size == (100, 50)
    head, content = data_uri(image).split(",")
    assert head == "data:image/jpeg;base64"
    assert Image.open(io.BytesIO(base64.b64decode(content))).size == (100, 50)
    assert thumbnail(str(tmp_path / "missing.png"), 100) is None
