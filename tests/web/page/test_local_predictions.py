"""The engine in the browser builds the same predictions and heat maps as Python."""

import base64
import io
import os
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page

from lesionlab.bundle import Bundle, Patient, PatientThreshold, Reference, default_bundle_path, save_bundle
from lesionlab.data import Manifest
from lesionlab.errors import ImageError
from lesionlab.export.dermoscopy import with_detector
from lesionlab.images.colour_profile import CONVERTED, IGNORED
from lesionlab.phantoms import phantom_image
from lesionlab.prediction import Predictor, RiskRule
from lesionlab.prediction.decision.prediction_builder import PredictionBuilder
from lesionlab.prediction.inference.preprocessing import PreparedImage
from lesionlab.prediction.inference.session import GraphOutput
from lesionlab.results import Prediction
from lesionlab.taxonomy import CODES, TASKS
from lesionlab.web.bundle import PAGE
from lesionlab.web.weights import pack_graph, unpack_graph
from tests.images import profiles
from tests.web.page.conftest import Host

pytestmark = pytest.mark.slow

CLOSE, CLOSE_ON_THE_MAP, CLOSE_OUTLINES = 1e-3, 0.01, 0.03
SQUARE, CAMERA, LARGE = (224, 224), (600, 450), (3000, 2000)
PATIENTS: list[dict[str, str]] = [{}, {"age": "57", "sex": "male", "site": "back"}, {"age": "3"}, {"site": "unknown"}]
REAL = os.environ.get("LESIONLAB_DATA")

_EXPLAIN = """
  async ([file, patient, code = null]) => {
    const { buildPrediction, evidenceOf } = await import(new URL("assets/result/prediction.js", location.href).href);
    const bytes = Uint8Array.from(atob(file), (character) => character.charCodeAt(0));
    try {
      const explained = await engine.explain(new Blob([bytes]), code);
      const card = await engine.model();
      const choice = { prevalence: null, point: null };
      const result = buildPrediction(card, evidenceOf(explained.result, card), patient, choice);
      // The engine knows no patient: the page hides the map of an image that is abstained from with patient data only.
      const hidden = result.status === "abstained" && explained.result.status === "ok";
      return { ...explained, explanation: hidden ? null : explained.explanation, result };
    } catch (error) {
      return { kind: error.kind, message: error.message };
    }
  }
"""


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def with_orientation(image: Image.Image, orientation: int, kind: str = "JPEG") -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encoded(image, kind, exif=exif)


def in_sizes(image: Image.Image) -> Iterator[bytes]:
    for size in (SQUARE, CAMERA, LARGE):
        yield encoded(image.resize(size, Image.Resampling.BICUBIC), "JPEG", quality=90)
    yield encoded(image.resize(CAMERA, Image.Resampling.BICUBIC), "PNG")


def synthetic_files() -> dict[str, bytes]:
    files = {}
    for seed, code in enumerate(CODES):
        for name, data in zip(("square", "camera", "large", "png"), in_sizes(phantom_image(code, seed)), strict=True):
            files[f"{code} {name}"] = data
    mole, large = phantom_image("mel", 3, CAMERA), phantom_image("mel", 3, (1400, 1050))
    clear = mole.copy()
    clear.putalpha(Image.linear_gradient("L").resize(CAMERA))
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/" xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="8"/>'
    return files | {
        **{f"orientation {value}": with_orientation(large, value) for value in range(1, 9)},
        "orientation of a png": with_orientation(mole, 6, "PNG"),
        "orientation of a webp": with_orientation(mole, 8, "WEBP"),
        "orientation in xmp": encoded(mole, "JPEG", xmp=xmp),
        "progressive": encoded(large, "JPEG", progressive=True),
        "chroma 4:2:2": encoded(large, "JPEG", subsampling="4:2:2"),
        "cmyk": encoded(mole.convert("CMYK"), "JPEG"),
        "grey jpeg": encoded(mole.convert("L"), "JPEG"),
        "grey png": encoded(mole.convert("L"), "PNG"),
        "16 bits": encoded(Image.fromarray(np.asarray(mole.convert("L")).astype(np.uint16) * 257), "PNG"),
        "palette": encoded(mole.quantize(200), "PNG"),
        "transparent": encoded(clear, "PNG"),
        "webp": encoded(mole, "WEBP"),
        "bmp": encoded(mole, "BMP"),
        "gif": encoded(mole.quantize(255), "GIF"),
        "too small": encoded(mole.resize((40, 30)), "PNG"),
        "wide": encoded(mole.resize((900, 300)), "PNG"),
        "dark": encoded(Image.new("RGB", CAMERA, (9, 9, 9)), "PNG"),
        "bright and blurred": encoded(Image.new("RGB", CAMERA, (251, 250, 252)), "JPEG"),
    }


