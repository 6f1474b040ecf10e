"""Grey levels of DICOM files: rescale, windows and lookup tables."""

from typing import Any

import numpy as np
import pytest
from pydicom import Dataset, uid

from lesionlab.errors import ImageError
from lesionlab.images import decode_image
from tests.images.dicom.files import dicom

SAMPLES = np.arange(4096).reshape(64, 64)
STORED = SAMPLES.astype(np.uint16)


def shown(stored: np.ndarray = STORED, syntax: uid.UID = uid.ExplicitVRLittleEndian, **elements: Any) -> np.ndarray:
    data = dicom(stored, syntax, **({"BitsStored": 12} | elements))
    return np.asarray(decode_image(data).image)[..., 0].astype(float)


def table(entries: np.ndarray, first: int, bits: int, syntax: uid.UID = uid.ExplicitVRLittleEndian) -> list[Dataset]:
    item = Dataset()
    item.LUTDescriptor = [len(entries) % 2**16, first, bits]
    item.LUTData = entries.astype("<u2" if syntax.is_little_endian else ">u2").tobytes()
    item["LUTData"].VR = "OW"
    return [item]


@pytest.mark.parametrize(
    ("elements", "expected"),
    [
        pytest.param({}, SAMPLES / 4095, id="range of the samples"),
        pytest.param({"RescaleSlope": 2, "RescaleIntercept": -1000}, SAMPLES / 4095, id="rescale without a window"),
        pytest.param({"RescaleSlope": -1, "RescaleIntercept": 0}, 1 - SAMPLES / 4095, id="negative slope"),
        pytest.param({"WindowCenter": 1000, "WindowWidth": 401}, (SAMPLES - 999.5) / 400 + 0.5, id="linear window"),
        pytest.param(
            {"WindowCenter": [1000, 50], "WindowWidth": [400, 2], "VOILUTFunction": "LINEAR_EXACT"},
            (SAMPLES - 1000) / 400 + 0.5,
            id="first of several exact windows",
        ),
        pytest.param(
            {"WindowCenter": 1000, "WindowWidth": 400, "VOILUTFunction": "SIGMOID"},
            1 / (1 + np.exp(-4 * (SAMPLES - 1000.0) / 400)),
            id="sigmoid",
        ),
        pytest.param(
            {"WindowCenter": 1000, "WindowWidth": 401, "RescaleSlope": 0.5, "RescaleIntercept": 10},
            (SAMPLES / 2 + 10 - 999.5) / 400 + 0.5,
            id="window of rescaled samples",
        ),
        pytest.param(
            {"WindowCenter": 1000, "WindowWidth": 401, "PhotometricInterpretation": "MONOCHROME1"},
            0.5 - (SAMPLES - 999.5) / 400,
            id="inverted window",
        ),
        pytest.param({"WindowCenter": 0, "WindowWidth": 1}, (SAMPLES > -0.5) * 1.0, id="narrowest window"),
        pytest.param(
            {"VOILUTSequence": table(np.arange(4096) // 16, 0, 8)}, SAMPLES // 16 / 255, id="4096 entries of 8 bits"
        ),
        pytest.param(
            {"VOILUTSequence": table(np.arange(100, -1, -1) * 10, 500, 10)},
            (1000 - 10 * (SAMPLES - 500).clip(0, 100)) / 1023,
            id="table with an offset",
        ),
        pytest.param(
            {"ModalityLUTSequence": table(4095 - np.arange(4096), 0, 12)}, 1 - SAMPLES / 4095, id="modality table"
        ),
    ],
)
def test_grey_levels(elements: dict[str, Any], expected: np.ndarray) -> None:
    assert np.abs(shown(**elements) - 255 * np.clip(expected, 0, 1)).max() <= 0.51


@pytest.mark.parametrize("syntax", [uid.ImplicitVRLittleEndian, uid.ExplicitVRBigEndian], ids=lambda s: s.keyword)
def test_tables_of_other_byte_orders(syntax: uid.UID) -> None:
    levels = shown(syntax=syntax, VOILUTSequence=table(4095 - np.arange(4096), 0, 12, syntax))
    assert np.abs(levels - 255 * (1 - SAMPLES / 4095)).max() <= 0.51


def test_negative_samples() -> None:
    stored = (SAMPLES - 2048).astype(np.int16)
    assert np.abs(shown(stored) - 255 * SAMPLES / 4095).max() <= 0.51
    window = shown(stored, WindowCenter=-500, WindowWidth=400, VOILUTFunction="LINEAR_EXACT")
    assert np.abs(window - 255 * np.clip((SAMPLES - 1548) / 400 + 0.5, 0, 1)).max() <= 0.51


def test_unused_bits_are_ignored() -> None:
    assert (shown(STORED | 0xF000) == shown(STORED)).all()


@pytest.mark.parametrize("value", ["NaN", "1e999"])
def test_numbers_that_are_not_finite_are_an_error(value: str) -> None:
    data = dicom(STORED, BitsStored=12, WindowCenter=77777, WindowWidth=4)
    with pytest.raises(ImageError, match=r"WindowCenter is not a finite number|does not follow the standard"):
        decode_image(data.replace(b"77777.0", value.rjust(7).encode()))
