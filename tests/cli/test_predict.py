"""Tests of `lesionlab predict`: exit code, standard output, standard error."""

import csv
import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydicom.uid import BasicTextSRStorage

from lesionlab import RESEARCH_ONLY
from lesionlab.bundle import Bundle, BundleInfo, save_bundle
from lesionlab.prediction import Predictor
from lesionlab.results import Prediction
from tests.images.dicom.files import PATIENT, PRIVATE, dicom, no_image

Run = Callable[..., Any]


@pytest.fixture
def run(cli: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tiny_bundle: Path) -> Run:
    """Return a function that runs the command with the tiny model as the default."""
    monkeypatch.setenv("LESIONLAB_MODEL", str(tiny_bundle))
    return partial(cli, "predict")


@pytest.fixture
def images(tmp_path: Path, photograph: Image.Image, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "images"
    folder.mkdir()
    for index in range(5):
        photograph.rotate(20 * index).save(folder / f"ISIC_{index}.jpg")
    return folder


def test_one_image_is_shown_in_full(run: Run, images: Path, tiny_bundle: Path) -> None:
    done = run("images/ISIC_1.jpg")
    assert done.code == 0
    assert done.err == ""
    expected = Predictor.load(tiny_bundle).predict(images / "ISIC_1.jpg")
    assert f"images/ISIC_1.jpg: {expected.headline}, {expected.risk} risk" in done.out
    assert f"P(malignant) {expected.p_malignant:.1%}" in done.out
    decision = "positive" if expected.positive else "negative"
    assert f"{decision} at 95% sensitivity for malignancy" in done.out
    for code, probability in expected.probabilities.items():
        assert f"  {code:<6}{probability:>6.1%}  " in done.out
    assert expected.model in done.out
    assert RESEARCH_ONLY in done.out
    assert "leaky" not in done.out


def test_several_images_are_shown_as_a_table(run: Run, images: Path) -> None:
    Image.new("L", (64, 64)).save(images / "grey.png")
    done = run(images)
    assert done.code == 0
    lines = done.out.splitlines()
    assert lines[0].split() == ["image", "P(malignant)", "decision", "risk", "prob.", "diagnosis"]
    assert [Path(line.split()[0]).name for line in lines[1:7]] == [*(f"ISIC_{i}.jpg" for i in range(5)), "grey.png"]
    assert "note: grey image" in done.out
    assert lines[-1].startswith("model tiny@")
    assert lines[-1].endswith(RESEARCH_ONLY)


@pytest.mark.parametrize("task", ["malignant", "melanoma"])
def test_binary_model_shows_its_target(
    run: Run, images: Path, tiny_binary_bundle: Callable[[str], Path], task: str
) -> None:
    bundle = tiny_binary_bundle(task)
    expected = Predictor.load(bundle).predict(images / "ISIC_1.jpg")
    code = "mel" if task == "melanoma" else "malignant"
    done = run("images/ISIC_1.jpg", "--model", bundle)
    assert (done.code, done.err) == (0, "")
    assert f"P({task}) {expected.probabilities[code]:.1%}" in done.out
    assert f"{expected.headline}, {expected.risk} risk" in done.out
    assert ("malignant" in done.out.lower()) is (task == "malignant")
    assert len([line for line in done.out.splitlines() if "%  █" in line or "%  ·" in line]) == 2
    table = run(images, "--model", bundle).out.splitlines()
    assert table[0].split() == ["image", f"P({task})", "decision", "risk", "prob.", "diagnosis"]
    assert f"{expected.probabilities[code]:.1%}" in table[2]
    (row, *_) = csv.DictReader(io.StringIO(run("images/ISIC_1.jpg", "--model", bundle, "-f", "csv").out))
    assert float(row[f"p_{code}"]) == pytest.approx(expected.probabilities[code], abs=1e-6)
    done = run(images, "--model", bundle, "-f", "isic")
    assert (done.code, done.out, len(done.err.splitlines())) == (2, "", 1)
    assert done.err.startswith("error: the format isic needs single diagnoses")


@pytest.mark.slow
@pytest.mark.parametrize("options", [[], ["--out", "r.csv"]])
def test_predictions_are_explained(run: Run, images: Path, tiny_whole_bundle: Path, options: list[str]) -> None:
    (images / "ISIC_2.jpg").write_text("not a picture")
    (images / "more").mkdir()
    shutil.copy(images / "ISIC_1.jpg", images / "more")
    done = run(images, "--model", tiny_whole_bundle, "--explain", "maps/new", *options)
    assert done.code == 1
    assert "ISIC_2.jpg: the file holds text" in done.err
    written = sorted(path.name for path in Path("maps/new").iterdir())
    expected = list(Predictor.load(tiny_whole_bundle).predict_many(sorted(images.rglob("*.jpg"))))
    stems = [f"{Path(p.image).stem}-{p.top[0].code}" for p in expected if isinstance(p, Prediction)]
    pictures = [f"{stem}{'-2' if stem in stems[:index] else ''}.png" for index, stem in enumerate(stems)]
    assert written == sorted([*pictures, "lesions.csv"])
    rows = list(csv.DictReader(io.StringIO(Path("maps/new/lesions.csv").read_text("utf-8"))))
    assert [row["image"] for row in rows] == [p.image for p in expected if isinstance(p, Prediction)]
    assert all(0 < float(row["area"]) < 1 and row["colours"] for row in rows)


def test_explanation_error_is_one_line(run: Run, images: Path, tiny_whole_bundle: Path) -> None:
    done = run(images, "--explain", "maps")
    assert (done.code, done.out.count("\n"), len(done.err.splitlines())) == (2, 1, 1)
    assert "was exported without reference.npz" in done.err
    Path("file").touch()
    done = run(images, "--model", tiny_whole_bundle, "--explain", "file")
    assert (done.code, done.err) == (2, "error: file exists; choose another --out, or replace it with --force\n")
    done = run(images, "--model", tiny_whole_bundle, "--explain", "file", "--force")
    assert done.code == 1
    assert "cannot write file" in done.err


def test_abstention_has_no_risk_no_diagnosis_and_no_heat_map(run: Run, images: Path, tiny_whole_bundle: Path) -> None:
    Image.new("RGB", (64, 64)).save(images / "black.png")
    options = ("--model", tiny_whole_bundle)
    shown = run(images / "black.png", *options, "--explain", "maps").out
    assert shown.startswith(f"{images}/black.png: No result: ")
    assert "too dark" in shown
    assert " risk" not in shown.splitlines()[0]
    assert [path.name for path in Path("maps").iterdir()] == ["lesions.csv"]
    table = run(images, *options).out
    assert len([line for line in table.splitlines() if "No result: " in line]) == 1
    assert "The model abstained on 1 image." in table
    for result_format in ("csv", "jsonl", "isic"):
        done = run(images, *options, "--format", result_format)
        assert "The model abstained on 1 image." in done.err
        assert "black" in done.out
        assert ("scores of the balanced decision rule" in done.err) is (result_format == "isic")
    (row,) = [
        row for row in csv.DictReader(io.StringIO(run(images, *options, "-f", "csv").out)) if row["abstain_reasons"]
    ]
    assert (row["status"], row["risk"], row["diagnosis"], row["positive"]) == ("abstained", "", "", "")
    assert "No result" not in run(images / "ISIC_0.jpg", *options).out


def test_bad_images_are_reported_and_the_others_predicted(run: Run, images: Path) -> None:
    (images / "ISIC_2.jpg").write_text("not a picture")
    (images / "ISIC_3.jpg").write_bytes(b"")
    done = run(images, "--out", "r.csv")
    assert done.code == 1
    assert done.out == ""
    lines = done.err.splitlines()
    assert lines[0].startswith(f"{images}/ISIC_2.jpg: the file holds text, not an image; export the image as one of ")
    assert lines[1] == f"{images}/ISIC_3.jpg: the file is empty (0 bytes); copy or download it again"
    assert lines[2].startswith("model tiny@")
    assert lines[2].endswith(RESEARCH_ONLY)
    assert lines[3] == "2 of 5 images could not be predicted"
    with Path("r.csv").open(newline="") as stream:
        assert [Path(row["image"]).name for row in csv.DictReader(stream)] == ["ISIC_0.jpg", "ISIC_1.jpg", "ISIC_4.jpg"]


def test_files_that_are_left_out_are_counted_in_one_line(run: Run, images: Path) -> None:
    for name in ("raw.CR2", "ISIC_0_mask.png", "notes.txt"):
        (images / name).write_bytes(b"")
    (images / "ISIC_1.jpg").rename(images / "ISIC_1.jfif")
    done = run(images, "-f", "csv")
    assert done.code == 0
    assert len(done.out.splitlines()) == 6
    line = "left out: 1 raw image (export as JPEG or PNG), 1 file that is no image, 1 mask"
    assert done.err.splitlines()[0] == line
    assert line not in run(images, "-f", "csv", "--quiet").err


def test_single_bad_image(run: Run, images: Path) -> None:
    (images / "bad\nname.jpg").write_text("text")
    done = run("images/bad\nname.jpg")
    assert done.code == 1
    assert done.out == ""
    assert done.err.splitlines()[0].startswith(r"images/bad\nname.jpg: the file holds text")


@pytest.mark.parametrize(("name", "options"), [("r.jsonl", []), ("r.ndjson", []), ("r.txt", ["--format", "jsonl"])])
def test_suffix_selects_the_format(run: Run, images: Path, tiny_bundle: Path, name: str, options: list[str]) -> None:
    assert run(images, "-o", name, *options).code == 0
    written = [Prediction.model_validate_json(line) for line in Path(name).read_text().splitlines()]
    assert written == list(Predictor.load(tiny_bundle).predict_many(sorted(map(str, images.iterdir()))))


def test_standard_output_holds_only_results(run: Run, images: Path) -> None:
    done = run(images, "--format", "csv", "--batch-size", "2")
    assert len(list(csv.DictReader(io.StringIO(done.out)))) == 5
    assert RESEARCH_ONLY in done.err
    assert "tiny@" in done.err
    assert len([json.loads(line) for line in run(images, "-f", "jsonl").out.splitlines()]) == 5
    assert run(images, "-f", "isic").out.startswith("image,MEL,NV,BCC,AKIEC,BKL,DF,VASC\nISIC_0,")


def test_parquet_needs_a_file(run: Run, images: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    assert run(images, "-o", "r.parquet").code == 0
    assert parquet.read_table("r.parquet").num_rows == 5
    done = run(images, "-f", "parquet")
    assert done.code == 2
    assert done.err == "error: parquet cannot be written to standard output; name a file with --out\n"


@pytest.mark.parametrize(
    ("arguments", "code", "reason"),
    [
        (["missing.jpg"], 2, "error: missing.jpg: there is no such file or folder"),
        (["images", "*.gif"], 2, "error: *.gif: no image matches this pattern"),
        (["images", "--out", "r.xlsx"], 2, "error: --out r.xlsx: unknown suffix"),
        (["images", "--out", "r.csv", "--format", "table"], 2, "error: --format table is for the terminal"),
        (["images", "--out", "images/ISIC_0.jpg/r.csv"], 1, "error: cannot write images/ISIC_0.jpg/r.csv"),
        (["images", "--out", "folder.csv"], 1, "error: cannot write folder.csv: a folder of this name exists"),
        (["images", "--model", "missing"], 2, "error: --model missing: there is no such file or folder"),
        (["images", "--model", "images/ISIC_0.jpg"], 1, "error: images/ISIC_0.jpg is not a bundle"),
        (["images", "--model", "images"], 1, "error: images has no bundle.json"),
        (
            ["images", "twin/ISIC_0.png", "-f", "isic"],
            2,
            "error: images/ISIC_0.jpg and twin/ISIC_0.png have the same name",
        ),
    ],
)
def test_error_is_one_line_and_leaves_no_file(
    run: Run, images: Path, photograph: Image.Image, arguments: list[str], code: int, reason: str
) -> None:
    (images.parent / "folder.csv").mkdir()
    (images.parent / "twin").mkdir()
    photograph.save(images.parent / "twin" / "ISIC_0.png")
    before = sorted(images.parent.rglob("*"))
    done = run(*arguments)
    assert done.code == code
    assert done.err.startswith(reason)
    assert len(done.err.splitlines()) == 1
    assert done.out == ""
    assert sorted(images.parent.rglob("*")) == before


def test_output_is_opened_before_the_first_prediction(run: Run, images: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Predictor, "predict_many", lambda *_, **__: pytest.fail("an image was predicted"))
    assert run(images, "--out", "images/ISIC_0.jpg/r.csv").code == 1


@pytest.mark.parametrize("arguments", [[], ["images", "--batch-size", "0"], ["images", "--format", "xml"]])
def test_wrong_options_are_wrong_usage(run: Run, images: Path, arguments: list[str]) -> None:
    assert images.is_dir()
    assert run(*arguments).code == 2


def test_damaged_model_is_detected(run: Run, images: Path, tiny_bundle: Path, tmp_path: Path) -> None:
    for name in ("model.onnx", "bundle.json"):
        damaged = tmp_path / f"damaged {name}"
        damaged.mkdir()
        for part in tiny_bundle.iterdir():
            data = bytearray(part.read_bytes())
            data[-40] ^= part.name == name
            (damaged / part.name).write_bytes(data)
        done = run(images, "--model", damaged)
        assert done.code == 1
        assert done.err.startswith(f"error: {damaged}: {name} is")


@pytest.mark.parametrize("options", [[], ["--format", "csv"]])
def test_leaky_model_prints_a_warning(
    run: Run, images: Path, tmp_path: Path, tiny_info: BundleInfo, tiny_graph: bytes, options: list[str]
) -> None:
    leaky = tiny_info.training_data.model_copy(update={"leaky": True})
    save_bundle(tmp_path / "leaky.zip", tiny_info.model_copy(update={"training_data": leaky}), tiny_graph)
    done = run(images, "--model", tmp_path / "leaky.zip", *options)
    assert done.code == 0
    assert "warning: leaky" in (done.err if options else done.out)


HOSTILE = (
    "empty.jpg",
    "text.jpg",
    "cut.jpg",
    "cut.png",
    "tiny.png",
    "film.gif",
    "pages.tif",
    "paper.pdf",
    "drawing.svg",
)


def test_each_hostile_file_gets_a_line(run: Run, images: Path, photograph: Image.Image) -> None:
    folder = images.parent / "hostile"
    (folder / "folder.jpg").mkdir(parents=True)
    other = [photograph.rotate(90)]
    for name in ("cut.jpg", "cut.png"):
        photograph.save(folder / name)
        data = (folder / name).read_bytes()
        (folder / name).write_bytes(data[: len(data) // 2])
    Image.new("RGB", (7, 7)).save(folder / "tiny.png")
    photograph.save(folder / "film.gif", save_all=True, append_images=other)
    photograph.save(folder / "pages.tif", save_all=True, append_images=other)
    (folder / "empty.jpg").touch()
    (folder / "text.jpg").write_text("text")
    (folder / "paper.pdf").write_bytes(b"%PDF-1.7\n")
    (folder / "drawing.svg").write_text("<svg/>")
    done = run(*(folder / name for name in HOSTILE), images / "ISIC_0.jpg", "-f", "csv")
    assert done.code == 1
    assert len(done.out.splitlines()) == 2
    reasons = [line.partition(": ")[2] for line in done.err.splitlines()[: len(HOSTILE)]]
    words = ("empty", "holds text", "truncated", "", "too small", "several frames", "several frames", "PDF", "SVG")
    for reason, word in zip(reasons, words, strict=True):
        assert word in reason
    assert done.err.splitlines()[-1] == "9 of 10 images could not be predicted"


def start(tiny_bundle: Path, *arguments: object, pipe: str = "", **options: object) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"LESIONLAB_MODEL": str(tiny_bundle)}
    command = [sys.executable, "-m", "lesionlab", "predict", *map(str, arguments)]
    if pipe:
        command = ["bash", "-c", f'"$@" {pipe}', "bash", *command]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, **options)  # type: ignore[call-overload,no-any-return]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs a POSIX shell")
@pytest.mark.parametrize(
    "result_format", [*(pytest.param(one, marks=pytest.mark.slow) for one in ("table", "csv")), "jsonl"]
)
def test_closed_pipe_is_no_error(images: Path, tiny_bundle: Path, result_format: str) -> None:
    many = [images / f"ISIC_{i}.jpg" for i in range(5)]
    for index in range(400):
        os.link(many[index % 5], images / f"copy_{index}.jpg")
    done = start(tiny_bundle, images, "-f", result_format, pipe="| head -1")
    assert len(done.stdout.splitlines()) == 1
    assert "Traceback" not in done.stderr
    assert "BrokenPipe" not in done.stderr
    assert "Exception ignored" not in done.stderr


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs a limit on file sizes")
def test_full_disk_is_one_line_and_keeps_the_old_file(images: Path, tiny_bundle: Path) -> None:
    import resource

    Path("r.csv").write_text("old")
    done = start(
        tiny_bundle,
        images,
        "-o",
        "r.csv",
        "--force",
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (300, 300)),
    )
    assert done.returncode == 1
    assert done.stderr.startswith("error: cannot write r.csv: File too large")
    assert len(done.stderr.splitlines()) == 1
    assert Path("r.csv").read_text() == "old"
    assert sorted(entry.name for entry in images.parent.iterdir()) == ["images", "r.csv"]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="nothing is forbidden to root")
