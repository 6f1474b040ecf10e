"""The client with the real application, and with busy, unreachable, newer and foreign servers."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from PIL import Image
from pydantic import BaseModel
from starlette.testclient import TestClient

from lesionlab import RESEARCH_ONLY
from lesionlab.bundle import Patient, Site
from lesionlab.client import Client, ServerProblemError
from lesionlab.client.calls import Call
from lesionlab.client.calls import Settings as GivenSettings
from lesionlab.prediction import Predictor
from lesionlab.results import (
    BatchResponse,
    ExplainResponse,
    ModelCard,
    ModelName,
    Prediction,
    PredictResponse,
    ProblemType,
    RankedDiagnosis,
)
from lesionlab.serving import Settings, create_app
from lesionlab.taxonomy import Risk
from tests.client.in_process import InProcess

KEY = "0123456789abcdef"
# Objects whose keys are data: codes, names of metrics, subsets.
OPEN_KEYS = {
    "classes",
    "colours",
    "images",
    "intervals",
    "label_origins",
    "lesions",
    "metrics",
    "nll_by_method",
    "probabilities",
    "target_classes",
}


@pytest.fixture(scope="module")
def predictor(tiny_whole_bundle: Path) -> Predictor:
    return Predictor.load(tiny_whole_bundle, threads=1)


@pytest.fixture
def client_of(predictor: Predictor) -> Iterator[Callable[..., Client]]:
    """Return a function that makes a client of a server with the given settings."""
    opened: list[TestClient] = []

    def make(sent_key: str | None = None, *, key: str | None = None, **settings: object) -> Client:
        inner = TestClient(create_app(predictor, Settings.model_validate(settings | {"api_key": key})))
        opened.append(inner.__enter__())
        return Client("http://testserver", sent_key, transport=InProcess(inner))

    yield make
    for inner in opened:
        inner.__exit__(None, None, None)


@pytest.fixture(scope="session")
def lesion(photograph: Image.Image, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("lesion") / "lesion.jpg"
    photograph.save(path)
    return path


def client_with(*responses: httpx2.Response | Exception, timeout: float = 60) -> tuple[Client, list[str]]:
    left, requested = list(responses), list[str]()

    def respond(request: httpx2.Request) -> httpx2.Response:
        requested.append(request.url.path)
        response = left.pop(0)
        if isinstance(response, Exception):
            raise response
        return response

    return Client("http://x", transport=httpx2.MockTransport(respond), timeout=timeout), requested


def problem(status: int, **headers: str) -> httpx2.Response:
    body = {"type": "about:blank", "title": "T", "status": status, "detail": "D", "request_id": "r-1"}
    return httpx2.Response(status, json=body, headers=headers)


def test_path_and_bytes_give_the_prediction_of_the_predictor(
    client_of: Callable[..., Client], predictor: Predictor, lesion: Path
) -> None:
    patient = Patient(age=40, sex="male", site=Site.BACK)
    expected = predictor.predict(lesion, patient)
    with client_of() as client:
        for image in (lesion, str(lesion), lesion.read_bytes()):
            response = client.predict(image, patient)
            assert response.notice == RESEARCH_ONLY
            assert response.model.identity == predictor.info.identity
            assert response.result == expected.model_copy(update={"image": "image"})
            assert response.result.notes[-1].startswith("age and sex and site")


def test_prevalence_and_risk_are_those_of_the_request(
    client_of: Callable[..., Client], tiny_whole_bundle: Path, lesion: Path
) -> None:
    given = GivenSettings(prevalence="malignant=0.02", risk="threshold=0.3")
    expected = Predictor.load(
        tiny_whole_bundle, threads=1, prevalence={"malignant": 0.02}, risk="threshold=0.3"
    ).predict(lesion)
    client = client_of()
    items = list(client.predict_many([lesion, lesion, lesion], batch_size=2, **given))  # a batch, and one alone
    for result in (
        client.predict(lesion, **given).result,
        client.explain(lesion, **given).result,
        client.predict_lesion([lesion], **given).result,
        next(client.job_results(client.start_job([lesion], **given).id)).result,
        *(item.result for item in items),
    ):
        assert result is not None
        assert result.p_malignant == pytest.approx(expected.p_malignant)
        assert (result.operating_points, result.risk) == (expected.operating_points, expected.risk)
    with pytest.raises(ServerProblemError, match="prevalence"):
        client.predict(lesion, prevalence="malignant=2")


def test_one_lesion_from_several_images(client_of: Callable[..., Client], predictor: Predictor, lesion: Path) -> None:
    patient = Patient(age=40)
    response = client_of().predict_lesion([lesion, lesion.read_bytes()], patient=patient)
    expected = predictor.predict_lesion([lesion, lesion], patient=patient)
    assert response.result.probabilities == pytest.approx(expected.probabilities)
    assert [image.image_type for image in response.result.images] == ["dermoscopic", "dermoscopic"]
    assert response.result.notes == expected.notes
    with pytest.raises(ServerProblemError, match="takes dermoscopic images") as raised:
        client_of().predict_lesion(clinical=[lesion])
    assert raised.value.status == 409


def test_explanation_and_model(client_of: Callable[..., Client], predictor: Predictor, lesion: Path) -> None:
    client = client_of()
    explanation = client.explain(lesion, "mel").explanation
    assert explanation is not None
    assert (explanation.code, explanation.name) == ("mel", "Melanoma")
    assert explanation.values.shape == (explanation.rows, explanation.columns)
    most_probable = client.explain(lesion).explanation
    assert most_probable is not None
    assert most_probable.code == client.predict(lesion).result.top[0].code
    model = client.model()
    assert model.model.graph_sha256 == predictor.info.graph_sha256
    assert model.metrics["balanced_accuracy"].low == 0.4
    assert model.limits.max_batch == 64


@pytest.mark.slow
def test_nearest_training_images(client_of: Callable[..., Client], lesion: Path, tiny_indexed_bundle: Path) -> None:
    indexed = Predictor.load(tiny_indexed_bundle, threads=1)
    with TestClient(create_app(indexed, Settings())) as inner:
        nearest = Client("http://testserver", transport=InProcess(inner)).explain(lesion).nearest_images
    assert nearest == indexed.explain(lesion).nearest_images
    assert nearest
    assert client_of().explain(lesion).nearest_images is None


def test_lesion_measures(client_of: Callable[..., Client], predictor: Predictor, lesion: Path) -> None:
    expected = predictor.explain(lesion).lesion
    assert expected is not None
    assert client_of().explain(lesion).lesion == expected


@pytest.mark.slow
@pytest.mark.parametrize(("batch_size", "max_batch"), [(3, 64), (16, 2), (1, 64)])
def test_images_keep_their_order_within_the_limits_of_the_server(
    client_of: Callable[..., Client], lesion: Path, batch_size: int, max_batch: int
) -> None:
    good = lesion.read_bytes()
    client = client_of(max_batch=max_batch, max_bytes=200_000)
    images: list[Path | bytes] = [good, b"text", lesion, b"x" * 300_000, b"x" * 900_000, good, good]
    items = list(client.predict_many(iter(images), batch_size=batch_size))
    assert [item.index for item in items] == list(range(7))
    assert [item.problem.status if item.problem else 200 for item in items] == [200, 415, 200, 413, 413, 200, 200]
    assert items[0].result == items[5].result
    assert list(client.predict_many([])) == []


def test_missing_key_is_a_problem(client_of: Callable[..., Client], lesion: Path) -> None:
    assert client_of(KEY, key=KEY).predict(lesion).result.top
    with pytest.raises(
        ServerProblemError, match="401 API key missing or wrong: the API key is missing or wrong"
    ) as rejected:
        client_of(key=KEY).predict(lesion)
    assert rejected.value.status == 401
    assert rejected.value.kind is ProblemType.KEY_REQUIRED
    assert rejected.value.request_id


def test_requests_to_a_busy_server_are_repeated_after_the_stated_time(monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []
    monkeypatch.setattr("time.sleep", waited.append)
    good = httpx2.Response(200, json=_response())
    client, requested = client_with(
        problem(503, **{"Retry-After": "3"}), problem(429), problem(503, **{"Retry-After": "9999"}), good
    )
    assert client.predict(b"x").request_id == "r"
    assert waited == [3, 1, 30]
    assert requested == ["/v1/predict"] * 4


def test_repetition_ends_at_the_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    client, requested = client_with(problem(503, **{"Retry-After": "5"}), timeout=3)
    with pytest.raises(ServerProblemError) as busy:
        client.predict(b"x")
    assert (busy.value.status, busy.value.title, busy.value.detail) == (503, "T", "D")
    assert len(requested) == 1


@pytest.mark.parametrize("status", [400, 401, 409, 413, 415, 422, 500])
def test_final_problems_are_not_repeated(status: int) -> None:
    client, requested = client_with(problem(status))
    with pytest.raises(ServerProblemError) as rejected:
        client.explain(b"x")
    assert (rejected.value.status, rejected.value.request_id) == (status, "r-1")
    assert len(requested) == 1


def test_unreachable_and_foreign_servers() -> None:
    client, _ = client_with(httpx2.ConnectError("refused"))
    with pytest.raises(ServerProblemError, match=r"No response: http://x.*refused") as unreachable:
        client.model()
    assert unreachable.value.status is None
    for response in (
        httpx2.Response(200, text="<html>"),
        httpx2.Response(502, text="proxy"),
        httpx2.Response(200, json={}),
    ):
        client, _ = client_with(response)
        with pytest.raises(ServerProblemError, match="is the address right") as foreign:
            client.model()
        assert foreign.value.status == response.status_code


def test_connection_errors_stop_predict_many(lesion: Path) -> None:
    client, _ = client_with(httpx2.ConnectError("refused"))
    with pytest.raises(ServerProblemError):
        list(client.predict_many([lesion]))
    with pytest.raises(OSError, match="nowhere"):
        Client("http://127.0.0.1:9").predict("nowhere.jpg")


def _with_unknown_keys(node: Any, name: str = "") -> Any:
    """Add an unknown key to each object of fixed keys."""
    if isinstance(node, list):
        return [_with_unknown_keys(item) for item in node]
    if not isinstance(node, dict):
        return node
    extended = {key: _with_unknown_keys(value, key) for key, value in node.items()}
    return extended if name in OPEN_KEYS else extended | {"added_in_a_later_version": {"a": [1]}}


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/v1/predict", PredictResponse),
        ("/v1/explain", ExplainResponse),
        ("/v1/predict/batch", BatchResponse),
        ("/v1/model", ModelCard),
    ],
)
def test_unknown_keys_of_newer_servers_are_ignored_at_every_depth(
    predictor: Predictor, lesion: Path, path: str, kind: type[BaseModel]
) -> None:
    with TestClient(create_app(predictor)) as server:
        if path == "/v1/model":
            body = server.get(path).json()
        else:
            body = server.post(path, files=[("files" if "batch" in path else "file", lesion.read_bytes())]).json()
    newer = _with_unknown_keys(body)
    assert json.dumps(newer).count("added_in_a_later_version") > 3
    parsed = Call("GET", path, kind).parse(httpx2.Response(200, json=newer))
    assert parsed.model_dump(mode="json") == kind.model_validate(body).model_dump(mode="json")


@pytest.mark.slow
def test_import_needs_no_server_and_no_inference_runtime() -> None:
    code = """if True:
        import sys
        sys.modules.update(dict.fromkeys(("fastapi", "onnxruntime", "typer", "uvicorn")))
        import lesionlab.client
        print(*(name for name in sys.modules if name.startswith("lesionlab.")))
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    packages = {name.split(".")[1] for name in done.stdout.split()}
    assert not packages & {"cli", "export", "prediction", "segmentation", "serving", "training"}


def _response() -> dict[str, Any]:
    prediction = Prediction(
        image="image",
        status="ok",
        p_malignant=0.1,
        risk=Risk.LOW,
        operating_points=(),
        probabilities={"nv": 0.9, "mel": 0.1},
        top=(RankedDiagnosis(code="nv", name="Melanocytic nevus", probability=0.9),),
        balanced_prediction="nv",
        model="n@0",
    )
    model = ModelName(name="n", identity="n@0", graph_sha256="0")
    return PredictResponse(request_id="r", model=model, result=prediction).model_dump(mode="json")
