"""`lesionlab predict --group` and `--clinical`: one result per lesion."""

import csv
import io
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from lesionlab.prediction import Predictor

Run = Callable[..., Any]


@pytest.fixture
def run(cli: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tiny_bundle: Path) -> Run:
    monkeypatch.setenv("LESIONLAB_MODEL", str(tiny_bundle))
    return partial(cli, "predict")


@pytest.fixture
def images(tmp_path: Path, photograph: Image.Image, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "images").mkdir()
    for index in range(4):
        photograph.rotate(20 * index).save(f"images/I{index}.png")
    rows = "".join(f"I{index},L{index // 2},{40 + index}\n" for index in range(4))
    Path("table.csv").write_text("image_id,lesion_id,age\n" + rows)
    return tmp_path / "images"


def test_there_is_one_result_per_lesion_with_its_images(run: Run, images: Path, tiny_bundle: Path) -> None:
    done = run("images", "--group", "lesion_id", "--metadata", "table.csv", "--format", "jsonl")
    assert done.code == 0
    found = [json.loads(line) for line in done.out.splitlines()]
    assert [one["image"] for one in found] == ["L0", "L1"]
    assert [image["image"] for image in found[1]["images"]] == ["images/I2.png", "images/I3.png"]
    expected = Predictor.load(tiny_bundle).predict_lesion(["images/I0.png", "images/I1.png"])
    assert found[0]["probabilities"] == pytest.approx(expected.probabilities)


def test_csv_names_the_images_that_a_result_rests_on(run: Run, images: Path) -> None:
    done = run("images", "--group", "lesion_id", "--metadata", "table.csv", "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(done.out)))
    assert [row["image"] for row in rows] == ["L0", "L1"]
    assert rows[0]["images"] == "images/I0.png; images/I1.png"


def test_a_table_of_lesions_and_one_lesion_in_full(run: Run, images: Path) -> None:
    done = run("images", "--group", "lesion_id", "--metadata", "table.csv")
    assert done.code == 0
    assert done.out.startswith("lesion ")
    done = run("images/I0.png", "images/I1.png", "--group", "lesion_id", "--patients", "table.csv")
    assert done.out.startswith("L0: ")
    assert "images of the lesion:" in done.out
    assert "  images/I1.png: dermoscopic, P(malignant)" in done.out
    assert "note: age ignored: this model uses the image alone" in done.out


def test_a_bad_image_fails_its_lesion_and_no_other(run: Run, images: Path) -> None:
    (images / "I0.png").write_bytes(b"no image")
    done = run("images", "--group", "lesion_id", "--metadata", "table.csv", "--format", "csv")
    assert done.code == 1
    assert [row["image"] for row in csv.DictReader(io.StringIO(done.out))] == ["L1"]
    assert "L0: images/I0.png: " in done.err
    assert "1 of 2 lesions could not be predicted" in done.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["images", "--group", "lesion_id"], "give the table with this column and one row per image with --metadata"),
        (["images", "--metadata", "table.csv"], "--metadata is for --group"),
        (["images", "--group", "patient", "--metadata", "table.csv"], "table.csv: no column patient"),
        (["images", "--group", "lesion_id", "--metadata", "table.csv", "--explain", "maps"], "--explain is for single"),
        (["images/I0.png", "--clinical", "images/I1.png"], "--clinical: the model takes dermoscopic images"),
        ([], "there is no image to predict"),
    ],
)
def test_what_is_missing_is_said(run: Run, images: Path, arguments: list[str], message: str) -> None:
    done = run(*arguments)
    assert message in done.err
    assert done.code == (1 if "no column" in message else 2)
