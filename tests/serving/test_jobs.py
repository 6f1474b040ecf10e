"""Jobs: progress, results, cancellation, expiry and limits."""

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

from lesionlab import RESEARCH_ONLY
from lesionlab.prediction import Predictor
from lesionlab.results import BatchLine, Job, ProblemType

Start = Callable[..., TestClient]


def files(*images: bytes) -> list[tuple[str, bytes]]:
    return [("files", image) for image in images]


def job_of(client: TestClient, job: str) -> Job:
    return Job.model_validate(client.get(f"/v1/jobs/{job}").json())


def results(client: TestClient, job: str, first: int = 0) -> list[BatchLine]:
    response = client.get(f"/v1/jobs/{job}/results", params={"first": first})
    assert response.headers["Content-Type"] == "application/x-ndjson"
    return [BatchLine.model_validate_json(line) for line in response.text.splitlines()]


@pytest.fixture
def blocked(predictor: Predictor, monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Predictions that wait until the event is set."""
    released = threading.Event()
    predict = predictor.pipeline.predict

    def wait(*args: Any, **options: Any) -> Any:
        released.wait(10)
        return predict(*args, **options)

    monkeypatch.setattr(predictor.pipeline, "predict", wait)
    return released


def test_job_of_several_requests(server_of: Start, predictor: Predictor, jpeg: bytes) -> None:
    client = server_of(max_batch=2)
    started = client.post("/v1/jobs", params={"images": 5}, files=files(jpeg, b"no image"))
    assert started.status_code == 202
    job = started.json()["id"]
    assert started.headers["Location"] == f"/v1/jobs/{job}"
    assert started.json()["notice"] == RESEARCH_ONLY
    for images in ((jpeg, jpeg), (jpeg,)):
        assert client.post(f"/v1/jobs/{job}/images", files=files(*images)).status_code == 202
    lines = results(client, job)
    assert sorted(line.index for line in lines) == [0, 1, 2, 3, 4]
    expected = predictor.predict(jpeg)
    for line in lines:
        if line.index == 1:
            assert line.problem is not None
            assert line.problem.kind is ProblemType.UNSUPPORTED_FORMAT
        else:
            assert line.result is not None
            assert line.result.p_malignant == pytest.approx(expected.p_malignant, abs=1e-6)
    done = job_of(client, job)
    assert (done.status, done.images, done.received, done.done, done.failed) == ("completed", 5, 5, 5, 1)
    assert done.expires > done.created
    assert results(client, job, first=3) == lines[3:]
    too_many = client.post(f"/v1/jobs/{job}/images", files=files(jpeg))
    assert (too_many.status_code, too_many.json()["type"]) == (409, ProblemType.JOB_CLOSED.uri)
    assert "lesionlab_queue_images 0.0" in client.get("/metrics").text


def test_cancelled_job_keeps_its_results(server_of: Start, blocked: threading.Event, jpeg: bytes) -> None:
    client = server_of()
    job = client.post("/v1/jobs", files=files(*[jpeg] * 8)).json()["id"]
    cancelled = client.post(f"/v1/jobs/{job}/cancel").json()
    assert (cancelled["status"], cancelled["received"], cancelled["done"]) == ("cancelled", 8, 0)
    blocked.set()
    assert len(results(client, job)) <= 2
    assert job_of(client, job).status == "cancelled"
    assert client.post(f"/v1/jobs/{job}/images", files=files(jpeg)).status_code == 409


def test_deleted_and_expired_jobs_are_gone(server_of: Start, jpeg: bytes) -> None:
    client = server_of(job_seconds=0.2)
    deleted = client.post("/v1/jobs", files=files(jpeg)).json()["id"]
    response = client.delete(f"/v1/jobs/{deleted}")
    assert (response.status_code, response.content) == (204, b"")
    expired = client.post("/v1/jobs", params={"images": 2}, files=files(jpeg)).json()["id"]
    time.sleep(0.4)
    for job in (deleted, expired, "unknown"):
        for response in (
            client.get(f"/v1/jobs/{job}"),
            client.get(f"/v1/jobs/{job}/results"),
            client.post(f"/v1/jobs/{job}/cancel"),
            client.post(f"/v1/jobs/{job}/images", files=files(jpeg)),
            client.delete(f"/v1/jobs/{job}"),
        ):
            assert (response.status_code, response.json()["type"]) == (404, ProblemType.NO_JOB.uri)


def test_memory_of_jobs_is_limited(server_of: Start, blocked: threading.Event, jpeg: bytes) -> None:
    client = server_of(max_job_images=4, max_job_bytes=2 * len(jpeg) + 10)
    large = client.post("/v1/jobs", params={"images": 5}, files=files(jpeg))
    assert (large.status_code, large.json()["type"]) == (413, ProblemType.TOO_LARGE.uri)
    full = client.post("/v1/jobs", files=files(jpeg, jpeg, jpeg))
    assert (full.status_code, full.json()["type"], full.headers["Retry-After"]) == (503, ProblemType.BUSY.uri, "5")
    job = client.post("/v1/jobs", params={"images": 3}, files=files(jpeg, jpeg)).json()["id"]
    assert client.post("/v1/jobs", params={"images": 2}, files=files(b"x")).status_code == 503
    assert client.post(f"/v1/jobs/{job}/images", files=files(jpeg)).status_code == 503
    blocked.set()
    deadline = time.monotonic() + 10
    while job_of(client, job).done < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert client.post(f"/v1/jobs/{job}/images", files=files(jpeg)).status_code == 202
    assert len(results(client, job)) == 3


def test_other_requests_do_not_wait_for_a_job(server_of: Start, jpeg: bytes) -> None:
    client = server_of()
    job = client.post("/v1/jobs", files=files(*[jpeg] * 40)).json()["id"]
    assert client.post("/v1/predict", content=jpeg).status_code == 200
    assert job_of(client, job).done < 40
    assert len(results(client, job)) == 40


def test_unexpected_exceptions_are_problems_of_their_image(
    server_of: Start, predictor: Predictor, jpeg: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_images: object, **_: object) -> None:
        raise RuntimeError("internal detail")

    client = server_of()
    monkeypatch.setattr(predictor.pipeline, "predict", fail)
    job = client.post("/v1/jobs", files=files(jpeg)).json()["id"]
    (line,) = results(client, job)
    assert line.problem is not None
    assert line.problem.kind is ProblemType.INTERNAL_ERROR
    assert job_of(client, job).status == "completed"
