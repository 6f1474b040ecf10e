"""Labels in and out: import of tables and of annotation tools, export as a manifest with the origin of each label."""

import csv
import io
import math
from collections.abc import Container, Iterable, Sequence
from dataclasses import asdict, fields, replace
from pathlib import Path

from lesionlab.data import ColumnMapping, ImageRecord, Manifest
from lesionlab.data.readers.columns import known_columns
from lesionlab.data.readers.labels import LabelColumns
from lesionlab.data.readers.names import without_suffix
from lesionlab.data.readers.table import read_table
from lesionlab.errors import DataError, UsageError
from lesionlab.files import sha256_of_file
from lesionlab.labelling.annotation_tools import COLUMNS, Row, annotation_rows
from lesionlab.labelling.store import Answer, AnswerKind, Event, EventKind, LesionStatus, Reading, State
from lesionlab.labelling.store.events import DIAGNOSES, answer_event, derived_id

_ANSWER_COLUMN, _READER_COLUMN, _ROLE_COLUMN = "answer", "reader", "role"
_ADJUDICATION = "adjudication"
_KINDS = {kind.value: kind for kind in AnswerKind}
# Beside `label_origin` and `label_readers` of a manifest. None is a column of a dataset: the table is an ordinary one
# for `--metadata`.
PROVENANCE = (
    "label_time",
    "label_events",
    "label_strategy",
    "label_batch",
    "label_model",
)
_READINGS = (
    "lesion_id", "reader", "role", "answer", "diagnosis", "seconds", "prediction_shown", "at", "origin", "note", "event"
)  # fmt: skip


def labelled_lesions(state: State, manifest: Manifest) -> dict[str, str]:
    """Return the diagnosis of each lesion of a manifest on which the readers agree, or that is adjudicated."""
    known = {record.labelled_id for record in manifest}
    found = ((lesion, state.result(lesion)) for lesion in state.lesions() if lesion in known)
    return {lesion: result.diagnosis for lesion, result in found if result is not None and result.diagnosis is not None}


def manifest_with_labels(state: State, manifest: Manifest) -> str:
    """Return the images of the labelled lesions as CSV, with the columns `PROVENANCE` after those of a manifest.

    `dx_type` is `consensus` where at least two readers agree or a disagreement was adjudicated, and else empty: an
    earlier confirmation belonged to an earlier label.

    Raises:
        DataError: No lesion has a diagnosis yet.
    """
    labels = labelled_lesions(state, manifest)
    if not labels:
        raise DataError("no lesion has a final diagnosis yet; label some, or adjudicate disagreements")
    rows = []
    for record in manifest:
        if record.labelled_id in labels:
            held = _held(state, record.labelled_id)
            origin = _origin(state, record.labelled_id, held)
            labelled = replace(
                record,
                diagnosis=labels[record.labelled_id],
                label=None,
                dx_type=None if origin == "single reading" else "consensus",
                label_origin=origin,
                label_readers="; ".join(dict.fromkeys(one.reader for one in held)),
            )
            rows.append(asdict(labelled) | _provenance(state, record.labelled_id, held))
    return _as_csv((*(field.name for field in fields(ImageRecord)), *PROVENANCE), rows)


def readings_as_csv(state: State) -> str:
    """Return all readings and adjudications as CSV, one line each; `import` reads it."""
    held = (
        (lesion, one, one is state.adjudication(lesion)) for lesion in state.lesions() for one in _held(state, lesion)
    )
    return _as_csv(
        _READINGS,
        (
            {
                "lesion_id": lesion,
                "reader": one.reader,
                "role": _ADJUDICATION if decided else "reading",
                "answer": one.answer.kind,
                "diagnosis": one.answer.diagnosis,
                "seconds": one.answer.seconds,
                "prediction_shown": "yes" if one.answer.prediction_shown else "no",
                "at": one.at.isoformat(timespec="seconds"),
                "origin": one.answer.origin,
                "note": state.note(lesion, one.reader),
                "event": one.event,
            }
            for lesion, one, decided in held
        ),
    )


