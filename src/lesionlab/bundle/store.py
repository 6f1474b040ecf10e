"""Reading and writing bundles: a folder or one zip file with `bundle.json`, `model.onnx` and optional files."""

import hashlib
import json
import os
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path
from typing import Final, TypeVar

from pydantic import ValidationError

from lesionlab.bundle.evaluation import EvaluationSummary
from lesionlab.bundle.reference import Reference
from lesionlab.bundle.schema import SCHEMA_VERSION, BundleInfo
from lesionlab.bundle.seen_images import SeenImages
from lesionlab.bundle.training_images import TrainingImages
from lesionlab.errors import BundleError
from lesionlab.files import replacing, replacing_folder, sha256_of_json

GRAPH: Final = "model.onnx"
DESCRIPTION: Final = "bundle.json"
REFERENCE: Final = "reference.npz"
EVALUATION: Final = "evaluation.json"
TRAINING_IMAGES: Final = "training_images.npz"
SEEN_IMAGES: Final = "seen_images.npz"
CLINICAL: Final = "clinical"
_FILES = (DESCRIPTION, GRAPH, REFERENCE, EVALUATION, TRAINING_IMAGES, SEEN_IMAGES, CLINICAL)
Content = TypeVar("Content")
_CHECKSUM = "content_sha256"  # of the other keys of the description, independent of white space


def is_bundle(path: Path) -> bool:
    """Return whether a path is a bundle, or a run folder with one; its content is not checked."""
    return path.is_file() or (path / DESCRIPTION).is_file() or (path / "bundle").is_dir()


def default_bundle_path() -> Path:
    """Return the folder of the model that ships with the package; `LESIONLAB_MODEL` names another."""
    override = os.environ.get("LESIONLAB_MODEL")
    return Path(override) if override else Path(str(files("lesionlab") / "models" / "default"))


@dataclass(frozen=True)
class Bundle:
    """A checked bundle; an optional file that it lacks is None.

    Attributes:
        graph: The bytes of the ONNX graph; their hash is the one in `info`.
        clinical: The bundle of the network for clinical images, of a model that combines both; stored in the folder
            `clinical` of this one.
    """

    info: BundleInfo
    graph: bytes
    path: Path
    reference: Reference | None = None
    evaluation: EvaluationSummary | None = None
    training_images: TrainingImages | None = None
    seen_images: SeenImages | None = None
    clinical: "Bundle | None" = None

    @property
    def explainable(self) -> bool:
        """Whether there are class activation maps: the head is linear and its weights are known."""
        return self.reference is not None and self.reference.head is not None

    @property
    def abstains(self) -> bool:
        """Whether the bundle holds limits or a detector for an abstention."""
        reference = self.reference or Reference()
        return any(part is not None for part in (self.info.dermoscopy, reference.image, reference.features))

    @classmethod
    def load(cls, path: Path | str | None = None) -> "Bundle":
        """Read a bundle and check it.

        Args:
            path: A folder, a zip file, or a run folder that holds `bundle/`. None: the one in the package.

        Raises:
            BundleError: A file is missing or damaged, or the bundle has another schema version.
        """
        place = default_bundle_path() if path is None else Path(path)
        if not os.path.exists(place / DESCRIPTION) and os.path.exists(place / "bundle" / DESCRIPTION):
            place = place / "bundle"
        with _opened(place) as read:
            return cls.read(str(place), read)

    @classmethod
    def read(cls, place: str, read: Callable[[str], bytes]) -> "Bundle":
        """Read a bundle from any place, and check it.

        Args:
            place: The place, for messages.
            read: Returns the content of a file by its name.

        Raises:
            BundleError: A file is damaged, or the bundle has another schema version.
        """
        info = _parse_description(place, read(DESCRIPTION))
        if info.graph.runtime != "onnx":
            raise BundleError(
                f"{place} holds a model for {info.graph.runtime}, not for onnxruntime; its README.md explains how "
                "to run it"
            )
        graph = _checked(place, GRAPH, read(GRAPH), info.graph_sha256)

        def optional(name: str, sha256: str | None, parse: Callable[[bytes], Content]) -> Content | None:
            return None if sha256 is None else _parsed(place, name, parse, _checked(place, name, read(name), sha256))

        evaluation = optional(EVALUATION, info.evaluation_sha256, EvaluationSummary.model_validate_json)
        if evaluation is not None and evaluation.graph_sha256 != info.graph_sha256:
            raise BundleError(f"{place}: {EVALUATION} belongs to another graph; evaluate the model again")
        clinical = None
        if info.fusion is not None and info.fusion.clinical is not None:
            clinical = cls.read(f"{place}/{CLINICAL}", lambda name: read(f"{CLINICAL}/{name}"))
            if clinical.info.graph_sha256 != info.fusion.clinical.graph_sha256:
                raise BundleError(f"{place}: {CLINICAL} holds another network; make the model again")
        return cls(
            info,
            graph,
            Path(place),
            optional(REFERENCE, info.reference_sha256, Reference.from_bytes),
            evaluation,
            optional(TRAINING_IMAGES, info.training_images_sha256, TrainingImages.from_bytes),
            optional(SEEN_IMAGES, info.seen_images_sha256, SeenImages.from_bytes),
            clinical,
        )