def with_gamma(png: bytes, gamma: int = 100_000) -> bytes:
    """Return a PNG file that states a gamma, which Pillow does not apply."""
    chunk = b"gAMA" + struct.pack(">I", gamma)
    return png[:33] + struct.pack(">I", 4) + chunk + struct.pack(">I", zlib.crc32(chunk)) + png[33:]


def profiled_files() -> dict[str, bytes]:
    mole, large = phantom_image("mel", 3, CAMERA), phantom_image("mel", 3, (1400, 1050))
    grey, p3 = mole.convert("L"), profiles.P3_OF_PHONES
    linear = [round(65535 * (value / 20_000) ** 1.8) for value in range(20_001)]
    in_parts = encoded(large, "JPEG", icc_profile=profiles.rgb_profile(profiles.PROPHOTO, profiles.table(linear)))
    assert in_parts.count(b"ICC_PROFILE") > 1
    adobe = profiles.rgb_profile(profiles.ADOBE_RGB, profiles.parametric(0, 563 / 256))
    linear_grey = profiles.icc_profile(b"GRAY", {b"kTRC": profiles.parametric(0, 1.0)})
    srgb = profiles.rgb_profile(profiles.SRGB, profiles.parametric(3, *profiles.SRGB_CURVE))
    opaque = mole.convert("RGBA")
    exif = Image.Exif()
    exif[0x0112] = 6
    return {
        "jpeg": encoded(mole, "JPEG", icc_profile=p3),
        "reduced and rotated jpeg": encoded(phantom_image("bcc", 1, LARGE), "JPEG", icc_profile=p3, exif=exif),
        "profile in parts": in_parts,
        "profile without a part": in_parts.replace(b"ICC_PROFILE\0\1", b"icc_profile\0\1"),
        "png": encoded(mole, "PNG", icc_profile=adobe),
        "webp": encoded(mole, "WEBP", lossless=True, icc_profile=adobe),
        "lossy webp": encoded(mole, "WEBP", icc_profile=p3),
        "palette": encoded(mole.quantize(200), "PNG", icc_profile=p3),
        "gamma": with_gamma(encoded(mole, "PNG")),
        "opaque": encoded(opaque, "PNG", icc_profile=p3),
        "grey jpeg": encoded(grey, "JPEG", icc_profile=linear_grey),
        "grey png": encoded(grey, "PNG", icc_profile=linear_grey),
        "grey pixels, profile of colours": encoded(grey, "PNG", icc_profile=p3),
        "srgb": encoded(mole, "PNG", icc_profile=srgb),
        "damaged": encoded(mole, "JPEG", icc_profile=p3[:200]),
        "damaged in a png": encoded(mole, "PNG", icc_profile=b"rubbish"),
    }


def with_segments(jpeg: bytes, *segments: bytes) -> bytes:
    """Return a JPEG with bytes after its first marker."""
    return jpeg[:2] + b"".join(segments) + jpeg[2:]


def unusual_files() -> dict[str, bytes]:
    jpeg = encoded(phantom_image("mel", 3, CAMERA), "JPEG")
    noise = np.random.default_rng(0).bytes(65_533)
    return {
        "other data after the image": jpeg + 10 * noise,
        "markers after the image": jpeg + b"\xff\xda" * 50_000,
        "a second image after the image": jpeg + jpeg[:3000],
        "5 MB of camera data": with_segments(jpeg, *[b"\xff\xef\xff\xff" + noise] * 80),
        "bytes between segments": with_segments(jpeg, b"\xff\xff\xff\xfe\0\x04ab", b"junk"),
        "a marker without a segment": with_segments(jpeg, b"\xff\xfe\0\2", b"\xff\0"),
        "png before other data": encoded(phantom_image("nv", 3, CAMERA), "PNG") + noise,
        "gif before other data": encoded(phantom_image("nv", 3, CAMERA).quantize(255), "GIF") + noise,
        "webp before other data": encoded(phantom_image("nv", 3, CAMERA), "WEBP") + noise,
    }


