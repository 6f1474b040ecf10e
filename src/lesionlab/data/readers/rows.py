"""Conversion of the rows of a metadata table to records, collecting all problems."""

import math
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from lesionlab.data.manifest import ImageRecord
from lesionlab.data.readers.columns import BINARY_COLUMNS, ColumnMapping, one_hot_columns
from lesionlab.data.readers.image_index import ImageIndex
from lesionlab.data.readers.table import Table
from lesionlab.data.scan import DataProblem, ProblemKind
from lesionlab.images.decode import IMAGE_SUFFIXES
from lesionlab.images.read import ZIP_SEPARATOR
from lesionlab.taxonomy import CODES, parse_diagnosis

_UNKNOWN = frozenset({"", "unknown", "na", "n/a", "nan", "none", "null"})
_BINARY = frozenset({"0", "1", "0.0", "1.0"})
_SEXES = {"male": "male", "m": "male", "female": "female", "f": "female"}


@dataclass
class RowReader:
    """Converts a table's rows to records.

    Attributes:
        columns: Complete column mapping of the table.
        index: Index of the images. None uses the table's paths unchecked.
        source: Source of records without a source column.
        records: The records so far.
        problems: The problems so far.
        lesions_known: Whether every row so far has a lesion id.
    """

    columns: ColumnMapping
    index: ImageIndex | None
    source: str = "unknown"
    records: list[ImageRecord] = field(default_factory=list)
    problems: list[DataProblem] = field(default_factory=list)
    lesions_known: bool = True

    def read(self, table: Table) -> None:
        """Read all rows of a table; images without a row are a problem as well."""
        one_hot = {} if self.columns.diagnosis else one_hot_columns(table.header)
        seen: set[str] = set()
        for line, cells in table.rows:
            where = f"{table.path.name} line {line}"
            if len(cells) != len(table.header):
                detail = f"{len(cells)} cells under {len(table.header)} column names"
                self._note(ProblemKind.BAD_ROW, where, detail)
                continue
            row = dict(zip(table.header, cells, strict=True))
            name = self._cell(row, "image_id") or self._cell(row, "path")
            image_id = _without_suffix(name)
            if not image_id:
                self._note(ProblemKind.BAD_ROW, where, "no image id")
            elif image_id in seen:
                self._note(ProblemKind.DUPLICATE_ID, image_id, f"again in {where}")
            else:
                seen.add(image_id)
                self._read_row(row, image_id, one_hot)
        if self.index is not None:
            self.problems += self.index.problems
            self.problems += self.index.orphans(seen | {_without_suffix(record.path) for record in self.records})

    def _read_row(self, row: dict[str, str], image_id: str, one_hot: dict[str, str]) -> None:
        # All problems of a row are collected, so that they can be repaired in one pass.
        before = len(self.problems)
        path = self._path(row, image_id)
        diagnosis = _hot(row, one_hot) if one_hot else self._diagnosis(row)
        if diagnosis is None:
            found = "not exactly one 1" if one_hot else repr(self._cell(row, "diagnosis"))
            self._note(ProblemKind.UNKNOWN_DIAGNOSIS, image_id, f"{found} is none of {', '.join(CODES)}")
        age = self._age(row, image_id)
        sex = self._optional(row, "sex")
        if sex is not None and sex.lower() not in _SEXES:
            self._note(
                ProblemKind.BAD_VALUE, image_id, f"sex {sex!r} is neither male nor female; leave unknown values empty"
            )
        lesion_id = self._optional(row, "lesion_id")
        self.lesions_known &= lesion_id is not None
        failed = any(problem.kind.is_error for problem in self.problems[before:])
        if failed or diagnosis is None or path is None:
            return
        self.records.append(
            ImageRecord(
                image_id=image_id,
                path=path,
                lesion_id=lesion_id or image_id,
                diagnosis=diagnosis,
                age=age,
                sex=_SEXES[sex.lower()] if sex else None,
                site=self._optional(row, "site"),
                dx_type=self._optional(row, "dx_type"),
                source=self._optional(row, "source") or self.source,
                skin_tone=self._optional(row, "skin_tone"),
            )
        )

    def _diagnosis(self, row: dict[str, str]) -> str | None:
        text = self._cell(row, "diagnosis")
        classes = BINARY_COLUMNS.get((self.columns.diagnosis or "").lower())
        return classes[int(float(text))] if classes and text in _BINARY else parse_diagnosis(text)

    def _path(self, row: dict[str, str], image_id: str) -> str | None:
        written = self._cell(row, "path")
        if self.index is None:
            return written
        name = written or self._cell(row, "image_id")
        if (written or name != image_id) and self.index.has(name):
            return name
        if written:
            self._note(ProblemKind.MISSING_IMAGE, image_id, f"no file {written}")
            return None
        path, problem = self.index.locate(image_id)
        if problem is not None:
            self.problems.append(problem)
        return path

    def _age(self, row: dict[str, str], image_id: str) -> float | None:
        text = self._optional(row, "age")
        if text is None:
            return None
        try:
            age = float(text)
        except ValueError:
            age = math.nan
        if not 0 <= age <= 130:
            self._note(
                ProblemKind.BAD_VALUE, image_id, f"age {text!r} is not a number of years; leave unknown values empty"
            )
            return None
        return age

    def _cell(self, row: dict[str, str], attribute: str) -> str:
        column = getattr(self.columns, attribute)
        return row[column] if column is not None else ""

    def _optional(self, row: dict[str, str], attribute: str) -> str | None:
        text = self._cell(row, attribute)
        return None if text.lower() in _UNKNOWN else text

    def _note(self, kind: ProblemKind, where: str, detail: str) -> None:
        self.problems.append(DataProblem(kind=kind, where=where, detail=detail))


def _without_suffix(name: str) -> str:
    pure = PurePosixPath(name.rpartition(ZIP_SEPARATOR)[2])
    return pure.stem if pure.suffix.lower() in IMAGE_SUFFIXES else name


def _hot(row: dict[str, str], one_hot: dict[str, str]) -> str | None:
    hot = [code for code, column in one_hot.items() if _number(row[column]) == 1]
    cold = [code for code, column in one_hot.items() if _number(row[column]) == 0]
    return hot[0] if len(hot) == 1 and len(cold) == len(one_hot) - 1 else None


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
