"""Storage of a segmentation model: `segmentation.onnx` and `segmentation.json`, verified on load."""

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
    """Description of a segmentation model.

    Attributes:
        created: Day of the export, ISO 8601.
        threshold: A pixel belongs to the lesion at or above this probability; chosen on validation images.
        split_sha256: Hash of the split, by lesion.
        images: Number of images with a mask of each subset.
        metrics: On the test subset, by name: mean `dice` and `jaccard`, and `found`, the share of images with a found
            lesion.
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
        """The model's name and the head of its graph's hash."""
        return f"{self.name}@{self.graph_sha256[:12]}"


@dataclass(frozen=True)
class SegmentationModel:
    """A verified segmentation model: its description, the bytes of its ONNX graph and its folder."""

    info: SegmentationInfo
    graph: bytes
    path: Path

    @classmethod
    def load(cls, path: Path | str | None = None) -> "SegmentationModel":
        """Read and verify a model.

        Args:
            path: Folder of the model; None for the one in the package, or in `LESIONLAB_SEGMENTATION`.

        Raises:
            BundleError: A file is missing, damaged, or of another schema version.
        """
        folder = _default_path() if path is None else Path(path)
        remedy = "name the folder that `lesionlab segment train` wrote"
        try:
            info = SegmentationInfo.model_validate_json((folder / DESCRIPTION).read_bytes())
            graph = (folder / GRAPH).read_bytes()
        except OSError as error:
            raise BundleError(f"{folder} holds no segmentation model ({error.strerror}); {remedy}") from error
        except ValidationError as error:
            raise BundleError(f"{folder / DESCRIPTION} is damaged or of another version; {remedy}") from error
        if hashlib.sha256(graph).hexdigest() != info.graph_sha256:
            raise BundleError(f"{folder / GRAPH} is not the graph that {DESCRIPTION} describes; copy the folder again")
        return cls(info, graph, folder)


def save_segmentation(info: SegmentationInfo, graph: bytes, folder: Path) -> SegmentationModel:
    """Write a model; the description is written last, so that its presence implies a complete graph.

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