def real_files() -> dict[str, bytes]:
    images = sorted(Path(REAL or "").glob("ham10000/HAM10000_images_part_*/*.jpg"))[::1500]
    files = {}
    for path in images:
        files[path.name] = path.read_bytes()
        with Image.open(path) as image:
            for name, data in zip(("square", "camera", "large", "png"), in_sizes(image), strict=True):
                files[f"{path.name} {name}"] = data
    return files


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    """The shipped model with the rounded weights of the page; see tests/web/test_weights.py for the rounding."""
    bundle = Bundle.load()
    return Predictor.load(replace(bundle, graph=unpack_graph(pack_graph(bundle.graph))), threads=1)


def open_engine(chromium: Browser, address: str) -> Page:
    page = chromium.new_page()
    page.goto(f"{address}/")
    page.evaluate(
        """async () => {
          const { LocalEngine } = await import(new URL("assets/local/engine.js", location.href).href);
          window.engine = new LocalEngine();
          await engine.model();
        }"""
    )
    return page


@pytest.fixture(scope="module")
def engine_page(chromium: Browser, host: Host) -> Iterator[Page]:
    page = open_engine(chromium, host(default_bundle_path()))
    yield page
    page.close()


def unequal(expected: Any, found: Any, tolerance: float, path: str = "") -> list[str]:
    """Return the differences between two JSON values; only numbers with a fraction have a tolerance."""
    if isinstance(expected, dict) and isinstance(found, dict):
        if expected.keys() != found.keys():
            return [f"{path}: keys {sorted(expected)}, found {sorted(found)}"]
        return [line for key in expected for line in unequal(expected[key], found[key], tolerance, f"{path}.{key}")]
    if isinstance(expected, list) and isinstance(found, list) and len(expected) == len(found):
        return [line for pair in zip(expected, found, strict=True) for line in unequal(*pair, tolerance, f"{path}[]")]
    if isinstance(expected, float) and isinstance(found, int | float) and not isinstance(found, bool):
        return [] if abs(expected - found) <= tolerance else [f"{path}: {expected}, found {found}"]
    return [] if expected == found else [f"{path}: {expected}, found {found}"]


def outline_differences(expected: list[list[float]] | None, found: list[list[float]] | None) -> list[str]:
    if expected is None or found is None:
        return [] if expected == found else [f"outline: {expected}, found {found}"]
    distances = np.linalg.norm(np.array(expected)[:, np.newaxis] - np.array(found), axis=2)
    apart = max(distances.min(axis=0).max(), distances.min(axis=1).max())
    return [] if apart < CLOSE_OUTLINES else [f"outlines are {apart:.3f} apart"]


def differences(page: Page, predictor: Predictor, data: bytes, patient: dict[str, str]) -> list[str]:
    """Return the differences between the browser's explained prediction and Python's."""
    prepared = predictor.pipeline.prepare(data, "image", Patient.model_validate(patient))
    (explained,) = predictor.pipeline.explain([prepared], [None])
    expected = explained.model_dump(mode="json")
    # The engine knows no patient: the page names the class that is the first one with patient data.
    code = expected["explanation"] and expected["explanation"]["code"]
    found = page.evaluate(_EXPLAIN, [base64.b64encode(data).decode(), patient, code])
    if "result" not in found:
        return [str(found)]
    result = found["result"]
    faults = [] if found["explanation"] is None else outline_differences(expected["outline"], found["outline"])
    # The headline and messages show rounded numbers: it must be Python's headline for the browser's own numbers.
    own_headline = Prediction.model_validate(result).headline
    faults += [] if result["headline"] == own_headline else [f"headline {result['headline']}, expected {own_headline}"]
    for each in (expected["prediction"], result):
        del each["headline"]
        each["abstain_reasons"] = [{"code": reason["code"]} for reason in each["abstain_reasons"]]
        # The score is a distance, on no scale from 0 to 1.
        each["ood_score"] = each["ood_score"] and each["ood_score"] / 10
    faults += unequal(expected["prediction"], result, CLOSE)
    return faults + unequal(expected["explanation"], found["explanation"], CLOSE_ON_THE_MAP)


