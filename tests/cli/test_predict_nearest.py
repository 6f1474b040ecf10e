"""Nearest training images of `lesionlab predict --explain`."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from lesionlab import RESEARCH_ONLY
from lesionlab.data import Manifest
from lesionlab.phantoms.dataset import METADATA
from lesionlab.prediction import Predictor
from lesionlab.results import ExplainedPrediction, NearestImage, Prediction


@pytest.fixture
def image(tmp_path: Path, photograph: Image.Image, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    photograph.save("lesion.jpg")
    return "lesion.jpg"


def reasons(bundle: Path, image: str) -> tuple[Prediction, tuple[NearestImage, ...]]:
    (found,) = Predictor.load(bundle).explain_many([image])
    assert isinstance(found, ExplainedPrediction)
    assert found.nearest_images is not None
    return found.prediction, found.nearest_images


def test_nearest_images_are_printed(
    cli: Callable[..., Any], image: str, tiny_indexed_bundle: Path, tiny_whole_bundle: Path
) -> None:
    done = cli("predict", image, "--model", tiny_indexed_bundle, "--explain", "maps")
    assert (done.code, done.err) == (0, "")
    lines = done.out.splitlines()
    start = next(row for row, line in enumerate(lines) if line.startswith("nearest training images, with the dataset"))
    prediction, similar = reasons(tiny_indexed_bundle, image)
    assert [line.split(maxsplit=2) for line in lines[start + 1 : start + 6]] == [
        [case.image_id, f"{case.similarity:.2f}", case.name] for case in similar
    ]
    assert RESEARCH_ONLY in done.out
    written = {path.name for path in Path("maps").iterdir()}
    assert written == {f"lesion-{prediction.top[0].code}.png", "lesions.csv"}
    for arguments in (["--model", tiny_indexed_bundle], ["--model", tiny_whole_bundle, "--explain", "maps"]):
        assert "nearest training images" not in cli("predict", image, *arguments).out


@pytest.mark.slow
def test_figure_shows_the_nearest_images(
    cli: Callable[..., Any], image: str, tiny_indexed_bundle: Path, phantoms: Manifest, tmp_path: Path
) -> None:
    arguments = ("predict", image, "--model", tiny_indexed_bundle, "--explain", "maps", "--force", "--nearest-images")
    done = cli(*arguments, phantoms.root)
    assert (done.code, done.err) == (0, "")
    with Image.open("maps/lesion-nearest.png") as opened:
        figure = opened.convert("RGB")
        assert opened.info["Disclaimer"] == RESEARCH_ONLY
    _, similar = reasons(tiny_indexed_bundle, image)
    first = next(record for record in phantoms if record.image_id == similar[0].image_id)
    with Image.open(phantoms.location(first)) as training:
        color = np.asarray(training.convert("RGB").resize((1, 1), Image.Resampling.BOX), float).ravel()
    tile = np.asarray(figure, float)[8 + 28 : 8 + 196, 248 : 248 + 224]  # a 4:3 figure in its square
    np.testing.assert_allclose(tile.mean(axis=(0, 1)), color, atol=3)
    # A dataset that lacks some of them shows grey squares in their place.
    shutil.copytree(phantoms.root, tmp_path / "less")
    table = tmp_path / "less" / METADATA
    table.write_text("".join(line for line in table.read_text().splitlines(True) if first.image_id not in line))
    assert cli(*arguments, tmp_path / "less").code == 0
    with Image.open("maps/lesion-nearest.png") as opened:
        assert opened.convert("RGB").getpixel((260, 20)) == (225, 225, 225)


def test_error_is_one_line(
    cli: Callable[..., Any], image: str, tiny_indexed_bundle: Path, tiny_whole_bundle: Path, phantoms: Manifest
) -> None:
    folder = Path("others/nv")
    folder.mkdir(parents=True)
    shutil.copy(image, folder / "other.jpg")
    explained = ["--explain", "maps", "--nearest-images"]
    for arguments, message in (
        (
            ["--model", tiny_indexed_bundle, "--nearest-images", phantoms.root],
            "--nearest-images needs --explain FOLDER",
        ),
        (["--model", tiny_whole_bundle, *explained, phantoms.root], "has no index of its training images"),
        (["--model", tiny_indexed_bundle, *explained, "others"], "it holds none of the training images of tiny@"),
        (
            ["--model", tiny_indexed_bundle, *explained, "gone"],
            "--nearest-images gone: there is no such file or folder",
        ),
    ):
        done = cli("predict", image, *arguments)
        assert done.code in (1, 2)
        assert message in done.err
        assert len(done.err.splitlines()) == 1
