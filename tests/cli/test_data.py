"""Tests of `lesionlab data`."""

import io
import json
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from lesionlab.cli.data import app
from lesionlab.data import load_split
from lesionlab.errors import DataError, UsageError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Twenty lesions with two images each, half of them melanomas, in the Kaggle layout."""
    root = tmp_path / "ham"
    images = root / "HAM10000_images_part_1"
    images.mkdir(parents=True)
    lines = ["lesion_id,image_id,dx,dx_type,age,sex,localization"]
    for number in range(40):
        lines.append(f"HAM_{number // 2},ISIC_{number},{('mel', 'nv')[number // 20]},histo,50.0,male,back")
        stream = io.BytesIO()
        Image.new("RGB", (40, 32), (number * 6, 90, 80)).save(stream, "PNG")
        (images / f"ISIC_{number}.png").write_bytes(stream.getvalue())
    (root / "HAM10000_metadata.csv").write_text("\n".join(lines) + "\n")
    return root


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_check_of_a_valid_dataset_reports_no_errors(folder: Path) -> None:
    result = run("check", folder)
    assert result.exit_code == 0
    assert "20, 20 of them with several images" in result.stdout
    assert result.stdout.splitlines()[-1] == "no errors"


def test_check_lists_errors_by_kind_and_exits_with_1(folder: Path) -> None:
    for number in range(7):
        (folder / "HAM10000_images_part_1" / f"ISIC_{number}.png").write_bytes(b"\0" * number)
    (folder / "HAM10000_images_part_1" / "[odd].png").write_bytes(b"")
    result = run("check", folder)
    assert result.exit_code == 1
    assert "error: unreadable file (7)" in result.stdout
    assert "HAM10000_images_part_1/ISIC_0.png: the file is empty (0 bytes)" in result.stdout
    assert "and 2 more (--json lists all)" in result.stdout
    assert "HAM10000_images_part_1/[odd].png: no row for [odd]" in result.stdout
    assert result.stdout.splitlines()[-1] == "7 errors, 1 warning"


def test_files_that_are_left_out_are_counted(folder: Path, tmp_path: Path) -> None:
    part = folder / "HAM10000_images_part_1"
    (part / "ISIC_1.png").rename(part / "ISIC_1.JFIF")
    for path in (part / "x.psd", folder / "masks" / "ISIC_1.png", folder / "more" / "new.jpg", folder / "more.zip"):
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"")
    result = run("check", folder)
    assert result.exit_code == 0
    expected = (
        "left out: 1 PSD image (export as JPEG or PNG), 1 folder or archive that cannot be read, "
        "1 image outside the dataset's image folders, 1 mask\n"
    )
    assert result.stderr == expected
    assert json.loads(run("check", folder, "--json").stdout)["left_out"] == expected[len("left out: ") : -1]
    assert run("split", folder, "--out", tmp_path / "split.json").stderr == expected


def test_decisions_on_duplicates_are_applied_to_a_split(folder: Path, tmp_path: Path) -> None:
    decisions = tmp_path / "decisions.csv"
    decisions.write_text("first,second,decision\nISIC_0,ISIC_2,same lesion\nISIC_4,ISIC_5,same picture\n")
    result = run("split", folder, "--out", tmp_path / "split.json", "--decisions", decisions)
    assert result.exit_code == 0
    assert "lesions merged into others 1, copies left out 1, images relabelled 0" in result.stderr
    assignment = load_split(tmp_path / "split.json").assignment
    assert len({assignment[f"ISIC_{number}"] for number in range(4)}) == 1
    assert "ISIC_5" not in assignment
    assert len(assignment) == 39


def test_check_prints_json(folder: Path) -> None:
    (folder / "HAM10000_images_part_1" / "ISIC_3.png").unlink()
    result = run("check", folder, "--json")
    assert result.exit_code == 1
    report = json.loads(result.stdout)
    assert report["errors"] == {"missing image": 1}
    assert report["problems"] == [{"kind": "missing image", "where": "ISIC_3", "detail": "no such image file"}]
    assert report["images"] == 39


def test_check_reads_any_table_by_its_columns(folder: Path, tmp_path: Path) -> None:
    table = tmp_path / "labels.csv"
    table.write_text("picture,label\nISIC_0,melanoma\n")
    result = run("check", folder, "--metadata", table, "--columns", "image_id=picture,diagnosis=label", "--json")
    report = json.loads(result.stdout)
    assert (report["images"], report["lesions_known"]) == (1, False)
    assert report["warnings"] == {"image without a metadata row": 39}


def test_split_writes_the_file_and_shows_its_subsets(folder: Path, tmp_path: Path) -> None:
    target = tmp_path / "split.json"
    result = run("split", folder, "--out", target, "--validation", "0.2", "--test", "0.2")
    assert result.exit_code == 0
    split = load_split(target)
    assert {name: len(images) for name, images in split.subsets().items()} == {"train": 24, "validation": 8, "test": 8}
    assert split.sha256 in result.stdout
    assert "train" in result.stdout
    assert "leak" not in result.stdout.lower()


def test_split_by_image_is_marked_leaky(folder: Path, tmp_path: Path) -> None:
    result = run("split", folder, "--out", tmp_path / "split.json", "--by-image")
    assert "LEAKY" in result.stdout
    assert load_split(tmp_path / "split.json").leaky


def test_split_into_folds_prints_json(folder: Path, tmp_path: Path) -> None:
    target = tmp_path / "split.json"
    result = run("split", folder, "--out", target, "--folds", "3", "--test", "0", "--json")
    summary = json.loads(result.stdout)
    assert summary["sha256"] == load_split(target).sha256
    assert list(summary["parts"]) == ["fold_0", "fold_1", "fold_2"]
    assert sum(part["lesions"] for part in summary["parts"].values()) == 20


def test_split_warns_about_unknown_lesions(folder: Path, tmp_path: Path) -> None:
    table = tmp_path / "labels.csv"
    table.write_text("image_id,dx\n" + "".join(f"ISIC_{number},mel\n" for number in range(5)))
    result = run("split", folder, "--metadata", table, "--out", tmp_path / "split.json")
    assert "leakage between subsets cannot be excluded" in result.stdout


def test_given_subsets_and_unknown_diagnoses_are_shown(folder: Path, tmp_path: Path) -> None:
    table = tmp_path / "labels.csv"
    rows = [("mel", "train"), ("nv", "train"), ("wart", "train"), ("SCC", "test"), ("nv", "val"), ("mel", "val")]
    lines = [f"ISIC_{number},{text},{name}" for number, (text, name) in enumerate(rows)]
    table.write_text("\n".join(["image,dx,split", *lines]) + "\n")
    assert run("check", folder, "--metadata", table).exit_code == 1
    result = run("check", folder, "--metadata", table, "--unknown-diagnoses", "keep")
    assert result.exit_code == 0
    assert "train 3, test 1, validation 2" in result.stdout
    assert "2 images have labels that determine no class of task diagnosis (scc 1, unk 1)" in result.stdout
    target = tmp_path / "split.json"
    assert (
        run("split", folder, "--metadata", table, "--unknown-diagnoses", "keep", "--given", "-o", target).exit_code == 0
    )
    assert load_split(target).assignment["ISIC_3"] == "test"
    assert isinstance(run("split", folder, "--given", "--by-image", "-o", tmp_path / "x").exception, UsageError)


def test_errors_leave_no_file(folder: Path, tmp_path: Path) -> None:
    target = tmp_path / "split.json"
    assert isinstance(run("split", folder, "--out", target, "--folds", 3, "--validation", 0.2).exception, UsageError)
    assert isinstance(run("split", folder, "--out", target, "--folds", 30).exception, DataError)
    assert isinstance(run("split", tmp_path / "nowhere", "--out", target).exception, UsageError)
    assert isinstance(run("check", folder, "--columns", "colour=x").exception, UsageError)
    assert run("split", folder).exit_code == 2
    assert not target.exists()