def all_differences(page: Page, predictor: Predictor, files: dict[str, bytes]) -> dict[str, list[str]]:
    found = {
        name: differences(page, predictor, data, PATIENTS[index % len(PATIENTS)])
        for index, (name, data) in enumerate(files.items())
    }
    return {name: faults for name, faults in found.items() if faults}


def test_predictions_for_synthetic_images_equal_python(engine_page: Page, predictor: Predictor) -> None:
    files = synthetic_files()
    assert len(files) > 50
    assert all_differences(engine_page, predictor, files) == {}


def test_predictions_with_colour_profiles_equal_python(engine_page: Page, predictor: Predictor) -> None:
    files = profiled_files()
    assert all_differences(engine_page, predictor, files) == {}
    notes = {note for data in files.values() for note in predictor.predict(data).notes}
    assert {CONVERTED, IGNORED} < notes


def test_whole_files_of_unusual_structure_are_read(engine_page: Page, predictor: Predictor) -> None:
    assert all_differences(engine_page, predictor, unusual_files()) == {}


@pytest.mark.parametrize(("marker", "bits"), [(0xC0, 12), (0xC1, 12), (0xC3, 8), (0xC3, 16), (0xC5, 8), (0xF7, 8)])
def test_a_whole_jpeg_of_another_coding_is_named_as_in_python(
    engine_page: Page, predictor: Predictor, marker: int, bits: int
) -> None:
    data = bytearray(encoded(phantom_image("mel", 1), "JPEG"))
    place = data.index(b"\xff\xc0")
    data[place + 1], data[place + 4] = marker, bits
    found = engine_page.evaluate(_EXPLAIN, [base64.b64encode(data).decode(), {}])
    with pytest.raises(ImageError, match=r"JPEG.* is not read; export the image with 8 bits per channel") as error:
        predictor.predict(bytes(data))
    assert found["message"] in str(error.value)


def test_a_jpeg_with_arithmetic_coding_is_not_called_damaged(engine_page: Page) -> None:
    data = encoded(phantom_image("mel", 1), "JPEG").replace(b"\xff\xc0", b"\xff\xc9")
    found = engine_page.evaluate(_EXPLAIN, [base64.b64encode(data).decode(), {}])
    assert "arithmetic coding is not read in the browser" in found["message"]


def test_colours_that_cannot_be_converted_are_rejected(engine_page: Page) -> None:
    mole = phantom_image("mel", 1)
    clear = mole.copy()
    clear.putalpha(128)
    data = encoded(clear, "PNG", icc_profile=profiles.P3_OF_PHONES)
    found = engine_page.evaluate(_EXPLAIN, [base64.b64encode(data).decode(), {}])
    assert "save the image without transparency" in found["message"]
    table = {b"A2B0": b"mft2" + bytes(60)}
    for mode, space in (("RGB", b"RGB "), ("CMYK", b"CMYK")):
        data = encoded(mole.convert(mode), "JPEG", icc_profile=profiles.icc_profile(space, table))
        found = engine_page.evaluate(_EXPLAIN, [base64.b64encode(data).decode(), {}])
        assert found["kind"] == "image"
        assert "colour profile (test profile) is not read in the browser" in found["message"]


@pytest.mark.skipif(not REAL, reason="LESIONLAB_DATA names no folder with real images")
def test_predictions_for_real_images_equal_python(engine_page: Page, predictor: Predictor) -> None:
    files = real_files()
    assert len(files) > 20
    assert all_differences(engine_page, predictor, files) == {}


