"""Result files: CSV, JSON lines, Parquet and the submission formats of challenges, written row by row."""

import csv
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from io import TextIOWrapper
from pathlib import Path
from typing import IO, Any, TypeAlias

from lesionlab import RESEARCH_ONLY
from lesionlab.bundle import DecisionRule
from lesionlab.errors import MissingExtraError, UsageError
from lesionlab.files import replacing
from lesionlab.prediction.io.challenges import CHALLENGES, challenge_writer
from lesionlab.results import Prediction
from lesionlab.taxonomy import DIAGNOSIS, Task

Write: TypeAlias = Callable[[Prediction], None]


class ResultFormat(StrEnum):
    """Machine-readable formats."""

    CSV = "csv"
    JSONL = "jsonl"
    PARQUET = "parquet"
    ISIC = "isic"
    ISIC_2019 = "isic2019"
    MILK10K = "milk10k"


_ROWS_PER_GROUP = 5_000
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")


def csv_columns(task: Task) -> tuple[str, ...]:
    """Return the columns of CSV and Parquet for models of a task."""
    first = ("image", "status", "p_malignant", "positive", "risk", "diagnosis", "name", "probability", "headline")
    last = ("prediction_set", "balanced_prediction", "abstain_reasons", "ood_score", "notes", "images", "model")
    # The class "malignant" of a binary task shares the column `p_malignant`.
    return tuple(dict.fromkeys((*first, *(f"p_{code}" for code in task.classes), *last)))


@contextmanager
def result_writer(
    result_format: ResultFormat, out: Path | None = None, *, task: Task = DIAGNOSIS, rule: DecisionRule | None = None
) -> Iterator[Write]:
    """Open a destination for results; yield the function that writes one.

    A file gets its name once it is complete; after an error, an earlier file is unchanged.

    Args:
        result_format: `csv`: one row per image or lesion; `images` are those that the result for a lesion rests on.
            `jsonl`: one `Prediction` as JSON per line. `parquet`: the columns of `csv`, unrounded. `isic`, `isic2019`,
            `milk10k`: the submission formats of ISIC 2018 task 3, ISIC 2019 and MILK10k, for models of single diagnoses
            (see `challenges`).
        out: The file; None: standard output.
        task: The task of the model.
        rule: The model's decision rule, for the challenges; None: the most probable class.

    Raises:
        UsageError: Parquet to standard output, or the format of a challenge for classes of several diagnoses.
        MissingExtraError: Parquet without pyarrow.
        LesionlabError: The file cannot be written.
        OSError: Standard output cannot be written.
    """
    if result_format is ResultFormat.PARQUET:
        if out is None:
            raise UsageError("parquet cannot be written to standard output; name a file with --out")
        require_pyarrow("--format parquet")
        with replacing(out, binary=True) as stream, parquet_writer(stream, task) as write:
            yield write
        return
    with _standard_output() if out is None else replacing(out) as stream:
        if result_format in CHALLENGES:
            with challenge_writer(result_format, stream, task, rule or DecisionRule()) as write:
                yield write
        else:
            yield _text_writer(result_format, stream, task)


def _text_writer(result_format: ResultFormat, stream: IO[str], task: Task) -> Write:
    if result_format is ResultFormat.JSONL:
        return lambda prediction: _ignore(stream.write(json.dumps(prediction.model_dump(mode="json")) + "\n"))
    rows = csv.writer(stream, lineterminator="\n")
    rows.writerow(csv_columns(task))
    return lambda prediction: _ignore(rows.writerow(_csv_row(prediction)))


def _ignore(_: object) -> None:
    pass


def _csv_row(prediction: Prediction) -> list[str]:
    values = _record(prediction)
    values["image"] = _no_formula(prediction.image)
    values["prediction_set"] = " ".join(values["prediction_set"])
    values["notes"] = "; ".join(prediction.notes)
    values["images"] = "; ".join(map(_no_formula, values["images"]))
    values["abstain_reasons"] = "; ".join(values["abstain_reasons"])
    return [_cell(value) for value in values.values()]


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.6f}" if isinstance(value, float) else str(value)


def _record(prediction: Prediction) -> dict[str, Any]:
    first = prediction.top[0] if prediction.top else None
    return {
        "image": prediction.image,
        "status": prediction.status,
        "p_malignant": prediction.p_malignant,
        "positive": prediction.positive,
        "risk": prediction.risk.value if prediction.risk else None,
        "diagnosis": first.code if first else None,
        "name": first.name if first else None,
        "probability": first.probability if first else None,
        "headline": prediction.headline,
        **{f"p_{code}": probability for code, probability in prediction.probabilities.items()},
        "prediction_set": list(prediction.prediction_set.codes) if prediction.prediction_set else [],
        "balanced_prediction": prediction.balanced_prediction,
        "abstain_reasons": [f"{reason.code}: {reason.message}" for reason in prediction.abstain_reasons],
        "ood_score": prediction.ood_score,
        "notes": list(prediction.notes),
        "images": [image.image for image in prediction.images if image.used],
        "model": prediction.model,
    }


def _no_formula(path: str) -> str:
    # A spreadsheet evaluates a cell that begins like a formula. `./` prevents it and keeps the path valid.
    return f".{os.sep}{path}" if path.startswith(_FORMULA_STARTS) else path


@contextmanager
def _standard_output() -> Iterator[IO[str]]:
    stream = sys.stdout
    if isinstance(stream, TextIOWrapper):
        # Windows would write another encoding and line ending. File names may hold bytes that are not UTF-8.
        stream.reconfigure(encoding="utf-8", errors="backslashreplace", newline="")
    yield stream
    stream.flush()


def require_pyarrow(purpose: str) -> None:
    """Check that pyarrow is installed.

    Raises:
        MissingExtraError: It is not.
    """
    try:
        import pyarrow.parquet  # noqa: F401 - an optional package
    except ImportError as error:
        raise MissingExtraError(purpose, "parquet", "pyarrow") from error


@contextmanager
def parquet_writer(stream: IO[bytes], task: Task, metadata: Mapping[str, str] | None = None) -> Iterator[Write]:
    """Write the results of models of a task to a stream in Parquet; yield the function that writes one.

    Further metadata are read at the end, when all results are written.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = csv_columns(task)
    text_columns = ("image", "status", "risk", "diagnosis", "name", "headline", "balanced_prediction", "model")
    texts = dict.fromkeys(text_columns, pa.string()) | {"positive": pa.bool_()}
    kinds = {column: texts.get(column, pa.float64()) for column in columns} | dict.fromkeys(
        ("prediction_set", "abstain_reasons", "notes", "images"), pa.list_(pa.string())
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
        if metadata:
            writer.add_key_value_metadata(dict(metadata))
