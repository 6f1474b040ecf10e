"""Servers of a small model, in this process or in a process of their own."""

import io
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from fastapi import FastAPI
from PIL import Image
from starlette.testclient import TestClient

from lesionlab.prediction import Predictor
from lesionlab.serving import Settings, create_app
from lesionlab.serving.server import bind, server_for


def encoded(image: Image.Image, image_format: str) -> bytes:
    out = io.BytesIO()
    image.save(out, image_format)
    return out.getvalue()


@pytest.fixture(scope="session")
def predictor(tiny_whole_bundle: Path) -> Predictor:
    return Predictor.load(tiny_whole_bundle, threads=1)


@pytest.fixture(scope="session")
def jpeg(photograph: Image.Image) -> bytes:
    return encoded(photograph, "JPEG")


@pytest.fixture
def server_of(predictor: Predictor) -> Iterator[Callable[..., TestClient]]:
    """Return a function that starts a server in this process with the given settings."""
    with ExitStack() as stack:

        def start(model: Predictor = predictor, **settings: object) -> TestClient:
            app = create_app(model, Settings.model_validate(settings))
            return stack.enter_context(TestClient(app))

        yield start


@pytest.fixture
def listening(predictor: Predictor) -> Iterator[Callable[..., int]]:
    """Return a function that serves over HTTP in a thread and returns the port."""
    with ExitStack() as stack:

        def start(**settings: object) -> int:
            app = create_app(predictor, Settings.model_validate(settings))
            return stack.enter_context(_served(app))

        yield start


@contextmanager
def _served(app: FastAPI) -> Iterator[int]:
    bound = bind("127.0.0.1", 0)
    server = server_for(app)
    thread = threading.Thread(target=server.run, args=([bound],))
    thread.start()
    deadline = time.monotonic() + 10
    while not server.started and time.monotonic() < deadline:
        time.sleep(0.005)
    try:
        yield bound.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(10)
        bound.close()


@dataclass(frozen=True)
class Process:
    """A process of `lesionlab serve`."""

    process: "subprocess.Popen[str]"
    url: str

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def end(self) -> tuple[int, str]:
        """Stop the process; return its exit code and its standard error."""
        self.process.send_signal(signal.SIGTERM)
        _, err = self.process.communicate(timeout=40)
        return self.process.returncode, err


@pytest.fixture
def process_of(tiny_whole_bundle: Path) -> Iterator[Callable[..., Process]]:
    """Return a function that starts `lesionlab serve` with options and waits for its address."""
    if sys.platform == "win32":
        pytest.skip("a process cannot be sent SIGTERM here")
    started: list[subprocess.Popen[str]] = []

    def start(*options: object, model: Path | None = tiny_whole_bundle) -> Process:
        command = [sys.executable, "-m", "lesionlab", "serve", "--port", "0", "--threads", "1"]
        process = subprocess.Popen(
            [*command, *(["--model", str(model)] if model else []), *map(str, options)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONWARNINGS": "error"},
        )
        started.append(process)
        assert process.stderr is not None
        line = process.stderr.readline()
        found = re.search(r"http://\S+:\d+", line)
        assert found is not None, line + process.stderr.read()
        return Process(process, found[0])

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()
