"""The model inside the browser says what it says on the command line: same numbers, same words, same map."""

import base64
import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from lesionlab.serving.responses import explained_of, result_of
from PIL import Image
from playwright.sync_api import Browser, Page

from lesionlab.bundle import Patient, default_bundle_path
from lesionlab.errors import ImageError
from lesionlab.phantoms import phantom_image
from lesionlab.prediction import Predictor
from lesionlab.taxonomy import CODES
from tests.web.page.conftest import Host

pytestmark = pytest.mark.slow

CLOSE, CLOSE_ON_THE_MAP = 1e-3, 0.01
SQUARE, CAMERA, LARGE = (224, 224), (600, 450), (3000, 2000)
PATIENTS: list[dict[str, str]] = [{}, {"age": "57", "sex": "male", "site": "back"}, {"age": "3"}, {"site": "unknown"}]
REAL = os.environ.get("LESIONLAB_DATA")

_ASK = """
  async ([file, patient, diagnosis = null]) => {
    const bytes = Uint8Array.from(atob(file), (character) => character.charCodeAt(0));
    try {
      return await engine.explain(new Blob([bytes]), diagnosis, { patient });
    } catch (error) {
      return { kind: error.kind, message: error.message };
    }
  }
"""


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def turned(image: Image.Image, orientation: int, kind: str = "JPEG") -> bytes:
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
        **{f"orientation {value}": turned(large, value) for value in range(1, 9)},
        "orientation of a png": turned(mole, 6, "PNG"),
        "orientation of a webp": turned(mole, 8, "WEBP"),
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
    return Predictor.load(threads=1)


@pytest.fixture(scope="module")
def engine_page(chromium: Browser, host: Host) -> Iterator[Page]:
    page = chromium.new_page()
    page.goto(f"{host(default_bundle_path())}/")
    page.evaluate(
        """async () => {
          const { LocalEngine } = await import(new URL("assets/local/engine.js", location.href).href);
          window.engine = new LocalEngine();
          await engine.model();
        }"""
    )
    yield page
    page.close()


def differences(page: Page, predictor: Predictor, data: bytes, patient: dict[str, str]) -> list[str]:
    """Return in what the browser's answer differs from Python's."""
    found = page.evaluate(_ASK, [base64.b64encode(data).decode(), patient])
    prepared = predictor.pipeline.prepare(data, patient=Patient.model_validate(patient))
    (reasoned,) = predictor.pipeline.explain([prepared], [None])
    prediction, explanation = reasoned.prediction, reasoned.explanation
    wanted = result_of(prediction, predictor.info).model_dump(mode="json")
    if "result" not in found:
        return [str(found)]
    result = found["result"]
    ours, theirs = ({c.pop("code"): c.pop("probability") for c in each["classes"]} for each in (wanted, result))
    off = {code: abs(ours[code] - theirs[code]) for code in ours}
    faults = [f"{code} is off by {value}" for code, value in off.items() if not value <= CLOSE]
    if not abs((wanted.pop("malignant") or 0) - (result.pop("malignant") or 0)) <= CLOSE:
        faults.append("P(malignant) is off")
    for each in (wanted, result):
        del each["classes"]
        each["refusal"] = [reason["code"] for reason in (each["refusal"] or {"reasons": []})["reasons"]]
    faults += [f"{key}: {wanted[key]} is {result.get(key)}" for key in wanted if wanted[key] != result.get(key)]
    map_here, map_there = np.array(explained_of(explanation).values), np.array(found["explanation"]["values"])
    if not np.abs(map_here - map_there).max() <= CLOSE_ON_THE_MAP:
        faults.append("the map is off")
    return faults


def all_differences(page: Page, predictor: Predictor, files: dict[str, bytes]) -> dict[str, list[str]]:
    asked = {
        name: differences(page, predictor, data, PATIENTS[index % len(PATIENTS)])
        for index, (name, data) in enumerate(files.items())
    }
    return {name: faults for name, faults in asked.items() if faults}


def test_synthetic_images_get_python_s_answer(engine_page: Page, predictor: Predictor) -> None:
    files = synthetic_files()
    assert len(files) > 50
    assert all_differences(engine_page, predictor, files) == {}


@pytest.mark.skipif(not REAL, reason="LESIONLAB_DATA names no folder with real images")
def test_real_images_get_python_s_answer(engine_page: Page, predictor: Predictor) -> None:
    files = real_files()
    assert len(files) > 20
    assert all_differences(engine_page, predictor, files) == {}


def test_every_diagnosis_has_its_map(engine_page: Page, predictor: Predictor) -> None:
    data = encoded(phantom_image("bcc", 1, CAMERA), "JPEG")
    for code in CODES:
        found = engine_page.evaluate(_ASK, [base64.b64encode(data).decode(), {}, code])["explanation"]
        wanted = explained_of(predictor.explain(data, code))
        assert (found["diagnosis"], found["name"]) == (code, wanted.name)
        assert np.abs(np.array(found["values"]) - np.array(wanted.values)).max() <= CLOSE_ON_THE_MAP


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


def test_bad_files_get_a_reason_in_one_line_as_in_python(engine_page: Page, predictor: Predictor) -> None:
    for name, data in BAD.items():
        found = engine_page.evaluate(_ASK, [base64.b64encode(data).decode(), {}])
        with pytest.raises(ImageError):
            predictor.predict(data)
        assert found.get("kind") == "image", (name, found)
        assert found["message"].strip(), name
        assert "\n" not in found["message"], name


def test_impossible_patients_are_refused(engine_page: Page) -> None:
    data = base64.b64encode(encoded(phantom_image("mel", 1), "JPEG")).decode()
    for patient, words in (({"age": "130"}, "0 to 120"), ({"sex": "yes"}, "female, male"), ({"site": "moon"}, "back")):
        found = engine_page.evaluate(_ASK, [data, patient])
        assert found["kind"] == "image"
        assert words in found["message"]


def test_after_a_bad_file_the_next_one_is_judged(engine_page: Page, predictor: Predictor) -> None:
    engine_page.evaluate(_ASK, [base64.b64encode(BAD["damaged jpeg"]).decode(), {}])
    assert differences(engine_page, predictor, encoded(phantom_image("nv", 1), "JPEG"), {}) == []
