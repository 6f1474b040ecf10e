"""The static build: the page, a model, and a service worker that stores both in the browser for use offline."""

import gzip
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lesionlab.errors import LesionlabError
from lesionlab.files import replacing_folder
from lesionlab.prediction import Predictor
from lesionlab.web.bundle import PAGE, page_files
from lesionlab.web.describe import model_description, packed_reference
from lesionlab.web.weights import pack_graph

_RUNTIME: Final = ("assets/vendor/onnxruntime-web.wasm.gz", "assets/vendor/jpeg-turbo.wasm")
_WORKER: Final = "service_worker.js"
_MODEL: Final = "model/model.json"
_INDEX: Final = "local/index.html"
_ENTRIES: Final = ("local/main.js", "local/worker.js")
# Files of `page/local` that belong in the root folder: a service worker only controls files at or below its own path.
_IN_ROOT: Final = (_WORKER, "app.webmanifest")
# Source files that are in the joined ones; the report embeds its own styles.
_JOINED: Final = (".js", ".css", ".html", ".d.ts")
_KEPT: Final = ("vendor/", "report.css")


@dataclass(frozen=True)
class WebBuild:
    """A static build.

    Attributes:
        path: Its folder.
        identity: Name and hash of the model.
        size: Size of all files in bytes.
        download_size: Size in bytes of the files that the browser downloads, before compression by the server.
    """

    path: Path
    identity: str
    size: int
    download_size: int


def build_web(path: Path, predictor: Predictor) -> WebBuild:
    """Write the page with a model as static files, which any web server can serve under any address.

    Args:
        path: The folder. An earlier build is replaced as a whole; a folder with other files is left unchanged.
        predictor: The model, loaded without a prevalence or a risk rule of its own.

    Raises:
        LesionlabError: The folder holds other files or cannot be written, or the bundle is not in ONNX format.
    """
    if (runtime := predictor.info.graph.runtime) != "onnx":
        raise LesionlabError(f"{predictor.bundle.path} is for {runtime}; the browser needs the exported bundle (onnx)")
    if path.exists() and not (path.is_dir() and ((path / _MODEL).is_file() or not any(path.iterdir()))):
        raise LesionlabError(f"{path} exists and is not a build of the page; choose another folder")
    page = _page_files()
    contents = {**page, **_model_files(predictor, sum(len(page[name]) for name in _RUNTIME))}
    stored = sorted(name for name in contents if "/LICENSE-" not in name and name != _WORKER)
    contents[_WORKER] = _service_worker(contents.pop(_WORKER), {name: contents[name] for name in stored})
    with replacing_folder(path.resolve()) as folder:
        for name, data in contents.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(data)
    return WebBuild(
        path=path,
        identity=predictor.info.identity,
        size=sum(map(len, contents.values())),
        download_size=sum(len(contents[name]) for name in stored),
    )


def _page_files() -> dict[str, bytes]:
    joined = page_files(_ENTRIES, _INDEX)
    found = {"index.html": joined.pop("index.html")} | {f"assets/{name}": data for name, data in joined.items()}
    for file in sorted(path for path in PAGE.rglob("*") if path.is_file()):
        name = file.relative_to(PAGE).as_posix()
        if (local := name.removeprefix("local/")) in _IN_ROOT:
            found[local] = file.read_bytes()
        elif name.endswith(".d.ts"):  # types are for development
            continue
        elif not name.endswith(_JOINED) or name.startswith(_KEPT):
            found[f"assets/{name}"] = file.read_bytes()
    if missing := next((name for name in _RUNTIME if name not in found), None):
        raise LesionlabError(f"{PAGE} lacks {missing.removeprefix('assets/')}; reinstall lesionlab")
    return found


def _model_files(predictor: Predictor, runtime_size: int) -> dict[str, bytes]:
    bundle = predictor.bundle
    reference, layout = packed_reference(bundle.reference)
    graph, packed_statistics = pack_graph(bundle.graph), gzip.compress(reference, mtime=0)
    description = model_description(predictor) | {
        "bytes": runtime_size + len(graph.data) + len(packed_statistics),
        "graph": {
            "bytes": graph.size,
            "tensors": graph.tensors,
            "sha256": hashlib.sha256(graph.content).hexdigest(),
        },
        "reference_sha256": hashlib.sha256(reference).hexdigest(),
        "reference": layout,
    }
    found = {
        _MODEL: json.dumps(description, ensure_ascii=False).encode(),
        "model/model.bin.gz": graph.data,
        "model/reference.bin.gz": packed_statistics,
    }
    if bundle.evaluation is not None:
        found["model/evaluation.json"] = bundle.evaluation.model_dump_json().encode()
    return found


def _service_worker(code: bytes, stored: dict[str, bytes]) -> bytes:
    """Return the code after the list of files and a version that changes with any of them."""
    hashes = {name: hashlib.sha256(data).hexdigest() for name, data in stored.items()}
    version = hashlib.sha256(json.dumps(hashes).encode() + code).hexdigest()[:16]
    # Browsers request the folder, and some servers redirect a request for its index.
    addresses = ["./" if name == "index.html" else name for name in stored]
    return f"globalThis.build = {json.dumps({'version': version, 'files': addresses})};\n".encode() + code
