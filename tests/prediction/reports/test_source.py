"""Images of reports."""

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lesionlab.bundle import Site
from lesionlab.errors import ImageError
from lesionlab.prediction.reports.codes import Concept
from lesionlab.prediction.reports.source import SourceImage

Make = Callable[..., Any]
BACK = Concept("SCT", "66643007", "Skin of back")


def test_image_is_named_without_folder_and_archive(tmp_path: Path) -> None:
    (tmp_path / "Smith").mkdir()
    (tmp_path / "Smith" / "a.jpg").write_bytes(b"one")
    with zipfile.ZipFile(tmp_path / "Smith.zip", "w") as archive:
        archive.writestr("John/b.jpg", b"two")
    first = SourceImage.read(str(tmp_path / "Smith" / "a.jpg"))
    second = SourceImage.read(f"{tmp_path / 'Smith.zip'}::John/b.jpg")
    assert (first.name, first.data, second.name, second.data) == ("a.jpg", b"one", "b.jpg", b"two")
    assert (first.dicom, first.frame) == (None, None)
    with pytest.raises(ImageError, match="no such file"):
        SourceImage.read(str(tmp_path / "missing.jpg"))


@pytest.mark.parametrize(
    ("encoding", "name"),
    [
        (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎=やまだ^たろう"),
        ("ISO_IR 100", "Müller^Jürgen"),
        ("GB18030", "Wang^XiaoDong=王^小东"),
    ],
)
def test_dicom_header_is_read(
    tmp_path: Path, dicom_image: Make, save_dicom: Make, encoding: str | list[str], name: str
) -> None:
    image = dicom_image(PatientName=name, ReferringPhysicianName=None, StudyDescription=None)
    image.SpecificCharacterSet = encoding
    read = SourceImage.read(f"{save_dicom(image, tmp_path / '2.25.7')}::2")
    assert read.dicom is not None
    assert (read.name, read.frame, str(read.dicom.PatientName)) == ("2.25.7", 2, name)


def test_site_of_the_header_comes_before_the_stated_one(dicom_image: Make) -> None:
    region = pytest.importorskip("pydicom").Dataset()
    region.CodingSchemeDesignator, region.CodeValue, region.CodeMeaning = "SCT", "66643007", "Skin of back"
    assert SourceImage("a", b"", dicom_image(AnatomicRegionSequence=[region]), None, Site.FOOT).site == BACK
    assert SourceImage("a", b"", dicom_image(), None, Site.FOOT).site.meaning == "Skin of foot"
    assert SourceImage("a", b"", dicom_image(AnatomicRegionSequence=[]), None, Site.ACRAL).site.meaning == "Skin"
    assert SourceImage("a", b"").site.meaning == "Skin"
