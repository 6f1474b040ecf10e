"""The route for one lesion with several images."""

from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

from lesionlab.prediction import Predictor
from lesionlab.results import Prediction

Start = Callable[..., TestClient]
ROUTE = "/v1/predict/lesion"


def test_several_images_give_one_result(server_of: Start, predictor: Predictor, jpeg: bytes) -> None:
    files = [("dermoscopic", ("a.jpg", jpeg)), ("dermoscopic", ("b.jpg", jpeg))]
    response = server_of().post(ROUTE, files=files, data={"age": "50"})
    assert response.status_code == 200
    found = Prediction.model_validate(response.json()["result"])
    assert [image.image for image in found.images] == ["dermoscopic image 0", "dermoscopic image 1"]
    assert found.probabilities == pytest.approx(predictor.predict_lesion([jpeg, jpeg]).probabilities)
    assert found.notes == ("age ignored: this model uses the image alone",)


@pytest.mark.parametrize(
    ("request_parts", "status", "detail"),
    [
        ({"files": [("clinical", b"x")]}, 409, "this model takes dermoscopic images, not clinical ones"),
        ({"files": [("dermoscopic", b"x")]}, 415, "dermoscopic image 0: "),
        ({"files": [("file", b"x")]}, 422, "in the field `dermoscopic`"),
        ({"data": {"age": "50"}, "files": {}}, 415, "`dermoscopic`"),
        ({"files": [("dermoscopic", b"x")], "data": {"age": "old"}}, 422, "age"),
    ],
)
def test_what_is_wrong_is_said(server_of: Start, request_parts: dict[str, Any], status: int, detail: str) -> None:
    response = server_of().post(ROUTE, **request_parts)
    assert response.status_code == status
    assert detail in response.json()["detail"]


def test_a_lesion_counts_with_all_of_its_images(server_of: Start, jpeg: bytes) -> None:
    client = server_of(queue=2)
    files = [("dermoscopic", jpeg)] * 3
    assert client.post(ROUTE, files=files).status_code == 503
    assert client.post(ROUTE, files=files[:2]).status_code == 200
    assert server_of(max_batch=2).post(ROUTE, files=files).status_code == 422
