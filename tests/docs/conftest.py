"""A folder with the files that the examples of the documentation name."""

import shutil
from pathlib import Path

import pytest

import lesionlab

SYNTHETIC = Path(lesionlab.__file__).parent / "web/page/examples"


@pytest.fixture
def documented_files(tmp_path: Path, unlike_dermoscopy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in a folder with lesion.jpg, and images/ with a readable, an abstained and a damaged image."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(SYNTHETIC / "nevus.jpg", tmp_path / "lesion.jpg")
    images = tmp_path / "images"
    images.mkdir()
    shutil.copy(SYNTHETIC / "nevus.jpg", images / "lesion.jpg")
    shutil.copy(unlike_dermoscopy, images / "drawing.jpg")
    (images / "damaged.jpg").write_bytes(b"not an image")
