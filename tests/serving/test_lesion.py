"""Measures of the lesion in explained responses."""

import io
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from starlette.testclient import TestClient

from lesionlab.errors import BundleError
from lesionlab.prediction import Predictor
from lesionlab.runs import RunFolder


def png(image: Image.Image) -> bytes:
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


@pytest.mark.slow
def test_measures_of_a_model_with_segmentation(
    server_of: Callable[..., TestClient], cropping_run: RunFolder, spot: Callable[..., Image.Image]
) -> None:
    client = server_of(Predictor.load(cropping_run.path, threads=1))
    response = client.post("/v1/explain", content=png(spot(0.5, 0.5, 0.25))).json()
    assert response["lesion"]["area"] == pytest.approx(0.147, rel=0.1)
    assert response["lesion"]["diameter"] == pytest.approx(0.375, rel=0.1)
    assert next(iter(response["lesion"]["colours"])) == "dark brown"
    assert response["explanation"]["rows"] == 32
    no_lesion = client.post("/v1/explain", content=png(Image.new("RGB", (120, 90), (226, 180, 160)))).json()
    assert no_lesion["lesion"] is None
    assert "no_lesion" in [reason["code"] for reason in no_lesion["result"]["abstain_reasons"]]


def test_measures_of_the_segmentation_model_of_the_package(
    server_of: Callable[..., TestClient],
    tiny_whole_bundle: Path,
    tiny_segmentation: Path,
    spot: Callable[..., Image.Image],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LESIONLAB_SEGMENTATION", str(tiny_segmentation))
    client = server_of(Predictor.load(tiny_whole_bundle, threads=1))
    monkeypatch.setenv("LESIONLAB_SEGMENTATION", "/nowhere")  # it is read once
    for diagnosis in ("mel", "nv"):
        url = f"/v1/explain?diagnosis={diagnosis}"
        lesion = client.post(url, content=png(spot(0.5, 0.5, 0.25))).json()["lesion"]
        assert lesion["area"] == pytest.approx(0.147, rel=0.1)
        assert lesion["diameter"] == pytest.approx(0.375, rel=0.1)
        assert lesion["asymmetry"] == pytest.approx([0, 0], abs=0.05)
    skin = Image.new("RGB", (120, 90), (226, 180, 160))
    assert client.post("/v1/explain", content=png(skin)).json()["lesion"] is None


def test_server_does_not_start_without_a_segmentation_model(
    server_of: Callable[..., TestClient], tiny_whole_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LESIONLAB_SEGMENTATION", str(tmp_path))
    with pytest.raises(BundleError, match=r"holds no segmentation model .*; name the folder that"):
        server_of(Predictor.load(tiny_whole_bundle, threads=1))
