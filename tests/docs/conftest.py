"""A folder with the files that the examples of the documentation name."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import lesionlab
from lesionlab.phantoms import draw_lesion, draw_view, render
from lesionlab.taxonomy import CODES

SYNTHETIC = Path(lesionlab.__file__).parent / "web/page/examples"


@pytest.fixture
def documented_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in a folder with lesion.jpg, and images/ with a readable, an abstained and a damaged image."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(SYNTHETIC / "nevus.jpg", tmp_path / "lesion.jpg")
    images = tmp_path / "images"
    images.mkdir()
    shutil.copy(SYNTHETIC / "nevus.jpg", images / "lesion.jpg")
    rng = np.random.default_rng((0, CODES.index("vasc")))
    drawing = render(draw_lesion("vasc", rng), draw_view(rng), (320, 240))
    Image.fromarray(drawing).save(images / "drawing.jpg", quality=85, optimize=True)
    (images / "damaged.jpg").write_bytes(b"not an image")
