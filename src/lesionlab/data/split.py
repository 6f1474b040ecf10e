"""Splits: which image serves for training, for validation and for the test, as one file that can be verified."""

import json
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from lesionlab.data.manifest import Manifest
from lesionlab.errors import DataError, UsageError
from lesionlab.files import sha256_of_json, write_json

SCHEMA_VERSION = 1
TRAIN, VALIDATION, TEST = "train", "validation", "test"


def fold_name(fold: int) -> str:
    """Return the name of a fold's part."""
    return f"fold_{fold}"


class Split(BaseModel):
    """An assignment of a manifest's images to parts.

    Attributes:
        schema_version: Version of the file's form.
        unit: What is kept together: `lesion`, or `image`, which is leaky.
        seed: Seed of the assignment.
        fractions: Share of the lesions (or images) that was asked for, by part.
        folds: Number of folds, None for a plain split.
        manifest_sha256: Hash of the manifest that was split.
        lesions_known: Whether the manifest tells which images show one lesion. Where it does not, even a
            split by lesion may put one lesion on both sides.
        assignment: Part of each image: `train`, `validation` or `test`; with folds `fold_0`, `fold_1`, ...
            and `test`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    schema_version: Literal[1] = 1
    unit: Literal["lesion", "image"]
    seed: int
    fractions: dict[str, float]
    folds: int | None = Field(default=None, ge=2)
    manifest_sha256: str = Field(pattern="^[0-9a-f]{64}$")
    lesions_known: bool
    assignment: dict[str, str] = Field(min_length=1)

    @model_validator(mode="after")
    def _parts_exist(self) -> Self:
        unknown = set(self.assignment.values()) - set(self.part_names)
        if unknown:
            raise ValueError(f"part {min(unknown)!r} is none of {', '.join(self.part_names)}")
        return self

    @property
    def leaky(self) -> bool:
        """Whether images of one lesion were put on both sides on purpose; every number then is too good."""
        return self.unit == "image"

    @property
    def part_names(self) -> tuple[str, ...]:
        """The names that the assignment may use."""
        if self.folds is None:
            return (TRAIN, VALIDATION, TEST)
        return (*(fold_name(fold) for fold in range(self.folds)), TEST)

    @property
    def sha256(self) -> str:
        """Hash of everything the split says."""
        return sha256_of_json(self._content())

    def parts(self, fold: int | None = None) -> dict[str, list[str]]:
        """Return the ids of the images of `train`, `validation` and `test`, each sorted.

        Args:
            fold: With folds, the one to validate on. The test part is the one that was held out; where none
                was, it is this fold, and the next one (after the last, the first) is for validation.

        Raises:
            UsageError: No fold is named for a split that has folds, or one that does not exist.
        """
        roles = self._roles(fold)
        parts: dict[str, list[str]] = {TRAIN: [], VALIDATION: [], TEST: []}
        for image_id in sorted(self.assignment):
            parts[roles[self.assignment[image_id]]].append(image_id)
        return parts

    def check_against(self, manifest: Manifest) -> None:
        """Make sure that the split was made of this manifest.

        Raises:
            DataError: It was made of another one.
        """
        if manifest.sha256 != self.manifest_sha256:
            raise DataError(
                f"the split was made of a manifest with the hash {self.manifest_sha256[:12]}, the data in "
                f"{manifest.root} have {manifest.sha256[:12]}: use the data that were split, or make a new split "
                f"with 'lesionlab data split {manifest.root}'"
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
            return {name: name for name in self.part_names}
        if fold is None or not 0 <= fold < self.folds:
            found = "none is named" if fold is None else f"{fold} is none of them"
            raise UsageError(f"the split has the folds 0 to {self.folds - 1}, and {found}")
        roles = dict.fromkeys(self.part_names, TRAIN) | {TEST: TEST}
        if TEST in self.assignment.values():
            return roles | {fold_name(fold): VALIDATION}
        return roles | {fold_name(fold): TEST, fold_name((fold + 1) % self.folds): VALIDATION}


def load_split(path: Path) -> Split:
    """Read a split that `Split.save` has written.

    Raises:
        DataError: The file is missing, damaged, was changed by hand, or is of a version that is not known.
    """
    remedy = "make it anew with 'lesionlab data split'"
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
        raise DataError(
            f"{path}: a split of version {version}, this lesionlab reads version {SCHEMA_VERSION}; {remedy}"
        )
    stored = content.pop("sha256")
    if sha256_of_json(content) != stored:
        raise DataError(f"{path}: the split was changed after it was made, its hash does not fit; {remedy}")
    content.pop("leaky", None)
    try:
        return Split.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(key) for key in first["loc"])
        raise DataError(f"{path}: not a valid split ({where}: {first['msg']}); {remedy}") from error
