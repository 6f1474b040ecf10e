"""The lesion in numbers beside an explained answer."""

import io
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from starlette.testclient import TestClient

from lesionlab.errors import BundleError
from lesionlab.prediction import Predictor
from lesionlab.runs import RunFolder


def png(picture: Image.Image) -> bytes:
    out = io.BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()


@pytest.mark.slow
def test_measures_come_from_a_model_that_looks_for_the_lesion(
    server_of: Callable[..., TestClient], cropping_run: RunFolder, spot: Callable[..., Image.Image]
) -> None:
    client = server_of(Predictor.load(cropping_run.path, threads=1))
    answer = client.post("/v1/explain", content=png(spot(0.5, 0.5, 0.25))).json()
    assert answer["lesion"]["area"] == pytest.approx(0.147, rel=0.1)
    assert answer["lesion"]["diameter"] == pytest.approx(0.375, rel=0.1)
    assert next(iter(answer["lesion"]["colours"])) == "dark brown"
    assert answer["explanation"]["rows"] == 32
    nothing = client.post("/v1/explain", content=png(Image.new("RGB", (120, 90), (226, 180, 160)))).json()
    assert nothing["lesion"] is None
    assert "no_lesion" in [reason["code"] for reason in nothing["result"]["refusal"]["reasons"]]


def test_the_packages_segmentation_measures_for_other_models(
    server_of: Callable[..., TestClient],
    tiny_whole_bundle: Path,
    tiny_segmentation: Path,
    spot: Callable[..., Image.Image],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LESIONLAB_SEGMENTATION", str(tiny_segmentation))
    client = server_of(Predictor.load(tiny_whole_bundle, threads=1))
    monkeypatch.setenv("LESIONLAB_SEGMENTATION", "/nowhere")  # it has been read, and is not read again
    for diagnosis in ("mel", "nv"):
        url = f"/v1/explain?diagnosis={diagnosis}"
        lesion = client.post(url, content=png(spot(0.5, 0.5, 0.25))).json()["lesion"]
        assert lesion["area"] == pytest.approx(0.147, rel=0.1)
        assert lesion["diameter"] == pytest.approx(0.375, rel=0.1)
        assert lesion["asymmetry"] == pytest.approx([0, 0], abs=0.05)
    skin = Image.new("RGB", (120, 90), (226, 180, 160))
    assert client.post("/v1/explain", content=png(skin)).json()["lesion"] is None


def test_a_server_without_a_segmentation_model_says_so_when_it_starts(
    server_of: Callable[..., TestClient], tiny_whole_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LESIONLAB_SEGMENTATION", str(tmp_path))
    with pytest.raises(BundleError, match=r"holds no segmentation model .*; name the folder that"):
        server_of(Predictor.load(tiny_whole_bundle, threads=1))
