"""Figures: colours, labels, file formats, incomplete histories."""

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lesionlab.errors import LesionlabError
from lesionlab.evaluation.figures import MarkedPoint, draw_roc, draw_training_curves, write_curves
from lesionlab.metrics import Estimate

History = list[dict[str, float | None]]

AUC = Estimate(value=0.9, low=0.8, high=0.95)


def test_inline_figures_use_the_colours_of_the_page() -> None:
    generator = np.random.default_rng(0)
    positive = generator.random(300) < 0.3
    svg = draw_roc(positive, positive * 0.5 + generator.random(300), AUC, [MarkedPoint("<b>", 0.9, 0.6)], mark="")
    assert svg is not None
    assert "var(--accent)" in svg
    assert re.findall(r"#[0-9a-f]{6}\b", svg) == []
    assert "&lt;b&gt;: 0.90 / 0.60" in svg
    assert "<b>" not in svg


def test_labels_of_equal_marks_do_not_overlap() -> None:
    positive = np.arange(20) < 10
    points = [MarkedPoint(f"point {number}", 0.0, 1.0) for number in range(4)]
    svg = draw_roc(positive, positive.astype(float), AUC, points, mark="")
    assert svg is not None
    heights = [float(y) for y in re.findall(r'<text[^>]* y="([\d.]+)"[^>]*>point \d', svg)]
    assert len(heights) == 4
    assert np.diff(sorted(heights)).min() > 12
    assert max(heights) < 330


def test_roc_needs_positives_and_negatives() -> None:
    assert draw_roc(np.ones(3, dtype=bool), np.ones(3), AUC, [], mark="") is None


@pytest.mark.slow
@pytest.mark.parametrize("leaky", [False, True])
def test_curves_mark_the_best_epoch(history: History, *, leaky: bool) -> None:
    svg = draw_training_curves(history, leaky=leaky)
    assert svg is not None
    assert "best epoch 2: 0.700" in svg
    assert ("best epoch 2: 0.700 leaky" in svg) is leaky


@pytest.mark.slow
def test_short_and_incomplete_histories(history: History) -> None:
    assert draw_training_curves([]) is None
    assert draw_training_curves(history[:1]) is not None
    without: History = [{"epoch": 1, "train_loss": 1.0}, {"epoch": 2, "train_loss": None}]
    svg = draw_training_curves(without)
    assert svg is not None
    assert "best epoch" not in svg


@pytest.mark.slow
def test_curves_are_written_as_png_and_svg(history: History, tmp_path: Path) -> None:
    write_curves(history, tmp_path / "curves.png")
    with Image.open(tmp_path / "curves.png") as image:
        assert image.format == "PNG"
        assert image.width > 1500
        assert image.convert("RGB").getpixel((0, 0)) == (255, 255, 255)
    write_curves(history, tmp_path / "curves.svg")
    text = (tmp_path / "curves.svg").read_text(encoding="utf-8")
    assert "best epoch 2: 0.700" in text
    assert "var(--" not in text
    assert "#0102" not in text


def test_curves_of_another_format_are_rejected(history: History, tmp_path: Path) -> None:
    with pytest.raises(LesionlabError, match=r"curves\.gif.*\.png or \.svg"):
        write_curves(history, tmp_path / "curves.gif")
    assert list(tmp_path.iterdir()) == []
