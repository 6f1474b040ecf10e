"""The lesion in numbers beside an explained answer."""

import io
from collections.abc import Callable

import pytest
from PIL import Image
from starlette.testclient import TestClient

from lesionlab.prediction import Predictor
from lesionlab.runs import RunFolder


def png(picture: Image.Image) -> bytes:
    out = io.BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()


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


def test_other_models_have_none(server_of: Callable[..., TestClient], jpeg: bytes) -> None:
    assert server_of().post("/v1/explain", content=jpeg).json()["lesion"] is None
