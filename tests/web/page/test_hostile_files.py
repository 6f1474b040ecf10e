"""The static page and the hostile suite: every file gets a prediction or a reason, and the next image is predicted."""

import base64
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Browser, Page

from lesionlab.errors import ImageError
from lesionlab.images.bounds import check_decoding_time
from lesionlab.phantoms import phantom_image
from tests.serving.hostile import corpus
from tests.serving.hostile_requests import heavy
from tests.web.page.conftest import Host

pytestmark = pytest.mark.slow

_PREDICT = """
  async (file) => {
    const bytes = await (await fetch(`data:application/octet-stream;base64,${file}`)).blob();
    const late = new Promise((resolve) => setTimeout(() => resolve({ kind: "late" }), 20_000));
    const answer = engine.predict([bytes]).then(
      ([found]) => found.result
        ? { kind: "prediction", probabilities: found.result.probabilities }
        : { kind: found.kind, message: found.message },
      (error) => ({ kind: error.kind ?? String(error), message: error.message }),
    );
    return Promise.race([answer, late]);
  }
"""


@pytest.fixture(scope="module")
def engine_page(chromium: Browser, host: Host, tiny_whole_bundle: Path) -> Iterator[Page]:
    # The policy of the page permits no `data:` address, with which the files get there.
    page = chromium.new_context(bypass_csp=True).new_page()
    page.goto(f"{host(tiny_whole_bundle)}/")
    page.evaluate(
        """async () => {
          const { LocalEngine } = await import(new URL("assets/local/engine.js", location.href).href);
          window.engine = new LocalEngine();
          await engine.model();
        }"""
    )
    yield page
    page.close()


def predicted(page: Page, data: bytes) -> dict[str, Any]:
    found: dict[str, Any] = page.evaluate(_PREDICT, base64.b64encode(data).decode())
    return found


def jpeg(**options: Any) -> bytes:
    out = io.BytesIO()
    phantom_image("mel", 1, (320, 240)).save(out, "JPEG", **options)
    return out.getvalue()


def test_every_hostile_file_gets_a_prediction_or_a_reason(engine_page: Page) -> None:
    good = predicted(engine_page, jpeg())
    assert good["kind"] == "prediction"
    files = [*corpus(), *heavy()]
    assert len(files) >= 250
    for number, (name, data) in enumerate(files):
        found = predicted(engine_page, data)
        assert found["kind"] in ("prediction", "image"), (name, found)
        assert found["kind"] == "prediction" or 0 < len(found["message"]) < 300, name
        if number % 10 == 0:
            assert predicted(engine_page, jpeg()) == good, name


def test_scans_are_counted_to_the_end_of_the_image_as_in_python(engine_page: Page) -> None:
    progressive = jpeg(progressive=True)
    scan = progressive[progressive.rindex(b"\xff\xda") : -2]
    image = jpeg()
    for data, accepted in (
        (progressive, True),
        (progressive[:-2] + scan * 100 + b"\xff\xd9", False),
        (image[:2] + b"\xff\xfe\0\2" * 30_000 + image[2:], False),
        (image[:2] + b"\xff\xfe\0\2" * 10_000 + image[2:], True),
        (image + b"\xff\xda" * 1_000, True),
    ):
        found = predicted(engine_page, data)
        if accepted:
            check_decoding_time(data)
            assert found["kind"] == "prediction"
        else:
            with pytest.raises(ImageError) as rejected:
                check_decoding_time(data)
            assert found == {"kind": "image", "message": str(rejected.value)}


def test_image_of_many_pixels_in_a_small_file_is_predicted(engine_page: Page) -> None:
    out = io.BytesIO()
    Image.new("RGB", (7_000, 7_000)).save(out, "PNG")
    assert predicted(engine_page, out.getvalue())["kind"] in ("prediction", "image")
