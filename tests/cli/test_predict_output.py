"""Reports of `lesionlab predict`: one file per image for other systems."""

import json
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from lesionlab import RESEARCH_ONLY
from lesionlab.prediction import Predictor

Run = Callable[..., Any]


@pytest.fixture
def run(cli: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tiny_whole_bundle: Path) -> Run:
    """Return a function that runs the command with the tiny model as the default."""
    monkeypatch.setenv("LESIONLAB_MODEL", str(tiny_whole_bundle))
    return partial(cli, "predict")


@pytest.fixture
def images(tmp_path: Path, photograph: Image.Image, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a JPEG file, a black one that the model abstains from, and a DICOM image of a patient."""
    pydicom = pytest.importorskip("pydicom")
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "images"
    folder.mkdir()
    photograph.save(folder / "a.jpg")
    Image.new("RGB", (64, 64)).save(folder / "black.png")
    dataset = pydicom.Dataset()
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    pixels = np.asarray(photograph.convert("RGB"))
    for keyword, value in {
        "SOPClassUID": "1.2.840.10008.5.1.4.1.1.77.1.7",
        "SOPInstanceUID": "2.25.1001",
        "StudyInstanceUID": "2.25.1",
        "SeriesInstanceUID": "2.25.100",
        "PatientName": "Muster^Erika",
        "PatientID": "4711-X",
        "PatientBirthDate": "19500102",
        "Modality": "DMS",
        "Rows": pixels.shape[0],
        "Columns": pixels.shape[1],
        "SamplesPerPixel": 3,
        "PhotometricInterpretation": "RGB",
        "PlanarConfiguration": 0,
        "BitsAllocated": 8,
        "BitsStored": 8,
        "HighBit": 7,
        "PixelRepresentation": 0,
        "PixelData": pixels.tobytes(),
    }.items():
        setattr(dataset, keyword, value)
    dataset.save_as(folder / "2.25.1001", enforce_file_format=True)
    return folder


def test_fhir_reports_of_a_folder(run: Run, images: Path, tiny_whole_bundle: Path) -> None:
    names = ("images/a.jpg", "images/black.png", "images/2.25.1001")
    done = run(*names, "--format", "fhir", "--out", "reports")
    assert (done.code, done.out) == (0, "")
    assert "The model abstained on 1 image." in done.err
    assert RESEARCH_ONLY in done.err
    reports = {path.name: json.loads(path.read_text("utf-8")) for path in Path("reports").iterdir()}
    assert set(reports) == {"a.json", "black.json", "2.25.1001.json"}
    expected = Predictor.load(tiny_whole_bundle).predict(images / "a.jpg")
    assert reports["a.json"]["conclusion"] == f"{RESEARCH_ONLY} {expected.headline}"
    assert "No result: " in reports["black.json"]["conclusion"]
    text = json.dumps(reports["2.25.1001.json"])
    assert "2.25.1001" in text
    assert not any(secret in text + done.err for secret in ("Muster", "4711", "1950"))
    again = run(*names, "--format", "fhir", "--out", "again")
    assert again.code == 0
    assert all(path.read_bytes() == Path("again", path.name).read_bytes() for path in Path("reports").iterdir())
    named = run("images/2.25.1001", "--format", "fhir", "--out", "named.json", "--with-identity", "--site", "ear")
    assert named.code == 0
    assert "Skin of ear" in Path("named.json").read_text("utf-8")
    assert "Muster" in Path("named.json").read_text("utf-8")
    assert "Muster" not in named.err


def test_structured_reports_of_a_folder(run: Run, images: Path) -> None:
    pytest.importorskip("highdicom")
    done = run("images/a.jpg", "images/2.25.1001", "--format", "dicom-sr", "--out", "reports")
    assert done.code == 1
    lines = done.err.splitlines()
    assert lines[0].startswith("images/a.jpg: not a DICOM image")
    assert lines[0].endswith("use --format fhir")
    assert lines[-1] == "1 of 2 images could not be reported"
    assert "Muster" not in done.err
    (path,) = Path("reports").iterdir()
    report = pytest.importorskip("pydicom").dcmread(path)
    assert (path.name, report.PatientName, report.StudyInstanceUID) == ("2.25.1001.dcm", "Muster^Erika", "2.25.1")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--format", "fhir"), "--format fhir writes one file per image; name a folder with --out"),
        (
            ("--format", "fhir", "--out", "r.json"),
            "--out r.json: --format fhir writes one file per image; name a folder",
        ),
        (("--format", "csv", "--with-identity"), "--with-identity is for --format fhir"),
    ],
)
def test_wrong_use_is_one_line(run: Run, images: Path, options: tuple[str, ...], message: str) -> None:
    done = run("images/a.jpg", "images/black.png", *options)
    assert (done.code, done.out, done.err) == (2, "", f"error: {message}\n")


def test_missing_package_is_one_line(run: Run, images: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "highdicom", None)
    monkeypatch.setitem(sys.modules, "highdicom.sr", None)
    done = run("images/2.25.1001", "--format", "dicom-sr", "--out", "reports")
    assert (done.code, len(done.err.splitlines())) == (1, 1)
    assert "pip install 'lesionlab[dicom]'" in done.err
