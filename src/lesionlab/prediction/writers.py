"""Results as files: CSV, JSON lines, Parquet and the ISIC challenge's format, written row by row."""

import csv
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from enum import StrEnum
from io import TextIOWrapper
from pathlib import Path
from typing import IO, Any, TypeAlias

import numpy as np

from lesionlab import RESEARCH_ONLY
from lesionlab.bundle import Decision
from lesionlab.errors import LesionlabError, MissingExtraError, UsageError
from lesionlab.files import replacing
from lesionlab.prediction.inputs import image_id
from lesionlab.prediction.result import Prediction
from lesionlab.taxonomy import CODES, DIAGNOSES, DIAGNOSIS, Task

Write: TypeAlias = Callable[[Prediction], None]


class ResultFormat(StrEnum):
    """Formats that a program reads."""

    CSV = "csv"
    JSONL = "jsonl"
    PARQUET = "parquet"
    ISIC = "isic"


ISIC_COLUMNS = ("image", *(diagnosis.isic for diagnosis in DIAGNOSES))
_ROWS_PER_GROUP = 5_000
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")


def csv_columns(task: Task) -> tuple[str, ...]:
    """Return the columns of CSV and Parquet for models of a task."""
    answer = ("path", "diagnosis", "name", "probability", "malignant", "risk")
    return (*answer, *(f"p_{code}" for code in task.classes), "set", "set_by_class", "notes", "refusal", "bundle")


@contextmanager
def result_writer(
    result_format: ResultFormat, out: Path | None = None, *, task: Task = DIAGNOSIS, decision: Decision | None = None
) -> Iterator[Write]:
    """Open a place for results; yield the function that writes one.

    A file gets its name once it is whole; if anything fails, what stood there stays.

    Args:
        result_format: `csv`: one row per image with the model's answer and all probabilities. `jsonl`:
            one `Prediction` as JSON per line. `parquet`: the columns of `csv`, unrounded. `isic`: the submission
            format of ISIC 2018 task 3, for the task `diagnosis` only. Its scorer takes the highest value of a row as
            the answer, so it gets the decision's scores instead of the probabilities.
        out: The file; None: standard output.
        task: The task of the model whose results are written.
        decision: The model's decision rule, for `isic`; None answers with the most probable class.

    Raises:
        UsageError: Parquet to standard output, or ISIC's format for a task without its seven diagnoses.
        MissingExtraError: Parquet without pyarrow.
        LesionlabError: The place cannot be written, or is full.
    """
    if result_format is ResultFormat.ISIC and task is not DIAGNOSIS:
        raise UsageError(
            f"the format isic holds seven diagnoses; this model tells {' from '.join(task.classes)}: use csv or jsonl"
        )
    if result_format is ResultFormat.PARQUET:
        if out is None:
            raise UsageError("parquet cannot be written to standard output; name a file with --out")
        _require_pyarrow()
        with replacing(out, binary=True) as stream, _parquet(stream, csv_columns(task)) as write:
            yield write
        return
    with _text_stream(out) as stream:
        yield _text_writer(result_format, stream, task, decision or Decision())


def refuse_repeated_ids(locations: Iterable[str]) -> None:
    """Refuse images that the ISIC format could not tell apart: it names an image by its file's stem alone.

    Raises:
        UsageError: Two images have the same stem.
    """
    seen: dict[str, str] = {}
    for location in locations:
        first = seen.setdefault(image_id(location), location)
        if first != location:
            raise UsageError(f"the format isic cannot tell {first} from {location}; use csv or jsonl, or rename one")


def _text_writer(result_format: ResultFormat, stream: IO[str], task: Task, decision: Decision) -> Write:
    if result_format is ResultFormat.JSONL:
        return lambda prediction: _write_line(stream, prediction)
    rows = csv.writer(stream, lineterminator="\n")
    if result_format is ResultFormat.ISIC:
        rows.writerow(ISIC_COLUMNS)
        return lambda prediction: _ignore(rows.writerow(_isic_row(prediction, decision)))
    rows.writerow(csv_columns(task))
    return lambda prediction: _ignore(rows.writerow(_csv_row(prediction)))