def save_bundle(
    path: Path,
    info: BundleInfo,
    graph: bytes,
    *,
    reference: Reference | None = None,
    evaluation: EvaluationSummary | None = None,
    training_images: TrainingImages | None = None,
    seen_images: SeenImages | None = None,
    clinical: Bundle | None = None,
) -> Bundle:
    """Write a bundle atomically, and return it: one zip file if `path` ends in `.zip`, else a folder.

    An existing bundle is replaced. The hashes of the optional files are added to the description.

    Raises:
        LesionlabError: The destination cannot be written.
    """
    bundle = _hashed(Bundle(info, graph, path, reference, evaluation, training_images, seen_images, clinical))
    contents = _contents(bundle)
    if path.suffix == ".zip":
        with replacing(path, binary=True) as stream, zipfile.ZipFile(stream, "w") as archive:
            for name, data in contents.items():
                archive.writestr(zipfile.ZipInfo(name), data)  # fixed dates: the same bundle is the same bytes
        return bundle
    with replacing_folder(path) as temporary:
        for name, data in contents.items():
            (temporary / name).parent.mkdir(exist_ok=True)
            with (temporary / name).open("wb") as stream:
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
        if path.exists() and (not path.is_dir() or {entry.name for entry in path.iterdir()} - set(_FILES)):
            raise BundleError(f"{path} exists and is not a bundle; choose another path")
    return bundle


def _optional_files(bundle: Bundle) -> dict[str, bytes]:
    """Return the optional files of a bundle by name."""
    contents = {}
    if bundle.reference is not None:
        contents[REFERENCE] = bundle.reference.to_bytes()
    if bundle.evaluation is not None:
        contents[EVALUATION] = (bundle.evaluation.model_dump_json() + "\n").encode()
    if bundle.training_images is not None:
        contents[TRAINING_IMAGES] = bundle.training_images.to_bytes()
    if bundle.seen_images is not None:
        contents[SEEN_IMAGES] = bundle.seen_images.to_bytes()
    return contents


def _hashed(bundle: Bundle) -> Bundle:
    """Return a bundle whose description has the hashes of the optional files."""
    hashes = {name: hashlib.sha256(data).hexdigest() for name, data in _optional_files(bundle).items()}
    optional = (REFERENCE, EVALUATION, TRAINING_IMAGES, SEEN_IMAGES)
    update = {f"{Path(name).stem}_sha256": hashes.get(name) for name in optional}
    clinical = None if bundle.clinical is None else _hashed(bundle.clinical)
    return replace(bundle, info=bundle.info.model_copy(update=update), clinical=clinical)


def _contents(bundle: Bundle) -> dict[str, bytes]:
    """Return all files of a bundle by name."""
    own = {DESCRIPTION: description_text(bundle.info).encode(), GRAPH: bundle.graph, **_optional_files(bundle)}
    clinical = {} if bundle.clinical is None else _contents(bundle.clinical)
    return own | {f"{CLINICAL}/{name}": data for name, data in clinical.items()}


def description_text(info: BundleInfo) -> str:
    """Return the content of `bundle.json` for a description."""
    content = json.loads(info.model_dump_json())
    return json.dumps({_CHECKSUM: sha256_of_json(content), **content}, indent=2, ensure_ascii=False) + "\n"


def _parse_description(place: str, description: bytes) -> BundleInfo:
    try:
        content = json.loads(description)
        written = content.pop(_CHECKSUM, None)
        found = sha256_of_json(content)
        version = content.get("schema_version")
    except (ValueError, AttributeError, TypeError, RecursionError) as error:
        raise BundleError(f"{place}: {DESCRIPTION} is damaged: it is not a JSON object ({error})") from error
    if version != SCHEMA_VERSION:
        raise BundleError(
            f"{place} has bundle schema version {version}, and this lesionlab reads version {SCHEMA_VERSION}; "
            "export it again from its run with `lesionlab export RUN`"
        )
    try:
        info = BundleInfo.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        raise BundleError(f"{place}: {DESCRIPTION} is not valid at {_key(first['loc'])}: {first['msg']}") from error
    # A single wrong digit in the temperature or a threshold would change every prediction without being noticed.
    if found != written:
        raise BundleError(
            f"{place}: {DESCRIPTION} is damaged or was edited by hand (its checksum does not fit); "
            "copy or export the bundle again"
        )
    return info


def _checked(place: str, name: str, data: bytes, expected: str) -> bytes:
    found = hashlib.sha256(data).hexdigest()
    if found != expected:
        raise BundleError(
            f"{place}: {name} is damaged or was replaced (SHA-256 {found[:12]}..., "
            f"{DESCRIPTION} expects {expected[:12]}...); copy or export the bundle again"
        )
    return data


def _parsed(place: str, name: str, parse: Callable[[bytes], Content], data: bytes) -> Content:
    try:
        return parse(data)
    except ValidationError as error:
        first = error.errors()[0]
        raise BundleError(f"{place}: {name} is not valid at {_key(first['loc'])}: {first['msg']}") from error
    except ValueError as error:
        raise BundleError(f"{place}: {name} is not valid: {error}; export the bundle again") from error


def _key(location: tuple[int | str, ...]) -> str:
    return ".".join(map(str, location)) or "the file"


@contextmanager
def _opened(place: Path) -> Iterator[Callable[[str], bytes]]:
    """Open a bundle; yield a function that reads one of its files."""
    try:
        if place.is_dir():
            yield lambda name: (place / name).read_bytes()
        else:
            with zipfile.ZipFile(place) as archive:
                yield archive.read
    except FileNotFoundError as error:
        missing = Path(error.filename).name if error.filename else place.name
        what = f"has no {missing}" if place.is_dir() else "does not exist"
        raise BundleError(f"{place} {what}; `lesionlab train` and `lesionlab export` write bundles") from error
    except KeyError as error:
        raise BundleError(f"{place} is a zip file but not a bundle: {error.args[0]}") from error
    except (OSError, ValueError, zipfile.BadZipFile, zlib.error, EOFError, RuntimeError) as error:
        raise BundleError(f"{place} is not a bundle: {error}") from error
