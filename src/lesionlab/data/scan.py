"""Results of reading a dataset: records and problems."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from lesionlab.base_models import FrozenModel
from lesionlab.data.manifest import ImageRecord, Manifest
from lesionlab.errors import DataError
from lesionlab.images.files import LeftOut

_SHOWN_IN_MESSAGE = 3


class ProblemKind(StrEnum):
    """Kinds of problems of a dataset; the value is the text in messages."""

    BAD_ROW = "row that cannot be read"
    DUPLICATE_ID = "image id that occurs twice"
    UNKNOWN_DIAGNOSIS = "unknown diagnosis"
    BAD_VALUE = "value that cannot be understood"
    MISSING_IMAGE = "missing image"
    AMBIGUOUS_IMAGE = "different images under one name"
    UNREADABLE = "unreadable file"
    TRUNCATED = "truncated image"
    LEAKING_COPY = "identical images of different lesions"
    # Warnings: the data can be used.
    COPY = "identical images of one lesion"
    ENCODING = "table in another encoding than UTF-8"
    KEPT_DIAGNOSIS = "diagnosis of unknown spelling; it is kept"
    CONTRADICTION = "diagnosis that contradicts the malignancy stated with it"
    CONFLICTING_LESION = "lesion with two diagnoses"
    OTHER_IMAGE_TYPE = "image of another type than wanted; it is not used"
    CONFLICTING_TABLES = "tables that contradict each other"
    UNMATCHED_ROWS = "rows of a second table without an image"
    ORPHAN = "image without a metadata row"
    REPEATED_FILE = "image found in several places"
    NEAR_COPY = "near copies of different lesions"

    @property
    def is_error(self) -> bool:
        """Whether the problem prevents using the data."""
        return self not in _WARNINGS


_WARNINGS = (
    ProblemKind.COPY,
    ProblemKind.ENCODING,
    ProblemKind.KEPT_DIAGNOSIS,
    ProblemKind.CONTRADICTION,
    ProblemKind.CONFLICTING_LESION,
    ProblemKind.OTHER_IMAGE_TYPE,
    ProblemKind.CONFLICTING_TABLES,
    ProblemKind.UNMATCHED_ROWS,
    ProblemKind.ORPHAN,
    ProblemKind.REPEATED_FILE,
    ProblemKind.NEAR_COPY,
)


class DataProblem(FrozenModel):
    """A problem of a dataset.

    Attributes:
        kind: Kind of the problem.
        where: The affected image id, lesion id, or file and line.
        detail: Details.
    """

    kind: ProblemKind
    where: str
    detail: str

    def __str__(self) -> str:
        return f"{self.where}: {self.detail}"


@dataclass(frozen=True)
class Scan:
    """Result of reading a dataset's metadata and locating its images, without decoding them.

    Attributes:
        root: Folder that the records' paths are relative to.
        layout: Name of the recognised layout.
        records: The valid records.
        problems: Errors and warnings.
        lesions_known: Whether the source has lesion ids.
        left_out: Counts of the files that are no images of the dataset.
        by_patient: Whether the lesion ids are those of patients, for want of others.
    """

    root: Path
    layout: str
    records: tuple[ImageRecord, ...]
    problems: tuple[DataProblem, ...]
    lesions_known: bool
    left_out: LeftOut = field(default_factory=LeftOut)
    by_patient: bool = False

    def manifest(self) -> Manifest:
        """Return the manifest.

        Raises:
            DataError: There are errors, or no images. Nothing is omitted silently.
        """
        raise_for_errors(self.root, self.problems)
        return Manifest(self.root, self.records, self.lesions_known)


def raise_for_errors(path: Path, problems: Iterable[DataProblem]) -> None:
    """Raise a DataError with the number of errors among `problems` and the first few, if there are any."""
    errors = [problem for problem in problems if problem.kind.is_error]
    if not errors:
        return
    shown = "; ".join(f"{problem.kind} ({problem})" for problem in errors[:_SHOWN_IN_MESSAGE])
    more = f"; and {len(errors) - _SHOWN_IN_MESSAGE} more" if len(errors) > _SHOWN_IN_MESSAGE else ""
    noun = "1 problem" if len(errors) == 1 else f"{len(errors)} problems"
    raise DataError(f"{path}: {noun} in the data: {shown}{more}. 'lesionlab data check {path}' lists them all")
