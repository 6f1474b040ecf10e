"""Report files: names, completeness, and what is said about images without a report."""

import json
import logging
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lesionlab.errors import ImageError, LesionlabError, MissingExtraError, UsageError
from lesionlab.prediction.reports.writer import ReportFormat, report_writer
from lesionlab.results import ModelName, Prediction

pydicom = pytest.importorskip("pydicom")
pytest.importorskip("highdicom")

Make = Callable[..., Any]
Save = Callable[[Any, Path], Path]
SECRETS = ("Yamada", "山田", "4711", "19500102", "1950-01-02", "20240203", "2024-02-03", "ACC9", "Weiß")


def of(prediction: Prediction, image: object) -> Prediction:
    return prediction.model_copy(update={"image": str(image)})


@pytest.fixture
def jpeg(tmp_path: Path) -> Path:
    path = tmp_path / "Smith John" / "a.jpg"
    path.parent.mkdir()
    path.write_bytes(b"\xff\xd8 the writer does not decode it")
    return path


@pytest.fixture
def dicom(tmp_path: Path, dicom_image: Make, save_dicom: Save) -> Path:
    return save_dicom(dicom_image(), tmp_path / "IM_1")


def test_each_image_has_its_file(
    tmp_path: Path, jpeg: Path, dicom: Path, prediction: Prediction, model: ModelName
) -> None:
    other = tmp_path / "a.png"
    other.write_bytes(b"other")
    write = report_writer(ReportFormat.FHIR, tmp_path / "new" / "reports", model)
    for image in (jpeg, dicom, other):
        write(of(prediction, image))
    files = {path.name: json.loads(path.read_text("utf-8")) for path in (tmp_path / "new" / "reports").iterdir()}
    assert set(files) == {"a.json", "IM_1.json", "a-2.json"}
    assert len({one["id"] for one in files.values()}) == 3
    assert not any(secret in json.dumps(files["IM_1.json"], ensure_ascii=False) for secret in SECRETS)
    assert "Smith" not in json.dumps(files["a.json"])
    report_writer(ReportFormat.FHIR, tmp_path / "named", model, with_identity=True)(of(prediction, dicom))
    assert all(
        secret in (tmp_path / "named" / "IM_1.json").read_text("utf-8") for secret in ("Yamada", "4711", "1950-01-02")
    )


@pytest.mark.parametrize("report_format", list(ReportFormat))
def test_a_single_image_may_name_the_file(
    tmp_path: Path, dicom: Path, prediction: Prediction, model: ModelName, report_format: ReportFormat
) -> None:
    out = tmp_path / f"r{report_format.suffix.upper()}"
    report_writer(report_format, out, model, single=True)(of(prediction, dicom))
    assert out.is_file()
    with pytest.raises(UsageError, match="one file per image; name a folder"):
        report_writer(report_format, out, model)


def test_image_without_patient_has_no_structured_report(
    tmp_path: Path, jpeg: Path, prediction: Prediction, model: ModelName
) -> None:
    write = report_writer(ReportFormat.DICOM_SR, tmp_path / "reports", model)
    with pytest.raises(ImageError, match=r"^not a DICOM image, .*; use --format fhir$"):
        write(of(prediction, jpeg))
    assert list((tmp_path / "reports").iterdir()) == []


def test_missing_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: ModelName) -> None:
    monkeypatch.setitem(sys.modules, "highdicom", None)
    monkeypatch.setitem(sys.modules, "highdicom.sr", None)
    with pytest.raises(MissingExtraError, match=r"--format dicom-sr needs .*pip install 'lesionlab\[dicom\]'"):
        report_writer(ReportFormat.DICOM_SR, tmp_path / "reports", model)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("report_format", list(ReportFormat))
def test_failed_write_leaves_nothing(
    tmp_path: Path,
    dicom: Path,
    prediction: Prediction,
    model: ModelName,
    report_format: ReportFormat,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(LesionlabError, match="cannot write"):
        report_writer(report_format, dicom / "reports", model)
    write = report_writer(report_format, tmp_path / "reports", model)

    def full(_from: object, _to: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    with pytest.raises(LesionlabError, match="No space left"):
        write(of(prediction, dicom))
    assert list((tmp_path / "reports").iterdir()) == []


TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0\\"), max_size=12)
ASCII = st.text(st.characters(codec="ascii", exclude_characters="\0\\"), max_size=12)
HEADER = st.fixed_dictionaries(
    {},
    optional={
        "PatientName": TEXT,
        "PatientID": TEXT,
        "PatientBirthDate": ASCII,
        "PatientSex": ASCII,
        "StudyDate": ASCII,
        "StudyTime": ASCII,
        "AccessionNumber": TEXT,
        "StudyDescription": TEXT,
    },
)


@pytest.fixture
def check_header(
    tmp_path: Path,
    dicom_image: Make,
    save_dicom: Save,
    prediction: Prediction,
    model: ModelName,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> Callable[[dict[str, str]], None]:
    """Return a check that a header has reports or one line, and that nothing of it is logged."""

    def check(header: dict[str, str]) -> None:
        with pydicom.config.disable_value_validation():
            image = save_dicom(dicom_image(**header), tmp_path / "IM_1")
        caplog.set_level(logging.DEBUG)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            for report_format in ReportFormat:
                write = report_writer(report_format, tmp_path / report_format, model, with_identity=True)
                try:
                    write(of(prediction, image))
                except ImageError as error:
                    assert str(error).startswith("the header of the DICOM file does not follow")  # noqa: PT017
        assert caught == []
        assert caplog.records == []
        assert capsys.readouterr() == ("", "")

    return check


def test_nothing_of_an_odd_header_is_logged(check_header: Callable[[dict[str, str]], None]) -> None:
    check_header({"PatientName": "no caret", "PatientBirthDate": "1950", "StudyTime": "noon", "PatientSex": "?"})


@pytest.mark.slow
@given(header=HEADER)
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_nothing_of_any_header_is_logged(
    check_header: Callable[[dict[str, str]], None], header: dict[str, str]
) -> None:
    check_header(header)
