"""Overlays are separate files with safe names and without the metadata of the original."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lesionlab import RESEARCH_ONLY
from lesionlab.errors import LesionlabError
from lesionlab.prediction import Predictor
from lesionlab.prediction.explanation.overlay import OverlayFolder, overlaid
from lesionlab.results import Explanation, Prediction


@pytest.fixture(scope="module")
def predictor(tiny_whole_bundle: Path) -> Predictor:
    return Predictor.load(tiny_whole_bundle)


@pytest.fixture(scope="module")
def explained(predictor: Predictor, photograph: Image.Image) -> tuple[Prediction, Explanation]:
    (found,) = predictor.pipeline.explain([predictor.pipeline.prepare(photograph)], ["mel"])
    assert found.explanation is not None
    return found.prediction, found.explanation


def test_the_lightest_place_has_the_most_evidence() -> None:
    values = np.zeros((4, 4), np.float32)
    values[3, 0] = 1
    grey = Image.new("RGB", (120, 80), (100, 100, 100))
    pixels = np.asarray(overlaid(grey, values)).astype(int)
    assert pixels.shape == (80, 120, 3)
    row, column = np.unravel_index(pixels.sum(axis=2).argmax(), (80, 120))
    assert row >= 60
    assert column < 30
    np.testing.assert_array_equal(pixels[:20, 60:], 100)  # without evidence the image is unchanged
    np.testing.assert_array_equal(overlaid(grey, np.zeros((4, 4), np.float32)), grey)


def test_lightness_is_monotonic() -> None:
    ramp = np.linspace(0.05, 1, 64, dtype=np.float32)[None]
    grey = Image.new("RGB", (64, 1), (0, 0, 0))
    lightness = np.asarray(overlaid(grey, ramp).convert("L"))[0].astype(int)
    assert (np.diff(lightness) >= 0).all()
    assert lightness[-1] - lightness[0] > 100


@pytest.mark.slow
@pytest.mark.parametrize("size", [(8, 8), (160, 120), (3000, 40), (2000, 1500)])
def test_its_size_is_bounded_and_holds_a_caption(
    tmp_path: Path, explained: tuple[Prediction, Explanation], photograph: Image.Image, size: tuple[int, int]
) -> None:
    photograph.resize(size).save(tmp_path / "a.png")
    written = OverlayFolder(tmp_path / "o").write(str(tmp_path / "a.png"), *explained)
    with Image.open(written) as picture:
        assert (picture.format, picture.mode) == ("PNG", "RGB")
        assert 320 <= max(picture.size) <= 1100
        assert picture.info["Title"] == "class activation map: Melanoma"
        assert picture.info["Disclaimer"] == RESEARCH_ONLY
        assert picture.info["Software"] == explained[0].model


def test_metadata_of_the_original_is_dropped(
    tmp_path: Path, explained: tuple[Prediction, Explanation], photograph: Image.Image
) -> None:
    exif = Image.Exif()
    exif[0x010E] = "Jane Doe, 1970"
    exif[0x0112] = 6  # on its side
    photograph.save(tmp_path / "a.jpg", exif=exif, comment=b"Jane Doe", icc_profile=b"Jane Doe")
    written = OverlayFolder(tmp_path / "o").write(str(tmp_path / "a.jpg"), *explained)
    assert b"Jane" not in written.read_bytes()
    with Image.open(written) as picture:
        assert set(picture.info) == {"Title", "Software", "Disclaimer"}
        assert not picture.getexif()
        assert picture.height > picture.width  # upright


def test_names_are_safe_and_unique(
    tmp_path: Path, explained: tuple[Prediction, Explanation], photograph: Image.Image
) -> None:
    names = [
        "a.jpg",
        "A.png",
        "ü ü.png",
        "../x.png",
        "-rf.png",
        ".png.png",
        "b" * 200 + ".png",
        "c;d&e.png",
        "a-mel.png",
    ]
    places = [tmp_path / "in" / str(number) / Path(name).name for number, name in enumerate(names)]
    for place in places:
        place.parent.mkdir(parents=True)
        photograph.save(place)
    overlays = OverlayFolder(tmp_path / "o", map(str, places))
    written = [overlays.write(str(place), *explained).name for place in places]
    assert written == [
        *("a-mel-2.png", "A-mel-3.png", "image-mel.png", "x-mel.png", "rf-mel.png", "png-mel.png"),
        *("b" * 80 + "-mel.png", "c_d_e-mel.png", "a-mel-mel.png"),
    ]
    assert sorted(written) == sorted(path.name for path in (tmp_path / "o").iterdir())


def test_an_image_is_never_overwritten(
    tmp_path: Path, explained: tuple[Prediction, Explanation], photograph: Image.Image
) -> None:
    for name in ("a.png", "a-mel.png"):
        photograph.save(tmp_path / name)
    before = (tmp_path / "a-mel.png").read_bytes()
    overlays = OverlayFolder(tmp_path, [str(tmp_path / "a.png"), str(tmp_path / "a-mel.png")])
    assert overlays.write(str(tmp_path / "a.png"), *explained).name == "a-mel-2.png"
    assert (tmp_path / "a-mel.png").read_bytes() == before


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(LesionlabError, match="cannot write"):
        OverlayFolder(tmp_path / "file")
