"""Datasets with DICOM files."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from pydicom import uid

from lesionlab.data import check_dataset, read_dataset
from lesionlab.data.dataset import scan_dataset
from tests.images.dicom.files import dicom, no_image


def pixels(shade: int, frames: int = 1) -> np.ndarray:
    values = np.random.default_rng(shade).integers(0, 256, (frames, 16, 16, 3), np.uint8)
    return values if frames > 1 else values[0]


def test_tables_name_dicom_files_by_uid_name_or_path(tmp_path: Path, make_table: Callable[..., Path]) -> None:
    (tmp_path / "images").mkdir()
    files = {
        "1.2.840.1": dicom(pixels(1)),
        "1.2.840.2.dcm": dicom(pixels(2)),
        "IM0003": dicom(pixels(3), SOPInstanceUID="1.2.840.3"),
        "scan.dcm": dicom(pixels(4, frames=2)),
    }
    for name, data in files.items():
        (tmp_path / "images" / name).write_bytes(data)
    ids = ["1.2.840.1", "1.2.840.2", "1.2.840.3", "images/scan.dcm::1", "scan-2"]
    rows = [{"image_id": name, "dx": "nv", "age": "40"} for name in ids]
    make_table(tmp_path / "metadata.csv", rows)
    manifest = read_dataset(tmp_path)
    assert [record.path for record in manifest] == [
        "images/1.2.840.1",
        "images/1.2.840.2.dcm",
        "images/IM0003",
        "images/scan.dcm::1",
        "images/scan.dcm::2",
    ]
    lesions = [record.lesion_id for record in manifest]
    assert lesions == ["1.2.840.1", "1.2.840.2", "1.2.840.3", "images/scan", "images/scan"]
    assert check_dataset(tmp_path).ok


def test_frames_of_a_file_are_one_lesion_in_class_folders(tmp_path: Path, make_images: Callable[..., None]) -> None:
    make_images(tmp_path / "mel", ("a",))
    (tmp_path / "mel" / "scan.dcm").write_bytes(dicom(pixels(5, frames=2)))
    (tmp_path / "mel" / "1.2.840.7").write_bytes(dicom(pixels(6)))
    (tmp_path / "mel" / "report.dcm").write_bytes(no_image(uid.BasicTextSRStorage))
    make_images(tmp_path / "nv", ("b",), 7)
    scan = scan_dataset(tmp_path)
    assert [(record.image_id, record.lesion_id) for record in scan.records] == [
        ("1.2.840.7", "1.2.840.7"),
        ("a", "a"),
        ("scan-1", "mel/scan"),
        ("scan-2", "mel/scan"),
        ("b", "b"),
    ]
    assert str(scan.left_out) == "1 DICOM file without an image"
    assert check_dataset(tmp_path).ok
