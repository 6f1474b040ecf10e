"""Structured Reports, read back by pydicom and highdicom, and validated by dciodvfy."""

import io
import shutil
import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from lesionlab import RESEARCH_ONLY, __version__
from lesionlab.bundle import Site
from lesionlab.errors import ImageError
from lesionlab.prediction.reports.dicom_sr import structured_report
from lesionlab.prediction.reports.source import SourceImage
from lesionlab.results import ModelName, Prediction
from lesionlab.taxonomy import CODES

pydicom = pytest.importorskip("pydicom")
sr = pytest.importorskip("highdicom.sr")

Make = Callable[..., Any]
NOON = datetime(2026, 11, 29, 12, tzinfo=UTC)


@pytest.fixture(scope="session")
def report(prediction: Prediction, model: ModelName, dicom_image: Make) -> Any:
    return reread(structured_report(prediction, model, source(dicom_image()), created=NOON))


def source(image: Any, **options: Any) -> SourceImage:
    return SourceImage("IM_1", b"bytes", image, **options)


def bytes_of(report: Any) -> bytes:
    stream = io.BytesIO()
    report.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


def reread(report: Any) -> Any:
    return pydicom.dcmread(io.BytesIO(bytes_of(report)))


def items(dataset: Any) -> Iterator[Any]:
    """Yield all content items."""
    for item in dataset.get("ContentSequence", ()):
        yield item
        yield from items(item)


def name_of(item: Any) -> str:
    return str(item.ConceptNameCodeSequence[0].CodeMeaning)


def value_of(item: Any) -> Any:
    if item.ValueType == "NUM":
        return float(item.MeasuredValueSequence[0].NumericValue)
    return item.ConceptCodeSequence[0].CodeMeaning if item.ValueType == "CODE" else item.get("TextValue")


def values(dataset: Any, name: str) -> list[Any]:
    return [value_of(item) for item in items(dataset) if name_of(item) == name]


def test_report_belongs_to_the_patient_and_study_of_its_image(report: Any, dicom_image: Make) -> None:
    image = dicom_image()
    for keyword in (
        *("PatientName", "PatientID", "IssuerOfPatientID", "PatientBirthDate", "PatientSex", "StudyInstanceUID"),
        *("StudyDate", "StudyTime", "AccessionNumber", "StudyID", "StudyDescription", "ReferringPhysicianName"),
    ):
        assert report[keyword].value == image[keyword].value, keyword
    (study,) = report.CurrentRequestedProcedureEvidenceSequence
    (series,) = study.ReferencedSeriesSequence
    (referenced,) = series.ReferencedSOPSequence
    assert (study.StudyInstanceUID, series.SeriesInstanceUID) == (image.StudyInstanceUID, image.SeriesInstanceUID)
    assert referenced.ReferencedSOPInstanceUID == image.SOPInstanceUID
    assert report.SeriesInstanceUID != image.SeriesInstanceUID
    assert (report.ContentDate, report.ContentTime, report.InstanceNumber) == ("20261129", "120000", 3)


def test_report_is_preliminary_and_for_research(report: Any) -> None:
    assert (report.PreliminaryFlag, report.CompletionFlag) == ("PRELIMINARY", "PARTIAL")
    assert (report.VerificationFlag, report.ContentQualification) == ("UNVERIFIED", "RESEARCH")
    assert RESEARCH_ONLY in report.SeriesDescription
    first_text = next(
        item for item in report.ContentSequence if item.ValueType == "TEXT" and name_of(item) == "Comment"
    )
    assert first_text.TextValue == RESEARCH_ONLY


def test_report_names_model_and_its_hash(report: Any, model: ModelName) -> None:
    assert values(report, "Algorithm Name") == ["tiny"]
    assert values(report, "Algorithm Version") == ["tiny@0123456789ab"]
    assert f"graph_sha256={model.graph_sha256}" in values(report, "Algorithm Parameters")
    assert values(report, "Device Observer Name") == ["tiny@0123456789ab"]
    assert (report.Manufacturer, report.SoftwareVersions) == ("lesionlab", __version__)
    assert report.DeviceSerialNumber == model.graph_sha256


def test_report_holds_the_whole_prediction(report: Any, prediction: Prediction) -> None:
    assert values(report, "Conclusion") == [prediction.headline]
    assert values(report, "Probability of cancer") == [68.75]
    assert values(report, "Risk level") == ["High"]
    assert values(report, "Most probable class") == ["Malignant melanoma of skin"]
    assert values(report, "Note on the image") == list(prediction.notes)
    assert values(report, "Coverage of the prediction set, for each class") == [90]
    assert len(values(report, "Class that cannot be ruled out")) == 3
    assert values(report, "Decision at an operating point") == ["Positive", "Negative"]
    assert values(report, "Operating point") == ["95% sensitivity (malignant)", "cost=20 (melanoma)"]
    assert values(report, "Threshold Value") == [10, 75]
    assert values(report, "Case Sensitivity") == [95.1]
    probabilities = {
        item.ContentSequence[0].ConceptCodeSequence[0].CodeValue: value_of(item)
        for item in items(report)
        if item.ConceptNameCodeSequence[0].CodeValue.startswith("p_") and "Finding" in map(name_of, items(item))
    }
    expected = {"mel": "93655004", "nv": "400096001", "bcc": "254701007"}
    assert probabilities == {expected.get(code, code): 100 * prediction.probabilities[code] for code in CODES}


def test_report_is_read_by_highdicom(report: Any) -> None:
    read = sr.ComprehensiveSR.from_dataset(report)
    assert report.ContentTemplateSequence[0].TemplateIdentifier == "1500"
    (group,) = read.content.get_image_measurement_groups()
    assert group.tracking_identifier == "Prediction for the image"
    assert [site.value.meaning for site in group.finding_sites] == ["Skin"]


