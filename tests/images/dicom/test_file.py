"""Reading of DICOM files: header, frames, files without an image, damage, bounds and private data."""

import io
import logging
import struct
import sys
import tracemalloc
import zlib
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pydicom import Dataset, uid

from lesionlab.errors import ImageError
from lesionlab.images import decode_image, load_image
from lesionlab.images.dicom import file, find_frames, read_dicom_header
from tests.images.dicom.files import PATIENT, PRIVATE, dicom, no_image, written

PIXELS = np.random.default_rng(0).integers(0, 256, (16, 24, 3), dtype=np.uint8)
FRAMES = np.stack([PIXELS // (i + 1) for i in range(3)])


def test_a_frame_is_named_by_its_number(tmp_path: Path) -> None:
    path = tmp_path / "1.2.840.5"
    path.write_bytes(dicom(FRAMES))
    for number in (1, 2, 3):
        assert (np.asarray(load_image(f"{path}::{number}").image) == FRAMES[number - 1]).all()
    for location, reason in (
        (f"{path}::4", "there is no frame 4; the DICOM file holds 3"),
        (path, "FILE::1 to FILE::3"),
    ):
        with pytest.raises(ImageError, match=reason):
            load_image(location)


@pytest.mark.parametrize("syntax", [uid.RLELossless, uid.JPEGLSLossless, uid.DeflatedExplicitVRLittleEndian])
def test_coded_frames(syntax: uid.UID) -> None:
    data = dicom(FRAMES, syntax)
    for number in (1, 2, 3):
        assert (np.asarray(decode_image(data, frame=number).image) == FRAMES[number - 1]).all()


@pytest.mark.parametrize("offsets", ["none", "basic", "extended"])
def test_frames_of_several_fragments(photograph: Image.Image, offsets: str) -> None:
    images = [photograph, photograph.transpose(Image.Transpose.ROTATE_180)]
    streams = [io.BytesIO() for _ in images]
    for image, stream in zip(images, streams, strict=True):
        image.save(stream, "JPEG", quality=95)
    coded = [stream.getvalue() for stream in streams]
    elements = {"PhotometricInterpretation": "YBR_FULL_422", "NumberOfFrames": 2}
    dataset = pydicom.dcmread(io.BytesIO(dicom(np.asarray(photograph), uid.JPEGBaseline8Bit, frames=coded, **elements)))
    if offsets == "extended":
        value, table, lengths = pydicom.encaps.encapsulate_extended(coded)
        dataset.PixelData, dataset.ExtendedOffsetTable, dataset.ExtendedOffsetTableLengths = value, table, lengths
    else:
        dataset.PixelData = pydicom.encaps.encapsulate(coded, fragments_per_frame=2, has_bot=offsets == "basic")
    data = written(dataset, uid.JPEGBaseline8Bit)
    for number, image in enumerate(images, 1):
        decoded = np.asarray(decode_image(data, frame=number).image).astype(int)
        assert np.abs(decoded - np.asarray(image)).max() < 12


def test_frames_of_other_files_are_an_error(tmp_path: Path) -> None:
    Image.fromarray(PIXELS).save(tmp_path / "a.png")
    with pytest.raises(ImageError, match="`::2` names a frame of a DICOM file, which this is not"):
        load_image(tmp_path / "a.png::2")


def test_frames_are_counted() -> None:
    assert find_frames(io.BytesIO(dicom(PIXELS)))[0] == 1
    assert find_frames(io.BytesIO(dicom(FRAMES)))[0] == 3
    assert find_frames(io.BytesIO(dicom(FRAMES, uid.DeflatedExplicitVRLittleEndian)))[0] == 3


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (no_image(uid.BasicTextSRStorage, ContentSequence=[Dataset()]), "Basic Text SR Storage"),
        (no_image(uid.EncapsulatedPDFStorage, EncapsulatedDocument=b"%PDF"), "Encapsulated PDF Storage"),
        (no_image(uid.TwelveLeadECGWaveformStorage, WaveformSequence=[Dataset()]), "12-lead ECG Waveform Storage"),
        (no_image(uid.MediaStorageDirectoryStorage), "DICOMDIR"),
        (no_image("1.2.3.4"), "its type is unknown"),
        (dicom(PIXELS[..., 0], Modality="SEG"), "segmentation"),
        (dicom(FRAMES, TotalPixelMatrixColumns=240, TotalPixelMatrixRows=160), "tiles of a whole slide"),
    ],
)
def test_files_without_an_image(data: bytes, kind: str) -> None:
    assert find_frames(io.BytesIO(data))[0] == 0
    with pytest.raises(ImageError, match=f"this DICOM file holds no image: .*{kind}"):
        decode_image(data)


