"""Bundles at URLs: fetched once, checked, and used again where the URL cannot be read."""

import http.server
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import fsspec
import pytest

from lesionlab.bundle import Bundle, ClinicalFusion, FittedValues, LesionFusion, fetch_bundle, save_bundle
from lesionlab.errors import BundleError, LesionlabError

Web = Callable[[Path], str]


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LESIONLAB_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "bundles"


@pytest.fixture
def whole(tiny_whole_bundle: Path) -> Bundle:
    return Bundle.load(tiny_whole_bundle)


def save(bundle: Bundle, path: Path, created: str = "2026-01-01") -> Path:
    info = bundle.info.model_copy(update={"created": created})
    save_bundle(path, info, bundle.graph, reference=bundle.reference, evaluation=bundle.evaluation)
    return path


def put(path: Path, url: str) -> None:
    """Write a file or folder to a URL."""
    system, place = fsspec.core.url_to_fs(url)
    system.put(str(path), place, recursive=True)


@pytest.fixture
def web() -> Iterator[Web]:
    """Return a function that serves a folder without support for ranges, as simple web servers do."""

    class Silent(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    servers = []

    def start(folder: Path) -> str:
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Silent, directory=str(folder)))
        servers.append(server)
        threading.Thread(target=server.serve_forever).start()
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("name", ["model", "model.zip"])
@pytest.mark.parametrize("protocol", ["memory", "file", "http"])
def test_a_bundle_is_the_one_at_the_url(whole: Bundle, tmp_path: Path, web: Web, name: str, protocol: str) -> None:
    path = save(whole, tmp_path / "web" / name)
    address = {"memory": "memory://bucket", "file": f"file://{path.parent}", "http": ""}[protocol] or web(path.parent)
    if protocol == "memory":
        put(path, f"{address}/{name}")
    fetched = fetch_bundle(f"{address}/{name}")
    loaded, expected = Bundle.load(fetched), Bundle.load(path)
    assert (loaded.info, loaded.graph, loaded.evaluation) == (expected.info, expected.graph, expected.evaluation)
    assert {file.name for file in fetched.iterdir()} == {
        "bundle.json",
        "model.onnx",
        "reference.npz",
        "evaluation.json",
    }


@pytest.mark.parametrize("name", ["model", "model.zip"])
def test_the_network_for_clinical_images_comes_with_it(whole: Bundle, tmp_path: Path, name: str) -> None:
    info, recipe = whole.info, {"name": "tiny", "data": {"image_type": "clinical"}}
    clinical = replace(whole, info=info.model_copy(update={"recipe": recipe}), evaluation=None)
    both = ClinicalFusion(
        graph_sha256=info.graph_sha256,
        weights={"dermoscopic": 0.8, "clinical": 0.5},
        fitted=FittedValues(calibration=info.calibration),
        lesions=50,
    )
    fusion = LesionFusion(correlation=0.5, lesions=40, clinical=both)
    path = tmp_path / name
    save_bundle(path, info.model_copy(update={"fusion": fusion}), whole.graph, clinical=clinical)
    fetched = Bundle.load(fetch_bundle(f"file://{path}"))
    assert fetched.clinical is not None
    assert fetched.clinical.info.image_type == "clinical"


def test_only_the_description_is_read_again(whole: Bundle, tmp_path: Path) -> None:
    path = save(whole, tmp_path / "model")
    first = fetch_bundle(f"file://{path}")
    (path / "model.onnx").unlink()
    assert fetch_bundle(f"file://{path}") == first
    save(whole, path, "2026-02-02")
    second = fetch_bundle(f"file://{path}/")
    assert Bundle.load(second).info.created == "2026-02-02"
    assert first != second


def test_the_copy_is_used_where_the_url_cannot_be_read(
    whole: Bundle, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    url = f"file://{save(whole, tmp_path / 'model.zip')}"
    fetched = fetch_bundle(url)
    (tmp_path / "model.zip").unlink()
    assert fetch_bundle(url) == fetched
    assert f"{url} cannot be read; its copy in the cache is used" in caplog.text
    (fetched / "model.onnx").write_bytes(b"damaged")
    with pytest.raises(LesionlabError, match=r"model\.zip cannot be read, and no copy is in the cache"):
        fetch_bundle(url)
    save(whole, tmp_path / "model.zip")
    assert Bundle.load(fetch_bundle(url)).graph == whole.graph


def test_a_damaged_bundle_is_not_kept(whole: Bundle, tmp_path: Path, own_cache: Path) -> None:
    path = save(whole, tmp_path / "model")
    (path / "model.onnx").write_bytes(b"damaged")
    with pytest.raises(BundleError, match=f"file://{path}: model.onnx is damaged or was replaced"):
        fetch_bundle(f"file://{path}")
    (tmp_path / "other.zip").write_bytes(b"no zip file")
    with pytest.raises(BundleError, match=r"other\.zip is not a bundle or is damaged"):
        fetch_bundle(f"file://{tmp_path}/other.zip")
    assert not own_cache.exists()


@pytest.mark.parametrize("url", ["memory://nowhere", "http://127.0.0.1:1/model.zip", "http://127.0.0.1:1/model"])
def test_a_url_that_cannot_be_read_is_one_line(url: str) -> None:
    with pytest.raises(LesionlabError, match=f"{url} cannot be read, and no copy is in the cache") as raised:
        fetch_bundle(url)
    assert "\n" not in str(raised.value)
