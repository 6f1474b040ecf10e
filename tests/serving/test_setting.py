"""Prevalence and risk rule of single requests."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from lesionlab.bundle import Patient
from lesionlab.phantoms import phantom_image
from lesionlab.prediction import Predictor
from lesionlab.results import Prediction
from lesionlab.serving import create_app


@pytest.fixture(scope="module")
def client(tiny_whole_bundle: Path) -> Iterator[TestClient]:
    with TestClient(create_app(Predictor.load(tiny_whole_bundle, threads=1))) as client:
        yield client


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("setting") / "mole.png"
    phantom_image("mel", 1, (320, 240)).save(path)
    return path


def assert_equal(found: dict[str, object], expected: Prediction) -> None:
    given = Prediction.model_validate(found)
    assert given.probabilities == pytest.approx(expected.probabilities, abs=1e-6)
    assert (given.headline, given.risk, given.notes) == (expected.headline, expected.risk, expected.notes)
    for point, other in zip(given.operating_points, expected.operating_points, strict=True):
        assert (point.name, point.positive, point.prevalence) == (other.name, other.positive, other.prevalence)


@pytest.mark.parametrize(
    ("given", "prevalence", "risk"),
    [
        ({"prevalence": "malignant=0.02"}, {"malignant": 0.02}, None),
        ({"prevalence": "mel=0.03,bcc=0.01", "risk": "threshold=0.05"}, {"mel": 0.03, "bcc": 0.01}, "threshold=0.05"),
        ({"risk": "cost=20"}, None, "cost=20"),
    ],
)
def test_results_are_those_of_a_predictor_with_the_same_options(
    client: TestClient,
    image: Path,
    tiny_whole_bundle: Path,
    given: dict[str, str],
    prevalence: dict[str, float] | None,
    risk: str | None,
) -> None:
    stated = Predictor.load(tiny_whole_bundle, threads=1, prevalence=prevalence, risk=risk)
    expected = stated.predict(image, Patient(age=61))
    for path in ("/v1/predict", "/v1/explain"):
        as_fields = client.post(path, files={"file": image.read_bytes()}, data={"age": "61"} | given)
        as_query = client.post(path, content=image.read_bytes(), params={"age": "61"} | given)
        for response in (as_fields, as_query):
            assert_equal(response.json()["result"], expected)
    batch = client.post("/v1/predict/batch", files=[("files", image.read_bytes())] * 2, data=given)
    for item in batch.json()["results"]:
        assert_equal(item["result"], stated.predict(image))
    job = client.post("/v1/jobs", params=given, files=[("files", image.read_bytes())]).json()["id"]
    assert_equal(client.get(f"/v1/jobs/{job}/results").json()["result"], stated.predict(image))
    images = [("dermoscopic", image.read_bytes())] * 2
    lesion = client.post("/v1/predict/lesion", files=images, data={"age": "61"} | given).json()["result"]
    expected = stated.predict_lesion([image, image], patient=Patient(age=61))
    assert_equal(lesion, expected)
    assert [one["p_malignant"] for one in lesion["images"]] == pytest.approx([o.p_malignant for o in expected.images])


@pytest.mark.parametrize(
    ("given", "field", "words"),
    [
        ({"prevalence": "malignant"}, "prevalence", "write it as malignant=0.02"),
        ({"prevalence": "malignant=2"}, "prevalence", "give a share between 0 and 1"),
        ({"prevalence": "freckle=0.1"}, "prevalence", "the classes are"),
        ({"risk": "luck=3"}, "risk", "write sensitivity=0.95"),
        ({"risk": "sensitivity=0.5"}, "risk", "has no threshold"),
        ({"risk": "cost=20,target=melanoma"}, "risk", "of a sensitivity or specificity"),
    ],
)
@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/v1/predict", "file"),
        ("/v1/predict/batch", "files"),
        ("/v1/predict/lesion", "dermoscopic"),
        ("/v1/jobs", "files"),
    ],
)
def test_invalid_parameters_are_named(
    client: TestClient, image: Path, path: str, name: str, given: dict[str, str], field: str, words: str
) -> None:
    sent: dict[str, Any] = {"params": given} if path == "/v1/jobs" else {"data": given}
    response = client.post(path, files={name: image.read_bytes()}, **sent)
    assert response.status_code == 422
    (error,) = response.json()["errors"]
    assert error["pointer"] == f"#/{field}"
    assert words in error["detail"]


def test_model_card_has_what_follows_the_probabilities(client: TestClient) -> None:
    decision = client.get("/v1/model").json()["decision"]
    assert sum(decision["frequencies"]) == pytest.approx(1)
    assert decision["target_classes"]["melanoma"] == ["mel"]
    assert decision["risk"] == {"target": "malignant", "threshold": 0.08, "point": 0}
