"""What the page sends: each image once, in batches, and large ones as a small copy with the same prediction."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from lesionlab.bundle import default_bundle_path
from lesionlab.phantoms import phantom_image
from lesionlab.prediction import Predictor
from tests.images import profiles
from tests.web.page.conftest import OpenPage, Serve, choose

pytestmark = pytest.mark.slow


def posts(page: Page) -> list[tuple[str, int]]:
    """Return the requests with a body that the page sends from now on: the end of their paths, and their sizes."""
    found: list[tuple[str, int]] = []

    def note(request: object) -> None:
        if request.method == "POST":  # type: ignore[attr-defined]
            size = int(request.all_headers().get("content-length", 0))  # type: ignore[attr-defined]
            found.append((request.url.rpartition("/")[2], size))  # type: ignore[attr-defined]

    page.on("requestfinished", note)
    return found


def camera_files(folder: Path) -> dict[str, Path]:
    noise = np.random.default_rng(4).integers(-6, 7, (2400, 3200, 3))
    lesion = Image.fromarray(
        np.clip(np.asarray(phantom_image("mel", 5, (3200, 2400))) + noise, 0, 255).astype(np.uint8)
    )
    exif = Image.Exif()
    exif[0x0112] = 6
    options: dict[str, dict[str, Any]] = {
        "camera.jpg": {"quality": 92},
        "rotated.jpg": {"quality": 92, "exif": exif},
        "phone colours.jpg": {"quality": 92, "icc_profile": profiles.P3_OF_PHONES},
        "large.png": {},
    }
    for name, given in options.items():
        lesion.save(folder / name, **given)
    return {name: folder / name for name in options}


def test_one_image_is_sent_once(open_page: OpenPage, images: dict[str, Path]) -> None:
    page = open_page()
    sent = posts(page)
    choose(page, images["mole.jpg"])
    page.locator(".heat canvas").wait_for()
    page.get_by_text("Age, sex, site and prevalence").click()
    page.get_by_label("Prevalence of malignancy in percent").fill("2")
    expect(page.locator(".summary")).to_contain_text("prevalence of 2.0%")
    assert [path for path, _ in sent] == ["explain"]


def test_several_images_are_sent_in_batches(open_page: OpenPage, images: dict[str, Path]) -> None:
    page = open_page()
    sent = posts(page)
    choose(page, *[images["mole.jpg"], images["=nevus, left.png"], images["grey.png"]] * 6)
    expect(page.get_by_role("button", name="Download as CSV")).to_be_enabled()
    assert [path for path, _ in sent] == ["batch", "batch"]


def test_large_images_are_sent_as_small_copies_with_the_same_prediction(
    open_page: OpenPage, serve: Serve, tmp_path: Path
) -> None:
    page = open_page(serve(default_bundle_path()))
    predictor = Predictor.load(threads=1)
    sent = posts(page)
    for name, path in camera_files(tmp_path).items():
        with page.expect_response("**/v1/explain") as response:
            choose(page, path)
        page.get_by_role("heading", name=name).wait_for()
        page.locator(".summary, .abstention").first.wait_for()
        found = response.value.json()["result"]["probabilities"]
        expected = predictor.predict(path)
        difference = max(abs(found[code] - share) for code, share in expected.probabilities.items())
        assert difference < 1e-3, f"{name}: {difference}"
        for note in expected.notes:
            expect(page.locator(".result-column .note")).to_contain_text(note)
        assert path.stat().st_size > 1_000_000
    assert len(sent) == 4
    assert all(size < 200_000 for _, size in sent), sent


def test_a_folder_is_added_and_other_files_are_counted(
    open_page: OpenPage, images: dict[str, Path], tmp_path: Path
) -> None:
    folder = tmp_path / "visit"
    (folder / "left arm").mkdir(parents=True)
    (folder / "left arm" / "mole.jpg").write_bytes(images["mole.jpg"].read_bytes())
    (folder / "grey.png").write_bytes(images["grey.png"].read_bytes())
    (folder / "table.csv").write_text("image,dx\n")
    (folder / ".hidden").write_text("")
    page = open_page()
    page.locator("input[webkitdirectory]").set_input_files(folder)
    expect(page.get_by_text("2 files of other kinds were left out.")).to_be_visible()
    expect(page.locator(".results tbody tr")).to_have_count(2)
    expect(page.locator(".results")).to_contain_text("visit/left arm/mole.jpg")


def test_the_page_is_highlighted_while_files_are_dragged(open_page: OpenPage) -> None:
    page = open_page()
    drag = """(kind) => {
      const transfer = new DataTransfer();
      transfer.items.add(new File([], "a.jpg"));
      dispatchEvent(new DragEvent(kind, { dataTransfer: transfer, relatedTarget: null }));
    }"""
    page.evaluate(drag, "dragenter")
    expect(page.locator(".drop-target")).to_be_visible()
    page.evaluate(drag, "dragleave")
    expect(page.locator(".drop-target")).to_have_count(0)


def test_a_copy_states_the_size_of_its_original() -> None:
    from PIL.PngImagePlugin import PngInfo

    from lesionlab.images import decode_image

    def copy(stated: str) -> bytes:
        texts, stream = PngInfo(), io.BytesIO()
        texts.add_text("lesionlab-original-size", stated)
        Image.new("RGB", (32, 32), "pink").save(stream, "PNG", pnginfo=texts)
        return stream.getvalue()

    assert decode_image(copy("4000x3000")).original_size == (4000, 3000)
    for stated in ("4000", "0x3", "4000x3000x2", "-1x5"):
        assert decode_image(copy(stated)).original_size == (32, 32)