def test_the_header_ends_before_the_pixels(tmp_path: Path) -> None:
    path = tmp_path / "a.dcm"
    path.write_bytes(dicom(PIXELS, **PATIENT))
    for header in (read_dicom_header(path), read_dicom_header(path.read_bytes()), read_dicom_header(f"{path}::1")):
        assert header.PatientName == "Doe^Jane"
        assert header.SOPClassUID == uid.VLPhotographicImageStorage
        assert header.file_meta.TransferSyntaxUID == uid.ExplicitVRLittleEndian
        assert "PixelData" not in header
    with pytest.raises(ImageError, match="not a DICOM file"):
        read_dicom_header(b"no DICOM")


@pytest.mark.parametrize("number", [0, -1, 10_001, 2_000_000_000])
def test_the_number_of_frames_is_bounded(number: int) -> None:
    data = dicom(PIXELS, NumberOfFrames=1111111111).replace(b"1111111111", str(number).rjust(10).encode())
    if number == 0:  # many writers mean one frame
        assert find_frames(io.BytesIO(data))[0] == 1
        return
    with pytest.raises(ImageError, match="the limit is 10,000"):
        find_frames(io.BytesIO(data))


def body_at(data: bytes) -> int:
    """Return where the elements after the file's meta information begin."""
    return 144 + int(struct.unpack_from("<L", data, 140)[0])


SEQUENCE = struct.pack("<HH2sHL", 0x0040, 0x0555, b"SQ", 0, 0xFFFFFFFF)


def deflated_zeros() -> bytes:
    data = dicom(PIXELS, uid.DeflatedExplicitVRLittleEndian)
    coder = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    return data[: body_at(data)] + b"".join(coder.compress(bytes(2**20)) for _ in range(64)) + coder.flush()


def many_items() -> bytes:
    data = dicom(PIXELS)
    return data[: body_at(data)] + SEQUENCE + struct.pack("<HHL", 0xFFFE, 0xE000, 0) * 2**20


def deep_items() -> bytes:
    data = dicom(PIXELS)
    return data[: body_at(data)] + (SEQUENCE + struct.pack("<HHL", 0xFFFE, 0xE000, 0xFFFFFFFF)) * 5_000


def long_runs() -> bytes:
    runs = b"\x81\0" * 3 * 2**19
    header = np.array([3, *(64 + i * 2**20 for i in range(3)), *[0] * 12], "<u4").tobytes()
    return dicom(PIXELS, uid.RLELossless, frames=[header + runs])


def huge_jpeg_ls() -> bytes:
    components = b"\1\x11\0\2\x11\0\3\x11\0"
    header = b"\xff\xd8\xff\xf7" + struct.pack(">HBHHB", 17, 8, 65535, 65535, 3) + components
    return dicom(PIXELS, uid.JPEGLSLossless, frames=[header + bytes(100)])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("bomb", "reason"),
    [
        (deflated_zeros, "larger than 1 MiB when inflated"),
        (many_items, "damaged"),
        (deep_items, "damaged"),
        (long_runs, None),
        (huge_jpeg_ls, "another width and height"),
    ],
)
def test_bombs_take_no_memory(bomb: Callable[[], bytes], reason: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file, "MAX_FILE_BYTES", 2**20)
    monkeypatch.setattr(file, "_MAX_READS", 5_000)
    data = bomb()
    tracemalloc.start()
    try:
        with pytest.raises(ImageError, match=reason) if reason else nullcontext():
            decode_image(data)
        assert tracemalloc.get_traced_memory()[1] < 60_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("kind", ["short", "native", "fragments", "no syntax", "meta"])