def test_forbidden_folder_is_one_line(run: Run, images: Path) -> None:
    Path("forbidden").mkdir(mode=0o500)
    done = run(images, "-o", "forbidden/r.csv")
    assert done.code == 1
    assert done.err.startswith("error: cannot write forbidden/r.csv: Permission denied")


@pytest.mark.slow
def test_process_loads_no_training_framework(images: Path, tiny_bundle: Path) -> None:
    code = (
        "import atexit, sys; from lesionlab.cli import main;"
        "heavy = {'torch', 'pandas', 'sklearn', 'scipy', 'matplotlib', 'timm', 'onnx', 'pyarrow'};"
        "atexit.register(lambda: print('heavy:', sorted(heavy & set(sys.modules)), file=sys.stderr));"
        "main()"
    )
    arguments = [sys.executable, "-c", code, "predict", str(images), "--model", str(tiny_bundle)]
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert done.stderr == "heavy: []\n"
    assert Bundle.load(tiny_bundle).info.identity in done.stdout


def test_tta_prevalence_and_patient_options(run: Run, images: Path) -> None:
    assert images.is_dir()
    plain = json.loads(run("images/ISIC_0.jpg", "--format", "jsonl").out)
    averaged = json.loads(run("images/ISIC_0.jpg", "--tta", "--format", "jsonl").out)
    assert averaged["model"] == plain["model"]
    assert averaged["probabilities"] != plain["probabilities"]
    for arguments, message in (
        (["--prevalence", "mel"], "write it as malignant=0.02"),
        (["--prevalence", "mel=2"], "between 0 and 1"),
        (["--prevalence", "mel=0.1", "--format", "isic"], "ignores --prevalence"),
        (["--age", "200"], "--age 200"),
        (["--sex", "x"], "--sex x"),
        (["--risk", "answer"], "cost=20 (a missed malignancy costs as much as 20 false positives)"),
        (["--age", "50", "--patients", "images/ISIC_0.jpg"], "exclude each other"),
        (["--patients", "gone.csv"], "--patients gone.csv: there is no such file or folder"),
    ):
        done = run("images/ISIC_0.jpg", *arguments)
        assert done.code == 2
        assert message in " ".join(done.err.split())


