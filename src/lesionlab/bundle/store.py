"""Reading and writing bundles: a folder with `model.onnx` and `bundle.json`, or the two in one zip file."""

import hashlib
import json
import os
import shutil
import tempfile
import zipfile
import zlib
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from pydantic import ValidationError

from lesionlab.bundle.schema import BundleInfo
from lesionlab.errors import BundleError
from lesionlab.files import cannot_write, replacing, sha256_of_json, write_text

GRAPH = "model.onnx"
DESCRIPTION = "bundle.json"
_CHECKSUM = "content_sha256"  # of the rest of the description, whatever its white space


def default_bundle_path() -> Path:
    """Return the folder of the model that ships with the package; `LESIONLAB_MODEL` names another."""
    override = os.environ.get("LESIONLAB_MODEL")
    return Path(override) if override else Path(str(files("lesionlab") / "models" / "default"))


@dataclass(frozen=True)
class Bundle:
    """A checked bundle.

    Attributes:
        info: The description.
        graph: The bytes of the ONNX graph; their hash is the one in `info`.
        path: Where the bundle was read from.
    """

    info: BundleInfo
    graph: bytes
    path: Path

    @classmethod
    def load(cls, path: Path | str | None = None) -> "Bundle":
        """Read a bundle and check it.

        Args:
            path: A folder, a zip file, or a run folder that holds `bundle/`. None: the one in the package.

        Raises:
            BundleError: Something is missing, damaged, or of another schema version.
        """
        place = default_bundle_path() if path is None else Path(path)
        if not os.path.exists(place / DESCRIPTION) and os.path.exists(place / "bundle" / DESCRIPTION):
            place = place / "bundle"
        description, graph = _read_parts(place)
        info = _parse_description(place, description)
        found = hashlib.sha256(graph).hexdigest()
        if found != info.graph_sha256:
            raise BundleError(
                f"{place}: {GRAPH} is damaged or was replaced (SHA-256 {found[:12]}..., "
                f"{DESCRIPTION} expects {info.graph_sha256[:12]}...); copy or export the bundle again"
            )
        return cls(info, graph, place)


def save_bundle(path: Path, info: BundleInfo, graph: bytes) -> None:
    """Write a bundle: one zip file if `path` ends in `.zip`, else a folder. All of it or nothing.

    Raises:
        LesionlabError: The place cannot be written.
    """
    description = _describe(info)
    if path.suffix == ".zip":
        with replacing(path, binary=True) as stream, zipfile.ZipFile(stream, "w") as archive:
            # Fixed dates: the same bundle is the same bytes.
            archive.writestr(zipfile.ZipInfo(DESCRIPTION), description)
            archive.writestr(zipfile.ZipInfo(GRAPH), graph)
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part"))
    except OSError as error:
        raise cannot_write(path, error) from error
    try:
        temporary.chmod(0o755)
        with replacing(temporary / GRAPH, binary=True) as stream:
            stream.write(graph)
        write_text(temporary / DESCRIPTION, description)
        if path.exists():
            _refuse_to_replace_other_than_a_bundle(path)
            # A folder cannot be replaced in one step; the old one stands aside until the new one is in place.
            old = path.rename(temporary.with_suffix(".old"))
            temporary.rename(path)
            shutil.rmtree(old)
        else:
            temporary.rename(path)
    except OSError as error:
        raise cannot_write(path, error) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def update_info(path: Path, info: BundleInfo) -> None:
    """Replace the description of the bundle folder at `path`, keeping its graph."""
    write_text(path / DESCRIPTION, _describe(info))


def _describe(info: BundleInfo) -> str:
    content = json.loads(info.model_dump_json())
    return json.dumps({_CHECKSUM: sha256_of_json(content), **content}, indent=2, ensure_ascii=False) + "\n"


def _parse_description(place: Path, description: bytes) -> BundleInfo:
    try:
        content = json.loads(description)
        written = content.pop(_CHECKSUM, None)
        found = sha256_of_json(content)
    except (ValueError, AttributeError, TypeError, RecursionError) as error:
        raise BundleError(f"{place}: {DESCRIPTION} is damaged: it is not a JSON object ({error})") from error
    try:
        info = BundleInfo.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"]) or "the file"
        raise BundleError(f"{place}: {DESCRIPTION} is not valid at {key}: {first['msg']}") from error
    # One wrong digit in the temperature or a threshold would change every answer and look like any other file.
    if found != written:
        raise BundleError(
            f"{place}: {DESCRIPTION} is damaged or was edited by hand (its checksum does not fit); "
            "copy or export the bundle again"
        )
    return info


def _refuse_to_replace_other_than_a_bundle(path: Path) -> None:
    if not path.is_dir() or {entry.name for entry in path.iterdir()} - {GRAPH, DESCRIPTION}:
        raise BundleError(f"{path} exists and is not a bundle; choose another place")


def _read_parts(place: Path) -> tuple[bytes, bytes]:
    try:
        if place.is_dir():
            return (place / DESCRIPTION).read_bytes(), (place / GRAPH).read_bytes()
        with zipfile.ZipFile(place) as archive:
            return archive.read(DESCRIPTION), archive.read(GRAPH)
    except FileNotFoundError as error:
        missing = Path(error.filename).name if error.filename else place.name
        what = f"has no {missing}" if place.is_dir() else "does not exist"
        raise BundleError(f"{place} {what}; a bundle is made by `lesionlab train` or `lesionlab export`") from error
    except KeyError as error:
        raise BundleError(f"{place} is a zip file but not a bundle: it lacks {GRAPH} or {DESCRIPTION}") from error
    except (OSError, ValueError, zipfile.BadZipFile, zlib.error, EOFError, RuntimeError) as error:
        raise BundleError(f"{place} is not a bundle: {error}") from error
