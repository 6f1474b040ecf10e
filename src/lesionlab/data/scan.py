"""What a reader found: the records that stand, and everything that is wrong with the rest."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from lesionlab.data.manifest import ImageRecord, Manifest
from lesionlab.errors import DataError

_SHOWN_IN_MESSAGE = 3


class ProblemKind(StrEnum):
    """What can be wrong with a dataset. The value is the wording that people read."""

    BAD_ROW = "row that cannot be read"
    DUPLICATE_ID = "image id that occurs twice"
    UNKNOWN_DIAGNOSIS = "unknown diagnosis"
    BAD_VALUE = "value that cannot be understood"
    MISSING_IMAGE = "missing image"
    AMBIGUOUS_IMAGE = "different images under one name"
    UNREADABLE = "unreadable file"
    TRUNCATED = "truncated image"
    LEAKING_COPY = "identical images of different lesions"
    # From here on the data can be used, but its owner should know.
    COPY = "identical images of one lesion"
    CONFLICTING_LESION = "lesion with two diagnoses"
    ORPHAN = "image without a metadata row"
    REPEATED_FILE = "image found in several places"

    @property
    def is_error(self) -> bool:
        """Whether data with such a problem should not be used."""
        return self not in _WARNINGS


_WARNINGS = (ProblemKind.COPY, ProblemKind.CONFLICTING_LESION, ProblemKind.ORPHAN, ProblemKind.REPEATED_FILE)


class Problem(BaseModel):
    """One thing that is wrong.

    Attributes:
        kind: What sort of thing.
        where: The image id, lesion id, or file and line that it is wrong with.
        detail: What exactly was found.
    """

    model_config = ConfigDict(frozen=True)

    kind: ProblemKind
    where: str
    detail: str

    def __str__(self) -> str:
        return f"{self.where}: {self.detail}"


@dataclass(frozen=True)
class Scan:
    """The outcome of reading a dataset's metadata and looking for its images, without decoding any.

    Attributes:
        root: Folder that the records' paths are relative to.
        layout: Name of the layout that was recognised.
        records: The images that could be made into records.
        problems: All that stood in the way of the others, and what is worth a warning.
        lesions_known: Whether the source tells which images show one lesion.
    """

    root: Path
    layout: str
    records: tuple[ImageRecord, ...]
    problems: tuple[Problem, ...]
    lesions_known: bool

    def manifest(self) -> Manifest:
        """Return the manifest.

        Raises:
            DataError: There is a problem that is an error, or no image at all. Nothing is left out silently.
        """
        refuse_errors(self.root, self.problems)
        return Manifest(self.root, self.records, self.lesions_known)


def refuse_errors(place: Path, problems: Iterable[Problem]) -> None:
    """Raise a DataError that counts the errors among `problems` and shows the first few; return if none is."""
    errors = [problem for problem in problems if problem.kind.is_error]
    if not errors:
        return
    shown = "; ".join(f"{problem.kind} ({problem})" for problem in errors[:_SHOWN_IN_MESSAGE])
    more = f"; and {len(errors) - _SHOWN_IN_MESSAGE} more" if len(errors) > _SHOWN_IN_MESSAGE else ""
    noun = "1 problem" if len(errors) == 1 else f"{len(errors)} problems"
    raise DataError(f"{place}: {noun} in the data: {shown}{more}. 'lesionlab data check {place}' lists them all")
