"""Both clients against every type of problem, of a mock server and of the real application."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import pytest
from starlette.testclient import TestClient

from lesionlab.client import AsyncClient, Client, ProblemType, ServerProblemError
from lesionlab.prediction import Predictor
from lesionlab.results import FieldError, Problem
from lesionlab.serving import Settings, create_app
from tests.client.in_process import InProcess
from tests.images.dicom.files import dicom

Call = Callable[..., Any]
KEY = "0123456789abcdef"


def problem_of(client: Client, method: str, *arguments: Any) -> ServerProblemError:
    with pytest.raises(ServerProblemError) as raised:
        getattr(client, method)(*arguments)
    return raised.value


def async_problem_of(transport: httpx2.AsyncBaseTransport, method: str, *arguments: Any) -> ServerProblemError:
    async def request() -> None:
        async with AsyncClient("http://testserver", transport=transport, timeout=2) as client:
            await getattr(client, method)(*arguments)

    with pytest.raises(ServerProblemError) as raised:
        asyncio.run(request())
    return raised.value


@pytest.mark.parametrize("kind", list(ProblemType), ids=lambda kind: kind.slug)
def test_type_of_a_problem(kind: ProblemType) -> None:
    errors = (FieldError(pointer="#/age", detail="D"),) if kind is ProblemType.INVALID_FIELDS else ()
    document = Problem(type=kind.uri, title=kind.title, status=kind.status, detail="D", request_id="r-1", errors=errors)

    def respond(_request: httpx2.Request) -> httpx2.Response:
        # The retry would be after the timeout.
        return httpx2.Response(kind.status, json=document.model_dump(mode="json"), headers={"Retry-After": "9"})

    transport = httpx2.MockTransport(respond)
    with Client("http://x", transport=transport, timeout=2) as client:
        raised = problem_of(client, "predict", b"x")
    for error in (raised, async_problem_of(transport, "predict", b"x")):
        assert (error.kind, error.status, error.title) == (kind, kind.status, kind.title)
        assert (error.detail, error.request_id, error.errors) == ("D", "r-1", errors)
        assert str(error) == f"{kind.status} {kind.title}: D"


def test_type_of_a_newer_server_is_unknown() -> None:
    document = {"type": "https://x/new", "title": "New", "status": 422, "detail": "D", "request_id": "r", "added": 1}
    transport = httpx2.MockTransport(lambda _: httpx2.Response(422, json=document))
    error = async_problem_of(transport, "model")
    assert (error.kind, error.title, error.errors) == (None, "New", ())
    assert error.problem is not None
    assert error.problem.type == "https://x/new"


@pytest.fixture(scope="module")
def transport_of(tiny_bundle: Path) -> Iterator[Callable[..., InProcess]]:
    """Return a function that starts a server of a model without explanation and evaluation."""
    predictor = Predictor.load(tiny_bundle, threads=1)
    opened: list[TestClient] = []

    def make(**settings: Any) -> InProcess:
        inner = TestClient(create_app(predictor, Settings.model_validate(settings)))
        opened.append(inner.__enter__())
        return InProcess(inner)

    yield make
    for inner in opened:
        inner.__exit__(None, None, None)


GREY = np.full((64, 64, 3), 128, np.uint8)


@pytest.mark.parametrize(
    ("settings", "method", "arguments", "kind"),
    [
        ({"api_key": KEY}, "model", (), ProblemType.KEY_REQUIRED),
        ({"allowed_hosts": ["localhost"]}, "model", (), ProblemType.UNKNOWN_HOST),
        ({}, "predict", (b"text",), ProblemType.UNSUPPORTED_FORMAT),
        ({}, "predict", (b"",), ProblemType.UNREADABLE_IMAGE),
        ({}, "predict", (dicom(GREY, Rows=8_000, Columns=8_000),), ProblemType.IMAGE_TOO_LARGE),
        ({"max_bytes": 1_000}, "predict", (b"x" * 100_000,), ProblemType.TOO_LARGE),
        ({}, "explain", (dicom(GREY),), ProblemType.NOT_EXPLAINABLE),
        ({}, "predict_lesion", ((), [dicom(GREY)]), ProblemType.WRONG_IMAGE_TYPE),
        ({}, "report", (dicom(GREY), "dicom-sr"), ProblemType.NO_REPORT),
        ({}, "job", ("unknown",), ProblemType.NO_JOB),
        ({}, "cancel_job", ("unknown",), ProblemType.NO_JOB),
        ({}, "delete_job", ("unknown",), ProblemType.NO_JOB),
        ({"max_job_images": 1}, "start_job", ([b"x", b"y"],), ProblemType.TOO_LARGE),
    ],
    ids=lambda value: value.slug if isinstance(value, ProblemType) else "",
)
def test_problems_of_the_server(
    transport_of: Callable[..., InProcess],
    settings: dict[str, Any],
    method: str,
    arguments: tuple[Any, ...],
    kind: ProblemType,
) -> None:
    transport = transport_of(**settings)
    client = Client("http://testserver", transport=transport)
    assert problem_of(client, method, *arguments).kind is kind
    assert async_problem_of(transport, method, *arguments).kind is kind


def test_rate_limit_is_a_problem_after_the_timeout(transport_of: Callable[..., InProcess]) -> None:
    transport = transport_of(rate="1/hour")
    client = Client("http://testserver", transport=transport, timeout=1)
    client.model()
    assert problem_of(client, "model").kind is ProblemType.RATE_LIMITED
    assert async_problem_of(transport, "model").kind is ProblemType.RATE_LIMITED


def test_both_clients_have_the_same_methods() -> None:
    public = [name for name in vars(Client) if not name.startswith("_")]
    assert public == [name for name in vars(AsyncClient) if not name.startswith("_")]


def test_asynchronous_client_has_the_results_of_the_client(
    transport_of: Callable[..., InProcess], tmp_path: Path
) -> None:
    file = tmp_path / "lesion.dcm"
    file.write_bytes(dicom(GREY))
    images: list[Path | bytes] = [file, b"no image", file.read_bytes(), b"x" * 2_000_000, file]
    transport = transport_of(max_bytes=400_000)
    client = Client("http://testserver", transport=transport)

    async def results() -> tuple[Any, ...]:
        async with AsyncClient("http://testserver", transport=transport) as other:
            single = (await other.predict(file)).result
            many = [item async for item in other.predict_many(images, batch_size=2)]
            job = await other.start_job(images[:3], batch_size=2)
            of_job = [item async for item in other.job_results(job.id)]
            last = [item async for item in other.job_results(job.id, first=2)]
            done = await other.job(job.id)
            await other.delete_job(job.id)
            return single, many, of_job, last, done, await other.report(file, "fhir"), await other.model()

    single, many, of_job, last, done, report, model = asyncio.run(results())
    assert single == client.predict(file).result
    expected = list(client.predict_many(images, batch_size=2))
    assert [item.result for item in many] == [item.result for item in expected]
    assert [item.problem.kind if item.problem else None for item in many] == [
        None, ProblemType.UNSUPPORTED_FORMAT, None, ProblemType.TOO_LARGE, None,
    ]  # fmt: skip
    assert (done.status, done.done, done.failed) == ("completed", 3, 1)
    assert sorted(item.index for item in of_job) == [0, 1, 2]
    assert last == of_job[2:]
    job = client.start_job(images[:3], batch_size=2)
    by_index = {item.index: item.result for item in client.job_results(job.id)}
    assert by_index == {item.index: item.result for item in of_job}
    client.delete_job(job.id)
    assert report == client.report(file, "fhir")
    assert model == client.model()


def test_failed_start_of_a_job_deletes_it(transport_of: Callable[..., InProcess]) -> None:
    transport = transport_of()
    requested: list[str] = []
    inner = transport.handle_request

    def noted(request: httpx2.Request) -> httpx2.Response:
        requested.append(f"{request.method} {request.url.path}")
        return inner(request)

    client = Client("http://testserver", transport=httpx2.MockTransport(noted))
    with pytest.raises(OSError, match="nowhere"):
        client.start_job([dicom(GREY), dicom(GREY), "nowhere.jpg"], batch_size=1)
    assert requested[1] == "POST /v1/jobs"
    assert requested[-1].startswith("DELETE /v1/jobs/")
    with pytest.raises(ValueError, match="at least one image"):
        client.start_job([])