def test_the_detector_abstains_as_in_python(
    chromium: Browser, host: Host, phantoms: Manifest, tiny_whole_bundle: Path, tmp_path: Path
) -> None:
    draw, noise = np.random.default_rng(0), []
    for number in range(10):
        noise.append(tmp_path / f"{number}.png")
        Image.fromarray(draw.integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(noise[-1])
    images = [phantoms.location(record) for record in phantoms]
    bundle = replace(Bundle.load(tiny_whole_bundle), evaluation=None)
    bundle = with_detector(bundle, images[::2], images[1::2], {"noise": [str(path) for path in noise]})
    save_bundle(tmp_path / "bundle", bundle.info, bundle.graph, reference=bundle.reference)
    predictor, page = Predictor.load(tmp_path / "bundle", threads=1), open_engine(chromium, host(tmp_path / "bundle"))
    files = {str(path): path.read_bytes() for path in (*map(Path, images[:5]), *noise[:5])}
    assert all_differences(page, predictor, files) == {}
    page.close()
    reasons = [{reason.code for reason in predictor.predict(path).abstain_reasons} for path in files]
    assert ["not_dermoscopic" in codes for codes in reasons] == [False] * 5 + [True] * 5


_BUILD = """
  async (rows) => {
    const { buildPrediction } = await import(new URL("assets/result/prediction.js", location.href).href);
    const { calibrate } = await import(new URL("assets/result/probabilities.js", location.href).href);
    const { card } = await (await fetch(new URL("model/model.json", location.href))).json();
    return rows.map(([logits, patient, prevalence, point]) => {
      const probabilities = calibrate(Float32Array.from(logits), card.calibration);
      const evidence = { probabilities, notes: [], reasons: [], oodScore: null };
      return buildPrediction(card, evidence, patient, { prevalence, point });
    });
  }
"""


def with_all_thresholds(path: Path) -> None:
    """Write the default bundle with guaranteed thresholds, and with thresholds for patient data."""
    bundle, points = Bundle.load(), []
    for point in bundle.info.operating_points:
        if point.confidence is not None:  # made again below: names are unique
            continue
        patient = PatientThreshold(threshold=2 * point.threshold, sensitivity=0.93, specificity=0.8)
        guarantee = {"name": f"{point.name} at 95% confidence", "confidence": 0.95, "threshold": point.threshold / 2}
        points += [point.model_copy(update=guarantee), point.model_copy(update={"patient": patient})]
    info = bundle.info.model_copy(update={"operating_points": tuple(points)})
    save_bundle(path, info, bundle.graph, reference=bundle.reference)


Choice = tuple[dict[str, float] | None, RiskRule | None, dict[str, str] | None]


def choices(predictor: Predictor, rng: np.random.Generator, count: int) -> list[Choice]:
    """Return random prevalences and operating points; most are unchanged."""
    info = predictor.info
    names = [*(["malignant"] if "malignant" in TASKS[info.task].targets else []), *info.classes]
    found: list[Choice] = []
    for index in range(count):
        stated = index % 3 == 1 and bool(info.class_frequencies)
        shares = {str(rng.choice(names)): float(rng.uniform(0.01, 0.6))} if stated else None
        point = info.operating_points[rng.integers(len(info.operating_points))] if index % 4 == 1 else None
        if point is None:
            found.append((shares, None, None))
            continue
        rule = RiskRule("sensitivity", point.target_sensitivity, point.confidence, point.target)
        behind = predictor.pipeline.setting(None, rule).risk.point
        assert behind is not None
        found.append((shares, rule, {"name": behind.name, "target": behind.target}))
    return found


@pytest.mark.parametrize("kind", ["default", "thresholds", "whole", "malignant", "melanoma", "eleven"])
def test_predictions_for_random_logits_equal_python(
    chromium: Browser,
    host: Host,
    tiny_whole_bundle: Path,
    tiny_binary_bundle: Callable[[str], Path],
    tiny_bundle_of_eleven: Path,
    tmp_path: Path,
    kind: str,
) -> None:
    fixed = {"default": default_bundle_path(), "whole": tiny_whole_bundle, "thresholds": tmp_path / "bundle"}
    fixed["eleven"] = tiny_bundle_of_eleven
    if kind == "thresholds":
        with_all_thresholds(fixed[kind])
    bundle = fixed[kind] if kind in fixed else tiny_binary_bundle(kind)
    predictor = Predictor.load(bundle, threads=1)
    rng = np.random.default_rng(5)
    classes = len(predictor.info.classes)
    logits = (rng.normal(size=(600, classes)) * rng.uniform(0.1, 6, (600, 1))).astype(np.float32)
    patients = [PATIENTS[index % len(PATIENTS)] for index in range(len(logits))]
    settings = choices(predictor, rng, len(logits))
    builder = PredictionBuilder(Reference(), predictor.pipeline.setting(None, None))
    pixels = np.zeros((8, 8, 3), np.uint8)
    images = [
        PreparedImage("image", pixels, (), Patient.model_validate(patient), predictor.pipeline.setting(shares, rule))
        for patient, (shares, rule, _) in zip(patients, settings, strict=True)
    ]
    expected = [prediction.model_dump(mode="json") for prediction in builder.build(images, GraphOutput(logits))]
    page = chromium.new_page()
    page.goto(f"{host(bundle)}/")
    stated = [(shares, point) for shares, _, point in settings]
    rows = [[*row, *choice] for row, choice in zip(zip(logits.tolist(), patients, strict=True), stated, strict=True)]
    found = page.evaluate(_BUILD, rows)
    page.close()
    assert [line for pair in zip(expected, found, strict=True) for line in unequal(*pair, 1e-9)] == []
    assert {prediction["risk"] for prediction in expected} >= {"low", "high"}
    if kind == "default":
        assert {prediction["status"] for prediction in expected} == {"ok", "abstained"}


def test_heat_maps_of_all_diagnoses_equal_python(engine_page: Page, predictor: Predictor) -> None:
    data = (PAGE / "examples" / "nevus.jpg").read_bytes()
    for code in CODES:
        found = engine_page.evaluate(_EXPLAIN, [base64.b64encode(data).decode(), {}, code])["explanation"]
        expected = predictor.explain(data, code).explanation
        assert expected is not None
        assert unequal(expected.model_dump(mode="json"), found, CLOSE_ON_THE_MAP) == []


BAD = {
    "empty": b"",
    "text": b"words, not an image " * 9,
    "noise": bytes(range(1, 256)) * 20,
    "truncated jpeg": encoded(phantom_image("mel", 1), "JPEG")[:9000],
    "truncated head": encoded(phantom_image("mel", 1), "JPEG")[:150],
    "truncated png": encoded(phantom_image("mel", 1), "PNG")[:9000],
    "truncated webp": encoded(phantom_image("mel", 1), "WEBP")[:3000],
    "damaged jpeg": encoded(phantom_image("mel", 1), "JPEG").replace(b"\xff\xc4", b"\xff\xc0"),
    "too few pixels": encoded(Image.new("RGB", (7, 300)), "PNG"),
    "several frames": encoded(
        phantom_image("mel", 1).quantize(8), "GIF", save_all=True, append_images=[phantom_image("nv", 1).quantize(8)]
    ),
}


def test_unreadable_files_are_rejected_with_one_line_as_in_python(engine_page: Page, predictor: Predictor) -> None:
    for name, data in BAD.items():
        found = engine_page.evaluate(_EXPLAIN, [base64.b64encode(data).decode(), {}])
        with pytest.raises(ImageError):
            predictor.predict(data)
        assert found.get("kind") == "image", (name, found)
        assert found["message"].strip(), name
        assert "\n" not in found["message"], name


def test_invalid_patient_data_are_rejected(engine_page: Page) -> None:
    data = base64.b64encode(encoded(phantom_image("mel", 1), "JPEG")).decode()
    for patient, words in (({"age": "130"}, "0 to 120"), ({"sex": "yes"}, "female, male"), ({"site": "moon"}, "back")):
        found = engine_page.evaluate(_EXPLAIN, [data, patient])
        assert found["kind"] == "image"
        assert words in found["message"]


def test_the_engine_works_after_an_unreadable_file(engine_page: Page, predictor: Predictor) -> None:
    engine_page.evaluate(_EXPLAIN, [base64.b64encode(BAD["damaged jpeg"]).decode(), {}])
    assert differences(engine_page, predictor, encoded(phantom_image("nv", 1), "JPEG"), {}) == []
