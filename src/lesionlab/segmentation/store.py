"""A segmentation model on disk: `segmentation.onnx` and `segmentation.json`, checked on load."""

import hashlib
import os
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Final, Literal

from pydantic import Field, ValidationError

from lesionlab.base_models import Sha256, StrictModel
from lesionlab.errors import BundleError
from lesionlab.files import replacing, write_json
from lesionlab.images import Preprocessing
from lesionlab.metrics import Estimate

GRAPH: Final = "segmentation.onnx"
DESCRIPTION: Final = "segmentation.json"
SCHEMA_VERSION: Final = 1


class SegmentationInfo(StrictModel):
    """What is needed to use the model and to know how good it is.

    Attributes:
        schema_version: Version of this schema; a reader refuses another one.
        name: Name of the model.
        created: Day on which it was made, ISO 8601.
        preprocessing: What is done to an image before the graph.
        threshold: A pixel belongs to the lesion at or above this probability; chosen on validation images.
        graph_sha256: SHA-256 of the graph.
        parameters: Number of trained weights.
        manifest_sha256: Hash of the manifest of the images that it was trained on.
        split_sha256: Hash of the split, by lesion.
        images: Number of images with a mask, per part.
        metrics: On the test part, by name: `dice` and `jaccard`, the means over the images, and `found`, the share of
            images in which a lesion was found at all.
        versions: Versions of the libraries that made it.
        licence: Licence of the weights.
    """

    schema_version: Literal[1] = SCHEMA_VERSION
    name: str = Field(pattern=r"^[A-Za-z0-9][^\x00-\x1f\x7f]*$")
    created: str
    preprocessing: Preprocessing
    threshold: float = Field(gt=0, lt=1)
    graph_sha256: Sha256
    parameters: int = Field(ge=1)
    manifest_sha256: Sha256
    split_sha256: Sha256
    images: dict[str, int]
    metrics: dict[str, Estimate]
    versions: dict[str, str]
    licence: str

    @property
    def identity(self) -> str:
        """Short name that travels with every measure: the model's name and the head of its graph's hash."""
        return f"{self.name}@{self.graph_sha256[:12]}"


@dataclass(frozen=True)
class SegmentationModel:
    """A checked segmentation model.

    Attributes:
        info: The description.
        graph: The bytes of the ONNX graph.
        path: Where it was read from.
    """

    info: SegmentationInfo
    graph: bytes
    path: Path

    @classmethod
    def load(cls, path: Path | str | None = None) -> "SegmentationModel":
        """Read a model and check it.

        Args:
            path: Its folder; None: the one in the package, or that which `LESIONLAB_SEGMENTATION` names.

        Raises:
            BundleError: Something is missing, damaged, or of another schema version.
        """
        place = _default_path() if path is None else Path(path)
        remedy = "name the folder that `lesionlab segment train` wrote"
        try:
            info = SegmentationInfo.model_validate_json((place / DESCRIPTION).read_bytes())
            graph = (place / GRAPH).read_bytes()
        except OSError as error:
            raise BundleError(f"{place} holds no segmentation model ({error.strerror}); {remedy}") from error
        except ValidationError as error:
            raise BundleError(f"{place / DESCRIPTION} is damaged or of another version; {remedy}") from error
        if hashlib.sha256(graph).hexdigest() != info.graph_sha256:
            raise BundleError(f"{place / GRAPH} is not the graph that {DESCRIPTION} describes; copy the folder again")
        return cls(info, graph, place)


def save_segmentation(info: SegmentationInfo, graph: bytes, folder: Path) -> SegmentationModel:
    """Write a model; the description comes last, so that where it is, the graph is whole.

    Raises:
        LesionlabError: The folder cannot be written.
    """
    with replacing(folder / GRAPH, binary=True) as stream:
        stream.write(graph)
    write_json(folder / DESCRIPTION, info.model_dump(mode="json"))
    return SegmentationModel.load(folder)


def _default_path() -> Path:
    override = os.environ.get("LESIONLAB_SEGMENTATION")
    return Path(override) if override else Path(str(files("lesionlab") / "models" / "segmentation"))
