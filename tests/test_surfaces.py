"""The same headline on every surface."""

import csv
import io
import json
from pathlib import Path

import httpx2
import pytest
from PIL import Image
from starlette.testclient import TestClient
from typer.testing import CliRunner

from lesionlab.cli.main import application
from lesionlab.client import Client
from lesionlab.gradio_app import predict as predict_for_gradio
from lesionlab.prediction import Predictor
from lesionlab.serving import create_app


def _from_command_line(image: Path, bundle: Path) -> dict[str, str]:
    headlines = {}
    for result_format in ("jsonl", "csv"):
        arguments = ["predict", str(image), "--model", str(bundle), "--format", result_format]
        output = CliRunner().invoke(application(), arguments, catch_exceptions=False).stdout
        row = json.loads(output) if result_format == "jsonl" else next(csv.DictReader(io.StringIO(output)))
        headlines[result_format] = row["headline"]
    return headlines


def _from_server(image: Path, predictor: Predictor) -> dict[str, str]:
    with TestClient(create_app(predictor)) as server:

        def forward(request: httpx2.Request) -> httpx2.Response:
            response = server.request(request.method, request.url.path, content=request.content)
            return httpx2.Response(response.status_code, content=response.content)

        data = image.read_bytes()
        items = server.post("/v1/predict/batch", files=[("files", data)]).json()["results"]
        with Client("http://testserver", transport=httpx2.MockTransport(forward)) as client:
            return {
                "predict": server.post("/v1/predict", content=data).json()["result"]["headline"],
                "explain": server.post("/v1/explain", content=data).json()["result"]["headline"],
                "batch": items[0]["result"]["headline"],
                "client": client.predict(image).result.headline,
                "client, explained": client.explain(image).result.headline,
            }


@pytest.mark.parametrize(("status", "classes"), [("ok", 7), ("abstained", 7), ("ok", 11)])
def test_every_surface_has_the_same_headline(
    tiny_whole_bundle: Path,
    tiny_bundle_of_eleven: Path,
    photograph: Image.Image,
    tmp_path: Path,
    status: str,
    classes: int,
) -> None:
    path, bundle = tmp_path / "lesion.png", tiny_whole_bundle if classes == 7 else tiny_bundle_of_eleven
    (photograph if status == "ok" else Image.new("RGB", (300, 300), "black")).save(path)
    predictor = Predictor.load(bundle, threads=1)
    prediction = predictor.predict(path)
    assert (prediction.status, len(prediction.probabilities)) == (status, classes)
    headlines = _from_command_line(path, bundle) | _from_server(path, predictor)
    headlines["gradio"] = predict_for_gradio(predictor, path)[0].splitlines()[0].removeprefix("### ")
    headlines["explain, Python"] = predictor.explain(path).prediction.headline
    assert headlines == dict.fromkeys(headlines, prediction.headline)
