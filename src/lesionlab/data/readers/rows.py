"""Conversion of the rows of metadata tables to records, collecting all problems."""

import math
from dataclasses import dataclass, field, replace

from lesionlab.data.manifest import ImageRecord
from lesionlab.data.readers.columns import ColumnMapping
from lesionlab.data.readers.image_index import ImageIndex
from lesionlab.data.readers.labels import LabelColumns
from lesionlab.data.readers.names import lesion_of_frames, path_id, repeated_names, without_suffix
from lesionlab.data.readers.table import Table
from lesionlab.data.readers.values import SEXES, UNKNOWN, dx_type, image_type, number_text, subset_name
from lesionlab.data.scan import DataProblem, ProblemKind
from lesionlab.images.formats import image_id as name_of


@dataclass
class RowReader:
    """Converts the rows of tables to records.

    Attributes:
        columns: Columns by attribute, where they are given.
        index: Index of the images. None uses the table's paths unchecked.
        source: Source of records without a source column.
        image_type: Type of images without a column of it.
        keep_unknown: Whether diagnoses of unknown spelling are kept and counted; else they are an error.
        records: The records so far.
        problems: The problems so far.
        lesions_known: Whether every row so far has an id of its lesion or patient.
        patients: The ids of patients that stand for unknown lesions, since images of a patient are not independent.
    """

    columns: ColumnMapping
    index: ImageIndex | None
    source: str = "unknown"
    image_type: str | None = None
    keep_unknown: bool = False
    records: list[ImageRecord] = field(default_factory=list)
    problems: list[DataProblem] = field(default_factory=list)
    lesions_known: bool = True
    patients: set[str] = field(default_factory=set)
    _seen: dict[str, str] = field(default_factory=dict)

    def read(self, table: Table, base: str = "", subset: str | None = None) -> None:
        """Read all rows of a table.

        Args:
            table: The table.
            base: Folder that its paths are relative to, itself relative to the index' root.
            subset: Subset of its rows, if it has no column of it.

        Raises:
            DataError: The table has no column of the image or of the diagnosis.
        """
        if table.note:
            self._note(ProblemKind.ENCODING, table.path.name, table.note)
        columns = self.columns.completed(table.header, table.path)
        labels = LabelColumns.find(table.header, columns.diagnosis) or LabelColumns()
        place = table.header.index(columns.image_id or columns.path or "")
        # Of numbered files in several folders (nv/1.jpg, mel/1.jpg) the path is the id.
        repeated = repeated_names(cells[place] for _, cells in table.rows if place < len(cells))
        for line, cells in table.rows:
            where = f"{table.path.name} line {line}"
            if len(cells) != len(table.header):
                detail = f"{len(cells)} cells under {len(table.header)} column names"
                self._note(ProblemKind.BAD_ROW, where, detail)
                continue
            row = dict(zip(table.header, cells, strict=True))
            name = cells[place] or _cell(row, columns.path)
            image_id = without_suffix(name)
            if "/" in name and image_id in repeated:
                image_id = path_id(name)
            elif (
                columns.image_id is None and image_id in self._seen and not self._seen[image_id].startswith(f"{base}/")
            ):
                image_id = path_id(f"{base}/{name}")  # a file of the same name in another table's folder
            if not image_id:
                self._note(ProblemKind.BAD_ROW, where, "no image id")
            elif image_id in self._seen:
                self._note(ProblemKind.DUPLICATE_ID, image_id, f"again in {where}")
            else:
                self._seen[image_id] = f"{base}/{name}"
                self._read_row(_Row(row, columns, image_id, base, subset), labels)

    def finish(self) -> None:
        """Note the images without a row and the unreadable archives."""
        if self.index is not None:
            self.problems += self.index.problems
            self.problems += self.index.orphans({*self._seen, *(name_of(record.path) for record in self.records)})

    def _read_row(self, row: "_Row", labels: LabelColumns) -> None:
        # All problems of a row are collected, so that they can be repaired in one pass.
        before = len(self.problems)
        path = self._path(row)
        label = labels.read(row.cells)
        if label.code is None and label.text is not None and self.keep_unknown:
            label = replace(label, code="unk", problem=None, unknown=True)
        if label.code is None:
            self._note(ProblemKind.UNKNOWN_DIAGNOSIS, row.image_id, label.problem or "")
        elif label.unknown:
            self._note(ProblemKind.KEPT_DIAGNOSIS, row.image_id, f"{label.text!r} as {label.code}")
        elif label.problem is not None:
            self._note(ProblemKind.CONTRADICTION, row.image_id, label.problem)
        age = self._age(row)
        sex = row.optional("sex")
        if sex is not None and sex.lower() not in SEXES:
            detail = f"sex {sex!r} is neither male nor female; leave unknown values empty"
            self._note(ProblemKind.BAD_VALUE, row.image_id, detail)
        patient_id = row.optional("patient_id")
        lesion_id = row.optional("lesion_id") or patient_id
        if lesion_id != patient_id:
            patient_id = None
        elif patient_id is not None:
            self.patients.add(patient_id)
        self.lesions_known &= lesion_id is not None
        failed = any(problem.kind.is_error for problem in self.problems[before:])
        if failed or label.code is None or path is None:
            return
        self.records.append(
            ImageRecord(
                image_id=row.image_id,
                path=path,
                lesion_id=lesion_id or lesion_of_frames(path) or row.image_id,
                diagnosis=label.code,
                age=age,
                sex=SEXES[sex.lower()] if sex else None,
                site=row.optional("site"),
                dx_type=dx_type(row.optional("dx_type")),
                source=row.optional("source") or self.source,
                skin_tone=row.optional("skin_tone"),
                label=(row.optional("label") if row.columns.label not in labels.text else None) or label.text,
                image_type=image_type(row.optional("image_type")) or self.image_type,
                subset=subset_name(row.optional("subset") or "") or row.subset,
                patient_id=patient_id,
                label_origin=row.optional("label_origin"),
                label_readers=row.optional("label_readers"),
            )
        )

    def _path(self, row: "_Row") -> str | None:
        written = row.cell("path")
        if self.index is None:
            return written
        name = written or row.cell("image_id")
        for candidate in (f"{row.base}/{name}" if row.base else name, name):
            if (written or name != row.image_id) and self.index.has(candidate):
                return candidate
        found = self.index.ending_with(name) if "/" in name else []
        if len(found) == 1:
            return found[0]
        if written and without_suffix(written) != row.image_id:
            self._note(ProblemKind.MISSING_IMAGE, row.image_id, f"no file {written}")
            return None
        path, problem = self.index.locate(row.image_id)
        if problem is not None:
            self.problems.append(problem)
        return path

    def _age(self, row: "_Row") -> float | None:
        text = row.optional("age")
        if text is None:
            return None
        try:
            age = float(number_text(text))
        except ValueError:
            age = math.nan
        if not 0 <= age <= 130:
            detail = f"age {text!r} is not a number of years; leave unknown values empty"
            self._note(ProblemKind.BAD_VALUE, row.image_id, detail)
            return None
        return age

    def _note(self, kind: ProblemKind, where: str, detail: str) -> None:
        self.problems.append(DataProblem(kind=kind, where=where, detail=detail))


@dataclass(frozen=True, slots=True)
class _Row:
    """A row: its cells by column, the columns by attribute, the image's id, and what holds for its table."""

    cells: dict[str, str]
    columns: ColumnMapping
    image_id: str
    base: str
    subset: str | None

    def cell(self, attribute: str) -> str:
        return _cell(self.cells, getattr(self.columns, attribute))

    def optional(self, attribute: str) -> str | None:
        text = self.cell(attribute)
        return None if text.lower() in UNKNOWN else text


def _cell(row: dict[str, str], column: str | None) -> str:
    return row.get(column, "") if column is not None else ""
