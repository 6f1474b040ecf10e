"""Writing the site: the page's files, the model's, and a service worker that keeps them all for later."""

import hashlib
import json
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Final

from lesionlab.errors import LesionlabError
from lesionlab.prediction import Predictor
from lesionlab.web.describe import described, laid_out
from lesionlab.web.folder import replaced_web

PAGE: Final = Path(str(files("lesionlab") / "web" / "page"))
# What the model runs on: compiled, and loaded with it.
_RUNTIME: Final = ("assets/vendor/onnxruntime-web.wasm.gz", "assets/vendor/jpeg-turbo.wasm")
_WORKER: Final = "service_worker.js"
_MARK: Final = "model/site.json"
# Files of `page/local` that stand at the root: the first is asked for, the second works for what is below it.
_AT_THE_ROOT: Final = ("index.html", _WORKER, "site.webmanifest")


@dataclass(frozen=True)
class WebBuild:
    """A site that was written.

    Attributes:
        path: Its folder.
        identity: Name and hash of the model.
        size: Bytes of all its files.
        to_load: Bytes of the files that the browser loads, before anything is packed on the way.
    """

    path: Path
    identity: str
    size: int
    to_load: int


def build_web(path: Path, predictor: Predictor) -> WebBuild:
    """Write the site: all of it or nothing.

    Any server of static files may serve it, from any address.

    Args:
        path: The folder to make. A site that stands there is replaced, anything else is left alone.
        predictor: The model. It has been opened, so the site of a damaged bundle is never written.

    Raises:
        LesionlabError: The place cannot be written, or holds something else; the model is for another runtime.
    """
    if (runtime := predictor.info.graph.runtime) != "onnx":
        raise LesionlabError(
            f"{predictor.bundle.path} is for {runtime}; browsers run a bundle as it was exported (onnx)"
        )
    page = _page_files()
    contents = {**page, **_model_files(predictor, sum(len(page[name]) for name in _RUNTIME))}
    kept = _kept(contents)
    contents[_WORKER] = _service_worker(contents.pop(_WORKER), {name: contents[name] for name in kept})
    with replaced_web(path, lambda there: (there / _MARK).is_file()) as folder:
        for name, data in contents.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(data)
    return WebBuild(
        path=path,
        identity=predictor.info.identity,
        size=sum(map(len, contents.values())),
        to_load=sum(len(contents[name]) for name in kept),
    )


def _page_files() -> dict[str, bytes]:
    found = {}
    for file in sorted(path for path in PAGE.rglob("*") if path.is_file()):
        place = file.relative_to(PAGE).as_posix()
        # Types are for development, `server/` and the page's own index for `lesionlab serve`.
        if place.endswith(".d.ts") or place.startswith("server/") or place == "index.html":
            continue
        at_the_root = place.removeprefix("local/") in _AT_THE_ROOT
        found[place.removeprefix("local/") if at_the_root else f"assets/{place}"] = file.read_bytes()
    if missing := next((name for name in _RUNTIME if name not in found), None):
        raise LesionlabError(f"{PAGE} lacks {missing.removeprefix('assets/')}; install lesionlab again")
    return found


def _model_files(predictor: Predictor, runtime: int) -> dict[str, bytes]:
    bundle = predictor.bundle
    reference, places = laid_out(bundle.reference)
    site = described(predictor) | {
        "bytes": runtime + len(bundle.graph) + len(reference),
        "reference_sha256": hashlib.sha256(reference).hexdigest(),
        "reference": places,
    }
    found = {
        _MARK: json.dumps(site, ensure_ascii=False).encode(),
        "model/bundle.json": bundle.info.model_dump_json().encode(),
        "model/model.onnx": bundle.graph,
        "model/reference.bin": reference,
    }
    if bundle.evaluation is not None:
        found["model/evaluation.json"] = bundle.evaluation.model_dump_json().encode()
    return found


def _kept(contents: dict[str, bytes]) -> list[str]:
    """Return the files that the browser keeps: all but the licences, and the service worker, which it keeps anyway."""
    return sorted(name for name in contents if "/LICENSE-" not in name and name != _WORKER)


def _service_worker(code: bytes, kept: dict[str, bytes]) -> bytes:
    """Return its code with the list of files before it, under a version that changes with any of them."""
    hashes = {name: hashlib.sha256(data).hexdigest() for name, data in kept.items()}
    version = hashlib.sha256(json.dumps(hashes).encode() + code).hexdigest()[:16]
    # The page is asked for by its folder, and some servers answer a question for its index with another address.
    addresses = ["./" if name == "index.html" else name for name in kept]
    return f"globalThis.site = {json.dumps({'version': version, 'files': addresses})};\n".encode() + code