def test_output_is_never_replaced_silently_and_an_input_never(run: Run, images: Path) -> None:
    image = images / "ISIC_0.jpg"
    before = image.read_bytes()
    for force in ([], ["--force"]):
        for target in (image, Path("images/../images/ISIC_0.jpg")):
            done = run(images, "--out", target, "--format", "csv", *force)
            assert (done.code, done.out) == (2, "")
            assert "is or holds an input of this command" in done.err
        assert "is or holds an input" in run(image, "--explain", images, *force).err
    assert image.read_bytes() == before
    Path("r.csv").write_text("old")
    done = run(image, "-o", "r.csv")
    assert (done.code, done.err) == (2, "error: r.csv exists; choose another --out, or replace it with --force\n")
    assert Path("r.csv").read_text() == "old"
    assert run(image, "-o", "r.csv", "--force").code == 0
    assert Path("r.csv").read_text().startswith("image,")


def test_patient_data_are_noted(run: Run, images: Path, tiny_bundle: Path) -> None:
    images.parent.joinpath("patients.csv").write_text("image,age\nISIC_0,60\n", encoding="utf-8")
    for arguments in (["--age", "60"], ["--patients", "patients.csv"]):
        answer = json.loads(run("images/ISIC_0.jpg", "--model", tiny_bundle, "--format", "jsonl", *arguments).out)
        assert answer["notes"] == ["age ignored: this model uses the image alone"]


