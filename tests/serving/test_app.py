"""Responses of the API, which hold no request content by name."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydicom.uid import BasicTextSRStorage
from starlette.testclient import TestClient

from lesionlab import RESEARCH_ONLY, __version__
from lesionlab.prediction import Predictor
from lesionlab.results import Prediction
from lesionlab.taxonomy import CODES
from tests.images.dicom.files import PATIENT, PRIVATE, dicom, no_image

Start = Callable[..., TestClient]


def test_body_and_form_give_the_prediction_of_the_predictor(
    server_of: Start, predictor: Predictor, jpeg: bytes
) -> None:
    client = server_of()
    as_body = client.post("/v1/predict", content=jpeg, headers={"Content-Type": "image/jpeg"})
    in_form = client.post("/v1/predict", files={"file": ("lesion.jpg", jpeg)})
    assert (as_body.status_code, in_form.status_code) == (200, 200)
    assert as_body.json()["result"] == in_form.json()["result"]
    response = as_body.json()
    assert set(response) == {"notice", "version", "request_id", "model", "result"}
    assert (response["notice"], response["version"]) == (RESEARCH_ONLY, __version__)
    assert response["request_id"] == as_body.headers["X-Request-ID"]
    info = predictor.info
    assert response["model"] == {"name": "tiny", "identity": info.identity, "graph_sha256": info.graph_sha256}
    expected = predictor.predict(jpeg)
    result = response["result"]
    assert Prediction.model_validate(result) == expected.model_copy(update={"image": "image"})
    assert result["headline"] == expected.headline
    assert (result["status"], result["abstain_reasons"], result["notes"]) == ("ok", [], [])
    assert result["top"][0]["probability"] == max(result["probabilities"].values())
    point = result["operating_points"][0]
    assert (point["name"], point["target"]) == ("95% sensitivity", "malignant")
    assert point["positive"] == (point["target_probability"] >= point["threshold"])
    assert point["sensitivity"] == info.operating_points[0].sensitivity


@pytest.mark.parametrize("how", ["query", "form"])
def test_patient_data_of_an_image_only_model_are_noted(server_of: Start, jpeg: bytes, how: str) -> None:
    known = {"age": "55", "sex": "F", "site": "anterior torso"}
    if how == "query":
        response = server_of().post("/v1/predict", content=jpeg, params=known)
    else:
        response = server_of().post("/v1/predict", files={"file": jpeg}, data=known | {"age": "", "sex": "male"})
    assert response.status_code == 200
    given = "age and sex and site" if how == "query" else "sex and site"
    assert response.json()["result"]["notes"] == [f"{given} ignored: this model uses the image alone"]


def test_batch_keeps_its_order_and_continues_after_a_bad_image(
    server_of: Start, predictor: Predictor, jpeg: bytes
) -> None:
    noise = np.random.default_rng(1).integers(0, 255, (64, 80, 3), np.uint8)
    out = io.BytesIO()
    Image.fromarray(noise).save(out, "PNG")
    files = [("files", ("a.jpg", jpeg)), ("files", ("b.jpg", b"no image")), ("files", ("c.png", out.getvalue()))]
    response = server_of().post("/v1/predict/batch", files=files)
    assert response.status_code == 200
    first, bad, last = response.json()["results"]
    assert [item["index"] for item in (first, bad, last)] == [0, 1, 2]
    for item, expected in ((first, predictor.predict(jpeg)), (last, predictor.predict(noise))):
        assert item["result"]["probabilities"] == pytest.approx(expected.probabilities, abs=1e-6)
        assert item["problem"] is None
    assert bad["result"] is None
    assert bad["problem"]["status"] == 415
    assert bad["problem"]["request_id"] == response.headers["X-Request-ID"]


def test_explanation_equals_that_of_the_predictor(server_of: Start, predictor: Predictor, jpeg: bytes) -> None:
    client = server_of()
    response = client.post("/v1/explain", files={"file": jpeg}, data={"diagnosis": "bcc"})
    assert response.status_code == 200
    explanation = response.json()["explanation"]
    expected = predictor.explain(jpeg, "bcc").explanation
    assert expected is not None
    assert set(explanation) == {"code", "name", "method", "rows", "columns", "values"}
    assert (explanation["code"], explanation["name"]) == ("bcc", "Basal cell carcinoma")
    assert explanation["method"] == "class activation map"
    assert (explanation["rows"], explanation["columns"]) == expected.values.shape
    np.testing.assert_allclose(explanation["values"], expected.values, atol=5e-4)
    most_probable = client.post("/v1/explain?age=7", content=jpeg).json()
    assert most_probable["explanation"]["code"] == most_probable["result"]["top"][0]["code"]
    assert len(most_probable["result"]["notes"]) == 1
    assert client.post("/v1/explain?diagnosis=wart", content=jpeg).status_code == 422


def test_explanation_holds_the_nearest_training_images(
    server_of: Start, predictor: Predictor, tiny_indexed_bundle: Path, jpeg: bytes
) -> None:
    indexed = Predictor.load(tiny_indexed_bundle, threads=1)
    nearest = server_of(indexed).post("/v1/explain", content=jpeg).json()["nearest_images"]
    expected = indexed.explain(jpeg).nearest_images
    assert expected is not None
    assert len(nearest) == 5
    assert nearest == [image.model_dump() for image in expected]
    assert server_of(predictor).post("/v1/explain", content=jpeg).json()["nearest_images"] is None


def test_abstention_has_reasons_no_explanation_and_is_counted(server_of: Start) -> None:
    out = io.BytesIO()
    Image.new("RGB", (64, 64), "black").save(out, "PNG")
    client = server_of()
    result = client.post("/v1/predict", content=out.getvalue()).json()["result"]
    assert (result["status"], result["risk"], result["top"], result["prediction_set"]) == ("abstained", None, [], None)
    assert result["abstain_reasons"]
    for reason in result["abstain_reasons"]:
        assert reason["message"] in result["headline"]
        assert f'lesionlab_abstentions_total{{reason="{reason["code"]}"}} 1.0' in client.get("/metrics").text
    assert client.post("/v1/explain", content=out.getvalue()).json()["explanation"] is None


def test_model_card_describes_the_model_and_the_limits(server_of: Start, predictor: Predictor) -> None:
    card = server_of(max_bytes=5_000_000, max_batch=7).get("/v1/model").json()
    info = predictor.info
    assert card["notice"] == RESEARCH_ONLY
    assert card["model"]["identity"] == info.identity
    assert [row["code"] for row in card["classes"]] == list(CODES)
    assert card["operating_points"][0]["target"] == "malignant"
    assert card["metrics"]["balanced_accuracy"] == {"value": 0.5, "low": 0.4, "high": 0.6}
    assert card["calibration"]["temperature"] == info.calibration.temperature
    assert card["training_data"]["leaky"] is False
    assert card["preprocessing"]["size"] == info.preprocessing.size
    assert (card["recipe"], card["licence"], card["created"]) == ("tiny", info.licence, info.created)
    assert (card["explainable"], card["abstains"]) == (True, True)
    assert card["limits"]["max_bytes"] == 5_000_000
    assert card["limits"]["max_batch"] == 7
    assert "JPEG" in card["limits"]["formats"]


def test_evaluation_equals_that_of_the_bundle(server_of: Start, predictor: Predictor, tiny_bundle: Path) -> None:
    evaluation = predictor.bundle.evaluation
    assert evaluation is not None
    assert server_of().get("/v1/model/evaluation").json() == evaluation.model_dump(mode="json")
    without = server_of(Predictor.load(tiny_bundle, threads=1))
    assert without.get("/v1/model/evaluation").status_code == 404


def test_model_without_an_activation_map_is_not_explainable(server_of: Start, tiny_bundle: Path, jpeg: bytes) -> None:
    client = server_of(Predictor.load(tiny_bundle, threads=1))
    assert client.get("/v1/model").json()["explainable"] is False
    assert client.post("/v1/explain", content=jpeg).status_code == 409


@pytest.mark.parametrize(("task", "malignant"), [("malignant", [True, False]), ("melanoma", [True, None])])
def test_binary_models(
    server_of: Start, tiny_binary_bundle: Callable[[str], Path], jpeg: bytes, task: str, malignant: list[Any]
) -> None:
    client = server_of(Predictor.load(tiny_binary_bundle(task), threads=1))
    result = client.post("/v1/predict", content=jpeg).json()["result"]
    target, other = ("mel", "other") if task == "melanoma" else ("malignant", "benign")
    by_code = {row["code"]: row["malignant"] for row in client.get("/v1/model").json()["classes"]}
    assert [by_code[target], by_code[other]] == malignant
    assert (result["p_malignant"] is None) == (task == "melanoma")
    point = result["operating_points"][0]
    assert point["target"] == task
    assert point["positive"] == (result["probabilities"][target] >= point["threshold"])


def test_health_checks(server_of: Start) -> None:
    client = server_of()
    assert client.get("/healthz").json() == {"status": "ok"}
    assert client.get("/readyz").json() == {"status": "ready"}


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
def test_monitors_may_send_head_requests(server_of: Start, path: str) -> None:
    client = server_of()
    head, full = client.head(path), client.get(path)
    assert (head.status_code, head.headers["Content-Type"]) == (200, full.headers["Content-Type"])


def test_only_files_of_the_page_are_served(server_of: Start) -> None:
    client = server_of()
    index = client.get("/")
    assert index.headers["Content-Type"].startswith("text/html")
    assert RESEARCH_ONLY in index.text
    assert client.head("/").status_code == 200
    kept = client.get("/", headers={"If-None-Match": index.headers["ETag"]})
    icon = client.get("/assets/icon.svg")
    assert (icon.status_code, icon.headers["Cache-Control"]) == (200, "no-cache")
    assert client.get("/assets/icon.svg", headers={"If-None-Match": icon.headers["ETag"]}).status_code == 304
    assert kept.headers["Cache-Control"] == "no-cache"
    for path in (
        "/assets/../serving/app.py",
        "/assets/%2e%2e/serving/app.py",
        "/assets//etc/passwd",
        "/assets/%00",
        "/assets/",
        "/docs/",
        "/docs/../page/index.html",
        "/redoc",
    ):
        response = client.get(path)
        assert (response.status_code, response.headers["Content-Type"]) == (404, "application/problem+json")


def test_openapi_describes_every_route(server_of: Start) -> None:
    schema = server_of().get("/openapi.json").json()
    assert set(schema["paths"]) == {
        "/v1/predict",
        "/v1/predict/batch",
        "/v1/predict/lesion",
        "/v1/dicomweb/studies",
        "/v1/dicomweb/studies/{study}",
        "/v1/jobs",
        "/v1/jobs/{job}",
        "/v1/jobs/{job}/cancel",
        "/v1/jobs/{job}/images",
        "/v1/jobs/{job}/results",
        "/v1/explain",
        "/v1/model",
        "/v1/model/evaluation",
        "/healthz",
        "/readyz",
        "/metrics",
    }
    for path in ("/v1/predict", "/v1/explain", "/v1/predict/batch"):
        operation = schema["paths"][path]["post"]
        assert "multipart/form-data" in operation["requestBody"]["content"]
        assert {"413", "415", "422", "503"} <= set(operation["responses"])
    assert "Problem" in schema["components"]["schemas"]


def test_a_dicom_file_is_predicted_and_nothing_else_of_it_is_returned(server_of: Start, predictor: Predictor) -> None:
    pixels = np.random.default_rng(3).integers(0, 256, (64, 64, 3), np.uint8)
    client = server_of()
    response = client.post("/v1/predict", files={"file": ("1.2.840.1", dicom(pixels, **PATIENT))})
    assert response.status_code == 200
    expected = predictor.predict(pixels)
    assert response.json()["result"]["p_malignant"] == pytest.approx(expected.p_malignant, abs=1e-6)
    assert not any(value in response.text for value in PRIVATE)
    assert client.get("/v1/model").json()["limits"]["formats"][-1] == "DICOM"


@pytest.mark.parametrize(
    ("data", "status", "detail"),
    [
        (dicom(np.zeros((2, 16, 16, 3), np.uint8)), 422, "holds 2 frames"),
        (dicom(np.zeros((16, 16, 3), np.uint8), Rows=8_000, Columns=8_000), 422, "limit is 50 megapixels"),
        (dicom(np.zeros((16, 16, 3), np.uint8))[:-200], 422, "truncated"),
        (no_image(BasicTextSRStorage), 422, "holds no image"),
    ],
)
def test_other_dicom_files_are_a_problem(server_of: Start, data: bytes, status: int, detail: str) -> None:
    response = server_of().post("/v1/predict", content=data)
    assert response.status_code == status
    assert detail in response.json()["detail"]
