"""The answers: what the contract of the API promises, and nothing that was sent by name."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from lesionlab import RESEARCH_ONLY, __version__
from lesionlab.prediction import Predictor
from lesionlab.taxonomy import CODES

Start = Callable[..., TestClient]


def test_a_file_as_the_body_and_in_a_form_get_the_answer_of_the_predictor(
    server_of: Start, predictor: Predictor, jpeg: bytes
) -> None:
    client = server_of()
    as_body = client.post("/v1/predict", content=jpeg, headers={"Content-Type": "image/jpeg"})
    in_form = client.post("/v1/predict", files={"file": ("lesion.jpg", jpeg)})
    assert (as_body.status_code, in_form.status_code) == (200, 200)
    assert as_body.json()["result"] == in_form.json()["result"]
    answer = as_body.json()
    assert (answer["notice"], answer["version"]) == (RESEARCH_ONLY, __version__)
    assert answer["request_id"] == as_body.headers["X-Request-ID"]
    info = predictor.info
    assert answer["bundle"] == {"name": "tiny", "identity": info.identity, "graph_sha256": info.graph_sha256}
    expected = predictor.predict(jpeg)
    result = answer["result"]
    assert {row["code"]: row["probability"] for row in result["classes"]} == pytest.approx(expected.probabilities)
    shown = [row["probability"] for row in result["classes"]]
    assert shown == sorted(shown, reverse=True)
    assert {row["code"] for row in result["classes"] if row["malignant"]} == {"mel", "bcc", "akiec"}
    assert result["malignant"] == pytest.approx(expected.malignant)
    assert result["risk"] == expected.risk
    point = result["operating_points"][0]
    assert point["target"] == "malignant"
    assert point["suspicious"] == (result["malignant"] >= point["threshold"])
    assert point["sensitivity"] == info.operating_points[0].sensitivity
    assert result["refusal"] is None
    assert result["notes"] == []


@pytest.mark.parametrize("how", ["query", "form"])
def test_patient_data_are_taken_and_said_not_to_be_read(server_of: Start, jpeg: bytes, how: str) -> None:
    known = {"age": "55", "sex": "female", "site": "lower extremity"}
    if how == "query":
        answer = server_of().post("/v1/predict", content=jpeg, params=known)
    else:
        answer = server_of().post("/v1/predict", files={"file": jpeg}, data=known | {"age": "", "sex": "male"})
    assert answer.status_code == 200
    told = "age and sex and site" if how == "query" else "sex and site"
    assert answer.json()["result"]["notes"] == [f"{told} given, but not read: this model judges the picture alone"]


def test_a_batch_keeps_its_order_and_goes_on_after_a_bad_image(
    server_of: Start, predictor: Predictor, jpeg: bytes
) -> None:
    noise = np.random.default_rng(1).integers(0, 255, (64, 80, 3), np.uint8)
    out = io.BytesIO()
    Image.fromarray(noise).save(out, "PNG")
    files = [("files", ("a.jpg", jpeg)), ("files", ("b.jpg", b"no image")), ("files", ("c.png", out.getvalue()))]
    answer = server_of().post("/v1/predict/batch", files=files)
    assert answer.status_code == 200
    first, bad, last = answer.json()["results"]
    assert [item["index"] for item in (first, bad, last)] == [0, 1, 2]
    for item, expected in ((first, predictor.predict(jpeg)), (last, predictor.predict(noise))):
        found = {row["code"]: row["probability"] for row in item["result"]["classes"]}
        assert found == pytest.approx(expected.probabilities, abs=1e-6)
        assert item["problem"] is None
    assert bad["result"] is None
    assert bad["problem"]["status"] == 415
    assert bad["problem"]["request_id"] == answer.headers["X-Request-ID"]


def test_an_explanation_is_that_of_the_predictor(server_of: Start, predictor: Predictor, jpeg: bytes) -> None:
    client = server_of()
    answer = client.post("/v1/explain", files={"file": jpeg}, data={"diagnosis": "bcc"})
    assert answer.status_code == 200
    explanation = answer.json()["explanation"]
    expected = predictor.explain(jpeg, "bcc")
    assert (explanation["diagnosis"], explanation["name"]) == ("bcc", "Basal cell carcinoma")
    assert explanation["method"] == "class activation map"
    assert (explanation["rows"], explanation["columns"]) == expected.values.shape
    np.testing.assert_allclose(explanation["values"], expected.values, atol=5e-4)
    most_probable = client.post("/v1/explain?age=7", content=jpeg).json()
    assert most_probable["explanation"]["diagnosis"] == most_probable["result"]["classes"][0]["code"]
    assert len(most_probable["result"]["notes"]) == 1
    assert client.post("/v1/explain?diagnosis=wart", content=jpeg).status_code == 422


def test_an_explanation_names_similar_training_cases(
    server_of: Start, predictor: Predictor, tiny_indexed_bundle: Path, jpeg: bytes
) -> None:
    naming = Predictor.load(tiny_indexed_bundle, threads=1)
    similar = server_of(naming).post("/v1/explain", content=jpeg).json()["similar"]
    (expected,) = naming.pipeline.explain([naming.pipeline.prepare(jpeg)], [None])
    assert expected.nearest_images is not None
    assert len(similar) == 5
    for found, case in zip(similar, expected.nearest_images, strict=True):
        assert found == {
            "image_id": case.image_id,
            "lesion_id": case.lesion_id,
            "diagnosis": case.diagnosis,
            "name": case.name,
            "similarity": pytest.approx(case.similarity, abs=5e-4),
        }
    assert server_of(predictor).post("/v1/explain", content=jpeg).json()["similar"] is None


def test_a_refusal_comes_with_its_reasons_and_is_counted(server_of: Start) -> None:
    out = io.BytesIO()
    Image.new("RGB", (64, 64), "black").save(out, "PNG")
    client = server_of()
    refusal = client.post("/v1/predict", content=out.getvalue()).json()["result"]["refusal"]
    assert refusal["reasons"]
    for reason in refusal["reasons"]:
        assert reason["message"]
        assert f'lesionlab_refusals_total{{reason="{reason["code"]}"}} 1.0' in client.get("/metrics").text


def test_the_model_tells_all_that_its_numbers_mean(server_of: Start, predictor: Predictor) -> None:
    card = server_of(max_bytes=5_000_000, max_batch=7).get("/v1/model").json()
    info = predictor.info
    assert card["notice"] == RESEARCH_ONLY
    assert card["bundle"]["identity"] == info.identity
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


def test_the_evaluation_is_that_of_the_bundle(server_of: Start, predictor: Predictor, tiny_bundle: Path) -> None:
    evaluation = predictor.bundle.evaluation
    assert evaluation is not None
    assert server_of().get("/v1/model/evaluation").json() == evaluation.model_dump(mode="json")
    without = server_of(Predictor.load(tiny_bundle, threads=1))
    assert without.get("/v1/model/evaluation").status_code == 404


def test_a_model_that_cannot_explain_says_so(server_of: Start, tiny_bundle: Path, jpeg: bytes) -> None:
    client = server_of(Predictor.load(tiny_bundle, threads=1))
    assert client.get("/v1/model").json()["explainable"] is False
    assert client.post("/v1/explain", content=jpeg).status_code == 409


@pytest.mark.parametrize(("task", "malignant"), [("malignant", [True, False]), ("melanoma", [True, None])])
def test_models_of_two_classes(
    server_of: Start, tiny_binary_bundle: Callable[[str], Path], jpeg: bytes, task: str, malignant: list[Any]
) -> None:
    client = server_of(Predictor.load(tiny_binary_bundle(task), threads=1))
    result = client.post("/v1/predict", content=jpeg).json()["result"]
    by_code = {row["code"]: row for row in result["classes"]}
    target, other = ("mel", "other") if task == "melanoma" else ("malignant", "benign")
    assert [by_code[target]["malignant"], by_code[other]["malignant"]] == malignant
    assert (result["malignant"] is None) == (task == "melanoma")
    point = result["operating_points"][0]
    assert point["target"] == task
    assert point["suspicious"] == (by_code[target]["probability"] >= point["threshold"])


def test_alive_and_ready(server_of: Start) -> None:
    client = server_of()
    assert client.get("/healthz").json() == {"status": "ok"}
    assert client.get("/readyz").json() == {"status": "ready"}


def test_the_page_and_only_the_page(server_of: Start) -> None:
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
        "/docs",
        "/redoc",
    ):
        answer = client.get(path)
        assert (answer.status_code, answer.headers["Content-Type"]) == (404, "application/problem+json")


def test_openapi_describes_every_address(server_of: Start) -> None:
    schema = server_of().get("/openapi.json").json()
    assert set(schema["paths"]) == {
        "/v1/predict",
        "/v1/predict/batch",
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