def test_dicom_files_are_predicted_with_the_patient_data_asked_for(
    run: Run, images: Path, tiny_whole_bundle: Path
) -> None:
    pixels = np.asarray(Image.open(images / "ISIC_1.jpg"))
    folder = images / "study"
    folder.mkdir()
    (folder / "1.2.840.1").write_bytes(dicom(pixels, **PATIENT))
    (folder / "scan.dcm").write_bytes(dicom(np.stack([pixels, pixels[::-1]]), **PATIENT))
    (folder / "report.dcm").write_bytes(no_image(BasicTextSRStorage, **PATIENT))
    done = run("images/study", "--patients", "dicom", "--format", "csv")
    assert done.code == 0
    names = [row["image"] for row in csv.DictReader(io.StringIO(done.out))]
    assert names == ["images/study/1.2.840.1", "images/study/scan.dcm::1", "images/study/scan.dcm::2"]
    assert "left out: 1 DICOM file without an image" in done.err
    assert not any(value in done.out + done.err for value in PRIVATE)
    one = run("images/study/scan.dcm::2", "--explain", "maps", "--model", str(tiny_whole_bundle))
    assert one.code == 0
    assert list((images.parent / "maps").glob("scan-2*.png"))
    assert run("images/study", "--patients", "dicoms").code == 2
