"""Masks match the resized images."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lesionlab.data.masks import MaskFolder
from lesionlab.errors import DataError


def test_a_mask_is_resized_like_its_image(tmp_path: Path) -> None:
    mask = np.zeros((30, 40), bool)
    mask[15:, 20:] = True
    Image.fromarray(mask).save(tmp_path / "ISIC_1_segmentation.png")
    masks = MaskFolder(tmp_path)
    assert "ISIC_1" in masks
    assert "ISIC_2" not in masks
    found = masks.read("ISIC_1", 64)
    assert found.shape == (64, 64)
    assert found.dtype == bool
    assert found[34:, 34:].all()
    assert not found[:30].any()


def test_missing_or_damaged_masks_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such folder"):
        MaskFolder(tmp_path / "none")
    with pytest.raises(DataError, match="no lesion masks"):
        MaskFolder(tmp_path)
    (tmp_path / "a_segmentation.png").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"a_segmentation\.png: "):
        MaskFolder(tmp_path).read("a", 64)
