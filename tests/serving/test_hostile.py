"""Malformed files are rejected quickly, with a cause, and do not affect later requests."""

import importlib.util
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest
from starlette.testclient import TestClient

Start = Callable[..., TestClient]
SECONDS = 1.0  # of CPU time, which does not depend on the load of the machine


def _hostile() -> ModuleType:
    # pytest imports test files by path, so the helper is imported by path too.
    name = "lesionlab_tests_hostile"
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name("hostile.py"))
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


hostile = _hostile()


@pytest.fixture(scope="module")
def corpus() -> list[tuple[str, bytes]]:
    return list(hostile.corpus())


def test_the_corpus_is_large_and_varied(corpus: list[tuple[str, bytes]]) -> None:
    assert len(corpus) >= 200
    assert len({data for _, data in corpus}) >= 200
    assert len({name for name, _ in corpus}) == len(corpus)


@pytest.mark.slow
@pytest.mark.parametrize("step", [7, pytest.param(1, marks=pytest.mark.slow)])
def test_malformed_file_is_rejected_and_the_next_image_predicted(
    server_of: Start, corpus: list[tuple[str, bytes]], jpeg: bytes, step: int
) -> None:
    client = server_of()
    good = client.post("/v1/predict", files={"file": jpeg}).json()["result"]
    for (what, data), name in zip(corpus[::step], _cycle(hostile.NAMES), strict=False):
        began = time.process_time()
        response = client.post("/v1/predict", files={"file": (name, data)})
        seconds = time.process_time() - began
        assert response.status_code in (413, 415, 422), (what, name, response.text)
        assert seconds < SECONDS, what
        assert response.headers["Content-Type"] == "application/problem+json"
        assert response.json()["detail"], what
        assert len(response.text) < 1_000
        assert "X-Injected" not in response.headers
        assert client.post("/v1/predict", files={"file": jpeg}).json()["result"] == good, what


@pytest.mark.slow
def test_malformed_files_are_rejected_as_body_and_in_a_batch(
    server_of: Start, corpus: list[tuple[str, bytes]], jpeg: bytes
) -> None:
    client = server_of()
    for what, data in corpus[::5]:
        for path in ("/v1/predict", "/v1/explain"):
            assert client.post(path, content=data).status_code in (413, 415, 422), what
    small = [data for _, data in corpus if len(data) < 100_000]
    for first in range(0, len(small), 63):
        files = [("files", ("x", data)) for data in [*small[first : first + 63], jpeg]]
        *rejected, predicted = client.post("/v1/predict/batch", files=files).json()["results"]
        assert all(400 <= item["problem"]["status"] < 500 for item in rejected)
        assert predicted["result"] is not None


@pytest.mark.slow
@pytest.mark.parametrize("name", hostile.NAMES)
def test_file_names_are_ignored_and_not_returned(server_of: Start, jpeg: bytes, name: str) -> None:
    response = server_of().post("/v1/predict", files={"file": (name, jpeg)})
    assert response.status_code == 200
    assert name.strip() == "" or name not in response.text


def _cycle(names: tuple[str, ...]) -> Iterator[str]:
    while True:
        yield from names