def test_private_codes_are_identified(report: Any) -> None:
    schemes = {item.CodingSchemeDesignator for item in report.CodingSchemeIdentificationSequence}
    used = {
        item[keyword][0].CodingSchemeDesignator
        for item in items(report)
        for keyword in ("ConceptNameCodeSequence", "ConceptCodeSequence")
        if keyword in item
    }
    assert schemes == {scheme for scheme in used if scheme.startswith("99")} == {"99LESIONLAB"}


def test_abstention_has_its_reason_and_no_number(abstention: Prediction, model: ModelName, dicom_image: Make) -> None:
    report = structured_report(abstention, model, source(dicom_image()))
    assert values(report, "Status of the prediction") == ["Abstained"]
    assert values(report, "Reason for the abstention") == ["too_dark: mean brightness 12, limit 40"]
    assert values(report, "Conclusion") == [abstention.headline]
    assert not [item for item in items(report) if item.ValueType == "NUM"]
    meanings = [str(value_of(item)) for item in items(report) if item.ValueType == "CODE"]
    assert not {"High", "Moderate", "Low", "Positive", "Negative"} & set(meanings)
    assert not any("melanoma" in meaning.lower() or "nevus" in meaning.lower() for meaning in meanings)


@pytest.mark.slow
def test_same_prediction_has_the_same_uids_and_another_one_has_not(
    report: Any, prediction: Prediction, abstention: Prediction, model: ModelName, dicom_image: Make
) -> None:
    def uids(one: Prediction, **changes: Any) -> tuple[str, str]:
        found = structured_report(one, model, source(dicom_image(**changes)))
        return found.SOPInstanceUID, found.SeriesInstanceUID

    moved = prediction.model_copy(update={"image": "elsewhere/IMG 1.dcm"})
    first = (report.SOPInstanceUID, report.SeriesInstanceUID)
    assert uids(moved) == first
    instance, series = uids(abstention)
    assert instance != first[0]
    assert series == first[1]
    assert uids(prediction, SOPInstanceUID="2.25.1002")[0] != first[0]
    assert all(pydicom.uid.UID(uid).is_valid for uid in first)


def test_another_model_has_another_series(
    report: Any, abstention: Prediction, model: ModelName, dicom_image: Make
) -> None:
    other = model.model_copy(update={"graph_sha256": "f" * 64})
    assert structured_report(abstention, other, source(dicom_image())).SeriesInstanceUID != report.SeriesInstanceUID


@pytest.mark.slow
def test_reports_differ_by_their_time_alone(prediction: Prediction, model: ModelName, dicom_image: Make) -> None:
    first, second = (structured_report(prediction, model, source(dicom_image()), created=NOON) for _ in range(2))
    assert bytes_of(first) == bytes_of(second)


@pytest.mark.parametrize("keyword", ["SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "SOPClassUID"])
def test_image_without_uid_has_no_report(
    prediction: Prediction, model: ModelName, dicom_image: Make, keyword: str
) -> None:
    with pytest.raises(ImageError, match=f"has no {keyword}"):
        structured_report(prediction, model, source(dicom_image(**{keyword: None})))


def test_body_site_is_that_of_the_image(prediction: Prediction, model: ModelName, dicom_image: Make) -> None:
    region = sr.CodedConcept("77568009", "SCT", "Back")
    report = structured_report(prediction, model, source(dicom_image(AnatomicRegionSequence=[region])))
    assert values(report, "Finding Site") == ["Back"]
    report = structured_report(prediction, model, source(dicom_image(), stated_site=Site.FOOT))
    assert values(report, "Finding Site") == ["Skin of foot"]


def test_frame_is_referred_to(prediction: Prediction, model: ModelName, dicom_image: Make) -> None:
    image = dicom_image(SOPClassUID="1.2.840.10008.5.1.4.1.1.7.4", NumberOfFrames=2)
    first, second = (structured_report(prediction, model, source(image, frame=frame)) for frame in (1, 2))
    (image_item,) = [item for item in items(second) if item.ValueType == "IMAGE"]
    assert image_item.ReferencedSOPSequence[0].ReferencedFrameNumber == 2
    assert first.SOPInstanceUID != second.SOPInstanceUID


BARE = dict.fromkeys(
    (
        *("PatientName", "PatientID", "IssuerOfPatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime"),
        *("AccessionNumber", "StudyID", "StudyDescription", "ReferringPhysicianName", "InstanceNumber", "Modality"),
    )
)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        pytest.param("prediction", {}, id="prediction"),
        pytest.param("abstention", {}, id="abstention"),
        pytest.param("binary", {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.77.1.4"}, id="binary of a photograph"),
        pytest.param("prediction", BARE, id="no patient"),
        pytest.param("prediction", {"PatientName": "no caret", "InstanceNumber": 0}, id="odd values"),
    ],
)
def test_dciodvfy_finds_no_error(
    request: pytest.FixtureRequest, model: ModelName, dicom_image: Make, tmp_path: Path, kind: str, changes: Any
) -> None:
    if shutil.which("dciodvfy") is None:
        pytest.skip("dciodvfy is not installed (Debian's package dicom3tools)")
    long = model.model_copy(update={"identity": "a model \\ with a long name " * 4})
    report = structured_report(request.getfixturevalue(kind), long, source(dicom_image(**changes)))
    report.save_as(tmp_path / "report.dcm", enforce_file_format=True)
    done = subprocess.run(["dciodvfy", tmp_path / "report.dcm"], capture_output=True, text=True, check=False)  # noqa: S607
    lines = done.stderr.splitlines()
    assert "ComprehensiveSR" in lines
    assert [line for line in lines if line.startswith("Error")] == []
