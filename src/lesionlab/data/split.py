"""Splits: the assignment of images to training, validation and test, as a file with a hash."""

import json
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, ValidationError, model_validator

from lesionlab.base_models import Sha256, StrictModel
from lesionlab.data.manifest import Manifest
from lesionlab.errors import DataError, UsageError
from lesionlab.files import sha256_of_json, write_json

SCHEMA_VERSION = 1
TRAIN, VALIDATION, TEST = "train", "validation", "test"


def fold_name(fold: int) -> str:
    """Return the name of a fold's subset."""
    return f"fold_{fold}"


class Split(StrictModel):
    """An assignment of a manifest's images to subsets.

    Attributes:
        schema_version: Version of the file format.
        unit: Unit of the split: `lesion`, or `image`, which is leaky (lesions shared between training and test).
        seed: Seed of the assignment.
        fractions: Requested fraction of the lesions (or images), by subset.
        folds: Number of folds, None for a plain split.
        manifest_sha256: Hash of the manifest.
        lesions_known: Whether the manifest has lesion ids. Without them even a split by lesion may be leaky.
        assignment: Subset of each image: `train`, `validation` or `test`; with folds `fold_0`, ... and `test`.
    """

    schema_version: Literal[1] = 1
    unit: Literal["lesion", "image"]
    seed: int
    fractions: dict[str, float]
    folds: int | None = Field(default=None, ge=2)
    manifest_sha256: Sha256
    lesions_known: bool
    assignment: dict[str, str] = Field(min_length=1)

    @model_validator(mode="after")
    def _subsets_exist(self) -> Self:
        unknown = set(self.assignment.values()) - set(self.subset_names)
        if unknown:
            raise ValueError(f"subset {min(unknown)!r} is none of {', '.join(self.subset_names)}")
        return self

    @property
    def leaky(self) -> bool:
        """Whether lesions are shared between training and test by design; all metrics are then too high."""
        return self.unit == "image"

    @property
    def subset_names(self) -> tuple[str, ...]:
        """The subsets of the assignment."""
        if self.folds is None:
            return (TRAIN, VALIDATION, TEST)
        return (*(fold_name(fold) for fold in range(self.folds)), TEST)

    @property
    def sha256(self) -> str:
        """Hash of the split."""
        return sha256_of_json(self._content())

    def subsets(self, fold: int | None = None) -> dict[str, list[str]]:
        """Return the sorted image ids of `train`, `validation` and `test`.

        Args:
            fold: The validation fold of a split with folds. Without a test subset this fold is the test, and the next
                one (cyclically) is the validation.

        Raises:
            UsageError: `fold` is missing for a split with folds, or does not exist.
        """
        roles = self._roles(fold)
        subsets: dict[str, list[str]] = {TRAIN: [], VALIDATION: [], TEST: []}
        for image_id in sorted(self.assignment):
            subsets[roles[self.assignment[image_id]]].append(image_id)
        return subsets

    def check_against(self, manifest: Manifest) -> None:
        """Check that the split belongs to a manifest.

        Raises:
            DataError: It was made from another one.
        """
        if manifest.sha256 != self.manifest_sha256:
            raise DataError(
                f"the split was made from data with the hash {self.manifest_sha256[:12]}, but {manifest.root} has "
                f"{manifest.sha256[:12]}: use the original data, or make a new split with 'lesionlab data split "
                f"{manifest.root}'"
            )

    def save(self, path: Path) -> None:
        """Write the split as JSON, with its hash."""
        write_json(path, {**self._content(), "sha256": self.sha256})

    def _content(self) -> dict[str, Any]:
        return {**self.model_dump(mode="json"), "leaky": self.leaky}

    def _roles(self, fold: int | None) -> dict[str, str]:
        if self.folds is None:
            if fold is not None:
                raise UsageError(f"fold {fold}: the split has no folds")
            return {name: name for name in self.subset_names}
        if fold is None or not 0 <= fold < self.folds:
            found = "select one" if fold is None else f"there is no fold {fold}"
            raise UsageError(f"the split has the folds 0 to {self.folds - 1}: {found}")
        roles = dict.fromkeys(self.subset_names, TRAIN) | {TEST: TEST}
        if TEST in self.assignment.values():
            return roles | {fold_name(fold): VALIDATION}
        return roles | {fold_name(fold): TEST, fold_name((fold + 1) % self.folds): VALIDATION}


def load_split(path: Path) -> Split:
    """Read a split that `Split.save` has written.

    Raises:
        DataError: The file is missing, damaged, was edited, or has an unsupported version.
    """
    remedy = "make it again with 'lesionlab data split'"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"{path}: the split cannot be read: {error.strerror or error}") from error
    except ValueError as error:
        raise DataError(f"{path}: the split is damaged, not valid JSON; {remedy}") from error
    if not isinstance(content, dict) or "schema_version" not in content or "sha256" not in content:
        raise DataError(f"{path}: not a split; {remedy}")
    if content["schema_version"] != SCHEMA_VERSION:
        version = content["schema_version"]
        raise DataError(f"{path}: a split of version {version}, but version {SCHEMA_VERSION} is supported; {remedy}")
    stored = content.pop("sha256")
    if sha256_of_json(content) != stored:
        raise DataError(f"{path}: the split was edited, its hash does not match; {remedy}")
    content.pop("leaky", None)
    try:
        return Split.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(key) for key in first["loc"])
        raise DataError(f"{path}: not a valid split ({where}: {first['msg']}); {remedy}") from error
