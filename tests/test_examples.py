"""The example scripts run."""

import csv
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import lesionlab
from lesionlab.data import Manifest

EXAMPLES = Path(__file__).parents[1] / "examples"
SYNTHETIC = Path(lesionlab.__file__).parent / "web/page/examples"


def run(script: str, *arguments: str | Path) -> str:
    """Run an example as a user does and return its output."""
    command = [sys.executable, str(EXAMPLES / script), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, encoding="utf-8")
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_example_has_a_test() -> None:
    assert {file.name for file in EXAMPLES.glob("*.py")} == {
        "predict_folder.py",
        "set_threshold.py",
        "train_and_compare.py",
    }


@pytest.mark.slow
def test_a_folder_becomes_a_table(unlike_dermoscopy: Path, tmp_path: Path) -> None:
    folder, table = tmp_path / "images", tmp_path / "predictions.csv"
    shutil.copytree(SYNTHETIC, folder)
    shutil.copy(unlike_dermoscopy, folder)
    (folder / "damaged.jpg").write_bytes(b"not an image")
    output = run("predict_folder.py", folder, table)
    with table.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    by_name = {Path(row["image"]).name: row for row in rows}
    assert len(rows) == 7
    assert by_name["damaged.jpg"]["status"] == "failed"
    assert by_name["damaged.jpg"]["error"]
    assert by_name["drawing.jpg"]["status"] == "abstained"
    assert by_name["drawing.jpg"]["risk"] == ""
    assert by_name["nevus.jpg"]["first"] == "nv"
    assert "nv" in by_name["nevus.jpg"]["prediction_set"].split()
    assert "7 images" in output
    assert lesionlab.RESEARCH_ONLY in output


@pytest.mark.slow
def test_thresholds_give_decisions() -> None:
    output = run("set_threshold.py", SYNTHETIC / "nevus.jpg")
    assert "95% sensitivity for malignant: threshold 0.149, sensitivity 0.975, specificity 0.612" in output
    for name in ("95% sensitivity", "98% sensitivity", "cost=20"):
        assert f"{name}: negative" in output


@pytest.mark.slow
def test_two_runs_on_a_table_are_compared(phantoms: Manifest, tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    with table.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("image", "diagnosis", "lesion"))
        writer.writerows((record.image_id, record.diagnosis, record.lesion_id) for record in phantoms)
    tiny = ("model.backbone=test_efficientnet", "model.pretrained=false", "input.size=32", "training.epochs=1")
    output = run("train_and_compare.py", phantoms.root, table, tmp_path / "runs", "phantom-demo", *tiny)
    assert "weighted: balanced accuracy" in output
    assert "unweighted: balanced accuracy" in output
    assert "Balanced accuracy (mean recall of the classes): A " in output
    assert "test images of 18 lesions" in output
    assert (tmp_path / "runs/unweighted/evaluation/test/report.html").exists()