def test_truncated_and_incomplete_files(kind: str) -> None:
    native, rle = dicom(PIXELS, **PATIENT), dicom(PIXELS, uid.RLELossless)
    data, reason = {
        "short": (native[:132], "does not name its transfer syntax"),
        "native": (native[:-100], r"truncated \([\d,]+ of 1,152 bytes\)"),
        "fragments": (rle[:-100], "truncated"),
        "no syntax": (native.replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.99999.1.2.1\0"), "transfer syntax"),
        "meta": (native[:200], "transfer syntax|no image"),
    }[kind]
    with pytest.raises(ImageError, match=reason):
        decode_image(data)


def outcome(read: Callable[[bytes], object], data: bytes) -> str:
    """Return the message of the error, empty if there is none."""
    try:
        read(data)
    except ImageError as error:
        return str(error)
    return ""


def test_no_data_of_the_patient_get_into_messages_logs_and_warnings(
    caplog: pytest.LogCaptureFixture, recwarn: pytest.WarningsRecorder, capfd: pytest.CaptureFixture[str]
) -> None:
    data = dicom(PIXELS, **PATIENT)
    broken = [
        data.replace(b"19610203", b"1961 2 3"),
        data.replace(b"Doe^Jane", b"\xff\xfe\xfdJane"),
        data.replace(b"065Y", b"old!"),
        data.replace(b"RGB ", b"Doe "),
        data[:-1000],
    ]
    with caplog.at_level(logging.DEBUG):
        messages = [message for changed in (data, *broken) if (message := outcome(decode_image, changed))]
    assert not any(value in message for value in PRIVATE for message in messages)
    assert not caplog.records
    assert not recwarn.list
    assert capfd.readouterr() == ("", "")


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "pydicom"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "pydicom", None)
    with pytest.raises(ImageError, match=r"pydicom .*pip install 'lesionlab\[dicom\]'"):
        decode_image(dicom_bytes := DATA[0])
    assert dicom_bytes


PALETTE_TABLES: dict[str, Any] = {
    f"{colour}PaletteColorLookupTable{part}": value
    for colour in ("Red", "Green", "Blue")
    for part, value in (("Descriptor", [256, 0, 16]), ("Data", bytes(512)))
}
DATA = [
    dicom(PIXELS),
    dicom(PIXELS, uid.ImplicitVRLittleEndian, ICCProfile=bytes(200)),
    dicom(PIXELS, uid.DeflatedExplicitVRLittleEndian),
    dicom(FRAMES, uid.RLELossless),
    dicom(PIXELS, uid.JPEGLSLossless),
    dicom(
        PIXELS[..., 0].astype(np.uint16), BitsStored=12, WindowCenter=[40, 7], WindowWidth=[400, 3], RescaleSlope="1.5"
    ),
    dicom(
        PIXELS[..., 0],
        PhotometricInterpretation="PALETTE COLOR",
        **PALETTE_TABLES,
    ),
]


def _damaged(data: bytes, cut: int | None, flips: list[tuple[int, int]]) -> bytes:
    changed = bytearray(data)
    for place, value in flips:
        changed[132 + place % (len(changed) - 132)] = value
    return bytes(changed[: max(132, len(changed) - cut)] if cut else changed)


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(range(len(DATA))),
    st.none() | st.integers(1, 3000),
    st.lists(st.tuples(st.integers(0, 2_000), st.integers(0, 255)), max_size=4),
)
def test_a_damaged_file_is_an_image_or_an_image_error(
    number: int, cut: int | None, flips: list[tuple[int, int]]
) -> None:
    data = _damaged(DATA[number], cut, flips)
    for read in (decode_image, lambda given: find_frames(io.BytesIO(given)), read_dicom_header):
        assert "\n" not in outcome(read, data)