def read_labels(
    path: Path, manifest: Manifest, reader: str | None = None, columns: ColumnMapping | None = None
) -> list[Event]:
    """Read the labels of a file as answers. The same file gives the same events: it can be imported again.

    The file is a table, or an export of an annotation tool (`annotation_rows`). A row of a table names an image or a
    lesion, and states a diagnosis in any column and spelling of a dataset. A column `answer` may have `diagnosis`,
    `not dermoscopic`, `cannot tell` or `skip`; further columns are those of `readings_as_csv`.

    Args:
        path: The file.
        manifest: The images.
        reader: The reader of rows without one.
        columns: Mapping of the table's columns, if their names are not recognised.

    Raises:
        DataError: The file cannot be read, or a row has an unknown lesion or diagnosis, or contradicts another one.
        UsageError: No reader is known.
    """
    lesion_of = {record.image_id: record.labelled_id for record in manifest}
    lesions = set(lesion_of.values())
    header, rows = _rows(path, lesion_of)
    given = columns or ColumnMapping()
    names = known_columns(given, header)
    labels = LabelColumns.find(header, given.diagnosis)
    if labels is None and _ANSWER_COLUMN not in header:
        raise DataError(f"{path}: no column of the diagnosis; give it with --columns diagnosis=...")
    digest = sha256_of_file(path)
    found: dict[tuple[str, str, EventKind], Event] = {}
    for where, row in rows:
        lesion = row.get(names.get("lesion_id", ""), "")
        image = row.get(names.get("image_id", ""), "") or row.get(names.get("path", ""), "")
        lesion = lesion if lesion in lesions else lesion_of.get(without_suffix(image), "")
        if not lesion:
            raise DataError(f"{where}: no image or lesion of {manifest.root} has the name {image or lesion!r}")
        who = row.get(_READER_COLUMN, "") or reader
        if not who:
            raise UsageError(f"{where}: no reader; name one with --reader")
        kind = _kind(where, row.get(_ANSWER_COLUMN, ""))
        diagnosis = _diagnosis(where, row, labels) if kind is AnswerKind.DIAGNOSIS else None
        answer = Answer(
            kind=kind,
            diagnosis=diagnosis,
            seconds=_seconds(where, row.get("seconds", "")),
            prediction_shown=row.get("prediction_shown", "").lower() == "yes",
            origin=path.name[:255],
        )
        role = EventKind.ADJUDICATED if row.get(_ROLE_COLUMN) == _ADJUDICATION else EventKind.ANSWERED
        event = answer_event(derived_id("import", digest, who, lesion, role), role, who, lesion, answer)
        earlier = found.setdefault((who, lesion, role), event)
        if not event.repeats(earlier):
            raise DataError(f"{where}: lesion {lesion} has another label before; keep one of them")
    # Readings come first: a disagreement must be there before its adjudication.
    return sorted(found.values(), key=lambda event: event.kind is EventKind.ADJUDICATED)


def _rows(path: Path, images: Container[str]) -> tuple[Sequence[str], Sequence[tuple[str, Row]]]:
    """Return the columns of a file, and place and cells of each row."""
    found = annotation_rows(path, images)
    if found is not None:
        return COLUMNS, found
    table = read_table(path)
    named = [(f"{path} line {line}", dict(zip(table.header, cells, strict=False))) for line, cells in table.rows]
    return table.header, named


def _kind(where: str, text: str) -> AnswerKind:
    if not text:
        return AnswerKind.DIAGNOSIS
    if text.lower() not in _KINDS:
        raise DataError(f"{where}: answer {text!r} is none of {', '.join(_KINDS)}")
    return _KINDS[text.lower()]


def _diagnosis(where: str, row: Row, labels: LabelColumns | None) -> str:
    label = None if labels is None else labels.read(row)
    if label is None or label.code not in DIAGNOSES:
        raise DataError(
            f"{where}: {label.problem if label and label.problem else 'no diagnosis'}; write one as mel or nv"
        )
    return label.code


def _seconds(where: str, text: str) -> float | None:
    try:
        seconds = float(text) if text else None
    except ValueError:
        seconds = math.nan
    if seconds is not None and not 0 <= seconds < math.inf:
        raise DataError(f"{where}: seconds {text!r} is not a duration; leave it empty if unknown")
    return seconds


def _held(state: State, lesion: str) -> list[Reading]:
    decided = state.adjudication(lesion)
    return [*state.readings(lesion), *([decided] if decided else [])]


def _origin(state: State, lesion: str, held: Sequence[Reading]) -> str:
    if state.status(lesion) is LesionStatus.ADJUDICATED:
        return "adjudication"
    return "agreement" if len(held) > 1 else "single reading"


def _provenance(state: State, lesion: str, held: Sequence[Reading]) -> dict[str, object]:
    choice = state.choices.get(lesion)
    values: Sequence[object] = (
        max(one.at for one in held).isoformat(timespec="seconds"),
        " ".join(one.event for one in held),
        choice.strategy if choice else "",
        choice.batch if choice else "",
        choice.model if choice else "",
    )
    return dict(zip(PROVENANCE, values, strict=True))


def _as_csv(columns: Sequence[str], rows: Iterable[dict[str, object]]) -> str:
    out = io.StringIO()
    writer = csv.DictWriter(out, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()
