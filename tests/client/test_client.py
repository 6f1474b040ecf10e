"""The client against the real application, and against servers that are busy, gone or of another kind."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import httpx2
import pytest
from PIL import Image
from pydantic import BaseModel
from starlette.testclient import TestClient

from lesionlab import RESEARCH_ONLY
from lesionlab.client import Client, ServerProblemError, answers
from lesionlab.prediction import Predictor
from lesionlab.results import ExplainedPrediction
from lesionlab.serving import Settings, create_app
from lesionlab.serving import answers as served
from lesionlab.serving.model_card import ModelCard

KEY = "0123456789abcdef"


class _Through(httpx2.BaseTransport):
    """The way to an application in this process."""

    def __init__(self, inner: TestClient) -> None:
        self._inner = inner

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        request.read()
        answer = self._inner.request(request.method, str(request.url), content=request.content, headers=request.headers)
        return httpx2.Response(answer.status_code, headers=answer.headers, content=answer.content)


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
        return Client("http://testserver", sent_key, transport=_Through(inner))

    yield make
    for inner in opened:
        inner.__exit__(None, None, None)


@pytest.fixture(scope="session")
def lesion(photograph: Image.Image, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("lesion") / "lesion.jpg"
    photograph.save(path)
    return path


def client_that_meets(*meetings: httpx2.Response | Exception, patience: float = 60) -> tuple[Client, list[str]]:
    left, asked = list(meetings), list[str]()

    def answer(request: httpx2.Request) -> httpx2.Response:
        asked.append(request.url.path)
        meeting = left.pop(0)
        if isinstance(meeting, Exception):
            raise meeting
        return meeting

    return Client("http://x", transport=httpx2.MockTransport(answer), patience=patience), asked


def problem(status: int, **headers: str) -> httpx2.Response:
    body = {"type": "about:blank", "title": "T", "status": status, "detail": "D", "request_id": "r-1"}
    return httpx2.Response(status, json=body, headers=headers)


def test_a_path_and_bytes_get_the_predictors_answer(
    client_of: Callable[..., Client], predictor: Predictor, lesion: Path
) -> None:
    expected = predictor.predict(lesion)
    with client_of() as client:
        for image in (lesion, str(lesion), lesion.read_bytes()):
            answer = client.predict(image, age=40, sex="male", site="back")
            assert answer.notice == RESEARCH_ONLY
            assert answer.bundle.identity == predictor.info.identity
            result = answer.result
            assert {row.code: row.probability for row in result.classes} == pytest.approx(expected.probabilities)
            assert result.operating_points[0].target == "malignant"
            assert result.notes[-1].startswith("age and sex and site given")


def test_explanation_and_model(client_of: Callable[..., Client], predictor: Predictor, lesion: Path) -> None:
    client = client_of()
    explanation = client.explain(lesion, "mel").explanation
    assert (explanation.diagnosis, explanation.name) == ("mel", "Melanoma")
    assert (len(explanation.values), len(explanation.values[0])) == (explanation.rows, explanation.columns)
    assert client.explain(lesion).explanation.diagnosis == client.predict(lesion).result.classes[0].code
    model = client.model()
    assert model.bundle.graph_sha256 == predictor.info.graph_sha256
    assert model.metrics["balanced_accuracy"].low == 0.4
    assert model.limits.max_batch == 64


def test_similar_training_cases(client_of: Callable[..., Client], lesion: Path, tiny_indexed_bundle: Path) -> None:
    naming = Predictor.load(tiny_indexed_bundle, threads=1)
    (expected,) = naming.pipeline.explain([naming.pipeline.prepare(lesion)], [None])
    assert expected.nearest_images is not None
    with TestClient(create_app(naming, Settings())) as inner:
        similar = Client("http://testserver", transport=_Through(inner)).explain(lesion).nearest_images
    assert similar is not None
    assert [case.image_id for case in similar] == [case.image_id for case in expected.nearest_images]
    assert client_of().explain(lesion).nearest_images is None


def test_the_lesion_in_numbers(client_of: Callable[..., Client], predictor: Predictor, lesion: Path) -> None:
    (expected,) = predictor.explain_many([lesion])
    assert isinstance(expected, ExplainedPrediction)
    assert expected.lesion is not None
    found = client_of().explain(lesion).lesion
    assert found is not None
    assert found.model_dump() == asdict(expected.lesion)


@pytest.mark.parametrize(("batch_size", "max_batch"), [(3, 64), (16, 2), (1, 64)])
def test_many_images_in_their_order_whatever_the_server_takes(
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


def test_a_key_is_sent_and_its_lack_is_a_problem(client_of: Callable[..., Client], lesion: Path) -> None:
    assert client_of(KEY, key=KEY).predict(lesion).result.classes
    with pytest.raises(ServerProblemError, match="401 Unauthorized: the API key is missing or wrong") as refused:
        client_of(key=KEY).predict(lesion)
    assert refused.value.status == 401
    assert refused.value.request_id


def test_a_busy_server_is_asked_again_when_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []
    monkeypatch.setattr("time.sleep", waited.append)
    good = httpx2.Response(200, json=_answer())
    client, asked = client_that_meets(
        problem(503, **{"Retry-After": "3"}), problem(429), problem(503, **{"Retry-After": "9999"}), good
    )
    assert client.predict(b"x").request_id == "r"
    assert waited == [3, 1, 30]
    assert asked == ["/v1/predict"] * 4


def test_patience_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    client, asked = client_that_meets(problem(503, **{"Retry-After": "5"}), patience=3)
    with pytest.raises(ServerProblemError) as busy:
        client.predict(b"x")
    assert (busy.value.status, busy.value.title, busy.value.detail) == (503, "T", "D")
    assert len(asked) == 1


@pytest.mark.parametrize("status", [400, 401, 409, 413, 415, 422, 500])
def test_what_will_not_change_is_not_asked_again(status: int) -> None:
    client, asked = client_that_meets(problem(status))
    with pytest.raises(ServerProblemError) as refused:
        client.explain(b"x")
    assert (refused.value.status, refused.value.request_id) == (status, "r-1")
    assert len(asked) == 1


def test_no_server_and_another_server() -> None:
    client, _ = client_that_meets(httpx2.ConnectError("refused"))
    with pytest.raises(ServerProblemError, match=r"No answer: http://x.*refused") as gone:
        client.model()
    assert gone.value.status is None
    for answer in (
        httpx2.Response(200, text="<html>"),
        httpx2.Response(502, text="proxy"),
        httpx2.Response(200, json={}),
    ):
        client, _ = client_that_meets(answer)
        with pytest.raises(ServerProblemError, match="is the address right") as other:
            client.model()
        assert other.value.status == answer.status_code


def test_a_problem_with_the_way_stops_many(lesion: Path) -> None:
    client, _ = client_that_meets(httpx2.ConnectError("refused"))
    with pytest.raises(ServerProblemError):
        list(client.predict_many([lesion]))
    with pytest.raises(OSError, match="nowhere"):
        Client("http://127.0.0.1:9").predict("nowhere.jpg")


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (answers.Answer, served.Answer),
        (answers.ExplainedAnswer, served.ExplainedAnswer),
        (answers.BatchAnswer, served.BatchAnswer),
        (answers.ModelCard, ModelCard),
    ],
)
def test_client_and_server_know_the_same_fields(ours: type[BaseModel], theirs: type[BaseModel]) -> None:
    open_ended = {"calibration", "training_data", "preprocessing"}

    def shape(model: type[BaseModel]) -> Any:
        schema = model.model_json_schema(mode="serialization")

        def fields(node: dict[str, Any]) -> Any:
            if "$ref" in node:
                return fields(schema["$defs"][node["$ref"].rpartition("/")[2]])
            if "properties" in node:
                return {k: None if k in open_ended else fields(v) for k, v in node["properties"].items()}
            inner = [node[key] for key in ("items", "additionalProperties") if isinstance(node.get(key), dict)]
            return [found for part in [*inner, *node.get("anyOf", ())] if (found := fields(part))] or None

        return fields(schema)

    assert shape(ours) == shape(theirs)


def test_it_loads_nothing_of_the_package() -> None:
    code = "import lesionlab.client, sys, json; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(json.loads(done.stdout))
    assert not {"numpy", "onnxruntime", "PIL", "fastapi", "typer"} & loaded
    assert {m for m in loaded if m.startswith("lesionlab.")} == {
        "lesionlab.client",
        "lesionlab.client.answers",
        "lesionlab.client.client",
        "lesionlab.client.errors",
    }


def _answer() -> dict[str, Any]:
    result: dict[str, Any] = {
        "diagnosis": "nv",
        "prediction_set": None,
        "classes": [],
        "malignant": None,
        "risk": None,
        "operating_points": [],
        "refusal": None,
        "notes": [],
    }
    bundle = {"name": "n", "identity": "n@0", "graph_sha256": "0"}
    return {"notice": "", "version": "", "request_id": "r", "bundle": bundle, "result": result, "something": "new"}