def _ignore(_: object) -> None:
    pass


def _write_line(stream: IO[str], prediction: Prediction) -> None:
    stream.write(json.dumps(prediction.model_dump(mode="json"), ensure_ascii=False) + "\n")


def _csv_row(prediction: Prediction) -> list[str]:
    values = _record(prediction)
    values["path"] = _no_formula(prediction.path)
    values["set"], values["set_by_class"] = " ".join(values["set"]), " ".join(values["set_by_class"])
    values["notes"] = "; ".join(prediction.notes)
    values["refusal"] = "; ".join(values["refusal"])
    return [_cell(value) for value in values.values()]


def _cell(value: object) -> str:
    if value is None:
        return ""
    return f"{value:.6f}" if isinstance(value, float) else str(value)


def _isic_row(prediction: Prediction, decision: Decision) -> list[str]:
    scores = decision.scores(np.array([prediction.probabilities[code] for code in CODES]))
    return [image_id(prediction.path), *(f"{score:.6f}" for score in scores)]


def _record(prediction: Prediction) -> dict[str, Any]:
    best, sets = prediction.top[0], prediction.prediction_set
    return {
        "path": prediction.path,
        "diagnosis": best.diagnosis,
        "name": best.name,
        "probability": best.probability,
        "malignant": prediction.malignant,
        "risk": prediction.risk.value,
        **{f"p_{code}": probability for code, probability in prediction.probabilities.items()},
        "set": list(sets.marginal) if sets else [],
        "set_by_class": list(sets.by_class) if sets else [],
        "notes": list(prediction.notes),
        "refusal": [f"{r.code}: {r.message}" for r in prediction.refusal.reasons] if prediction.refusal else [],
        "bundle": prediction.bundle,
    }


def _no_formula(path: str) -> str:
    # A spreadsheet runs a cell that begins like a formula. `./` stops it and leaves the path what it was.
    return f".{os.sep}{path}" if path.startswith(_FORMULA_STARTS) else path


def _text_stream(out: Path | None) -> AbstractContextManager[IO[str]]:
    return _standard_output() if out is None else replacing(out)


@contextmanager
def _standard_output() -> Iterator[IO[str]]:
    stream = sys.stdout
    if isinstance(stream, TextIOWrapper):
        stream.reconfigure(encoding="utf-8", newline="")  # Windows would write another encoding and line ending
    try:
        yield stream
        stream.flush()
    except BrokenPipeError:
        _forget_standard_output()
        raise SystemExit(1) from None  # the reader has seen enough, as in `| head`
    except OSError as error:
        _forget_standard_output()
        raise LesionlabError(f"cannot write to standard output: {error.strerror or error}") from error


def _forget_standard_output() -> None:
    # The interpreter flushes once more when it leaves, and would complain once more.
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def _require_pyarrow() -> None:
    try:
        import pyarrow.parquet  # noqa: F401 - an extra, looked for
    except ImportError as error:
        raise MissingExtraError("--format parquet", "parquet") from error


@contextmanager
def _parquet(stream: IO[bytes], columns: tuple[str, ...]) -> Iterator[Write]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    texts = dict.fromkeys(("path", "diagnosis", "name", "risk", "bundle"), pa.string())
    kinds = {column: texts.get(column, pa.float64()) for column in columns} | dict.fromkeys(
        ("set", "set_by_class", "notes", "refusal"), pa.list_(pa.string())
    )
    schema = pa.schema(kinds, metadata={"notice": RESEARCH_ONLY})
    rows: list[dict[str, Any]] = []
    with pq.ParquetWriter(stream, schema) as writer:

        def flush() -> None:
            if rows:
                writer.write_table(pa.Table.from_pylist(rows, schema=schema))
                rows.clear()

        def write(prediction: Prediction) -> None:
            rows.append(_record(prediction))
            if len(rows) == _ROWS_PER_GROUP:
                flush()

        yield write
        flush()
