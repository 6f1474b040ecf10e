"""Result files, read back."""

import csv
import io
import json
import os
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from lesionlab import RESEARCH_ONLY
from lesionlab.errors import LesionlabError, MissingExtraError, UsageError
from lesionlab.prediction.io.challenges import CHALLENGES
from lesionlab.prediction.io.writers import ResultFormat, csv_columns, result_writer
from lesionlab.results import AbstainReason, OperatingPointResult, Prediction, PredictionSet, RankedDiagnosis
from lesionlab.taxonomy import CODES, TASKS, Risk

PROBABILITIES = (0.5, 0.25, 0.125, 0.0625, 0.03125, 0.015625, 0.015625)


def prediction(image: str = "photos/ISIC_1.jpg", notes: tuple[str, ...] = ()) -> Prediction:
    point = OperatingPointResult(
        name="95% sensitivity", target="malignant", threshold=0.1, target_probability=0.6875, positive=True
    )
    return Prediction(
        image=image,
        status="ok",
        p_malignant=0.6875,
        risk=Risk.HIGH,
        operating_points=(point,),
        probabilities=dict(zip(CODES, PROBABILITIES, strict=True)),
        top=tuple(
            RankedDiagnosis(code=code, name=name, probability=p)
            for code, name, p in (("mel", "Melanoma", 0.5), ("nv", "Melanocytic nevus", 0.25), ("bcc", "BCC", 0.125))
        ),
        prediction_set=PredictionSet(coverage=0.9, codes=("mel", "nv", "bcc")),
        balanced_prediction="bcc",
        ood_score=1.25,
        notes=notes,
        model="tiny@0123456789ab",
    )


def write(result_format: ResultFormat, out: Path, predictions: list[Prediction]) -> None:
    with result_writer(result_format, out) as write_one:
        for one in predictions:
            write_one(one)


def rows(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"))))


def test_csv_holds_all_columns(tmp_path: Path) -> None:
    one = prediction('a, "b"\n.jpg', ("first", "second"))
    write(ResultFormat.CSV, tmp_path / "r.csv", [one])
    (row,) = rows(tmp_path / "r.csv")
    assert row == {
        "image": 'a, "b"\n.jpg',
        "status": "ok",
        "p_malignant": "0.687500",
        "positive": "true",
        "risk": "high",
        "diagnosis": "mel",
        "name": "Melanoma",
        "probability": "0.500000",
        "headline": one.headline,
        **{f"p_{code}": f"{p:.6f}" for code, p in zip(CODES, PROBABILITIES, strict=True)},
        "prediction_set": "mel nv bcc",
        "balanced_prediction": "bcc",
        "abstain_reasons": "",
        "ood_score": "1.250000",
        "notes": "first; second",
        "images": "",
        "model": "tiny@0123456789ab",
    }


def abstention() -> Prediction:
    (point,) = prediction().operating_points
    empty = {"risk": None, "top": (), "prediction_set": None, "balanced_prediction": None}
    reason = AbstainReason(code="too_dark", message="too dark")
    points = (point.model_copy(update={"positive": None}),)
    changes = {"status": "abstained", "abstain_reasons": (reason,), "operating_points": points, **empty}
    return Prediction.model_validate(dict(prediction()) | changes)


@pytest.mark.parametrize("result_format", list(ResultFormat))
def test_abstention_is_in_every_format_without_risk_and_diagnosis(tmp_path: Path, result_format: ResultFormat) -> None:
    write(result_format, tmp_path / "r", [abstention()])
    if result_format is ResultFormat.PARQUET:
        parquet = pytest.importorskip("pyarrow.parquet")
        (row,) = parquet.read_table(tmp_path / "r").to_pylist()
    elif result_format is ResultFormat.JSONL:
        row = json.loads((tmp_path / "r").read_text())
        assert (row["top"], row["prediction_set"]) == ([], None)
    else:
        (row,) = rows(tmp_path / "r")
    if result_format in CHALLENGES:
        assert next(iter(row.values())) == "ISIC_1"
        return
    assert row["status"] == "abstained"
    assert not any(row.get(name) for name in ("risk", "diagnosis", "name", "positive", "balanced_prediction"))
    assert "too_dark" in str(row["abstain_reasons"])


def binary(task: str, p_malignant: float | None) -> Prediction:
    first, second = TASKS[task].classes
    names = dict(zip(TASKS[task].classes, TASKS[task].names, strict=True))
    probabilities = {first: 0.25, second: 0.75}
    return Prediction(
        image="a.jpg",
        status="ok",
        p_malignant=p_malignant,
        risk=Risk.HIGH,
        operating_points=(),
        probabilities=probabilities,
        top=tuple(RankedDiagnosis(code=c, name=names[c], probability=probabilities[c]) for c in (second, first)),
        balanced_prediction=second,
        model="tiny@0123456789ab",
    )


@pytest.mark.parametrize(("task", "p_malignant"), [("malignant", 0.75), ("melanoma", None)])
def test_columns_follow_the_classes_of_the_task(tmp_path: Path, task: str, p_malignant: float | None) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    for result_format, name in ((ResultFormat.CSV, "r.csv"), (ResultFormat.PARQUET, "r.parquet")):
        with result_writer(result_format, tmp_path / name, task=TASKS[task]) as write_one:
            write_one(binary(task, p_malignant))
    (row,) = rows(tmp_path / "r.csv")
    first, second = TASKS[task].classes
    assert list(row) == list(csv_columns(TASKS[task]))
    assert (row["diagnosis"], row[f"p_{first}"], row[f"p_{second}"]) == (second, "0.250000", "0.750000")
    assert row["p_malignant"] == ("" if p_malignant is None else "0.750000")
    (record,) = parquet.read_table(tmp_path / "r.parquet").to_pylist()
    assert list(record) == list(row)
    assert (record["p_malignant"], record[f"p_{second}"]) == (p_malignant, 0.75)


@pytest.mark.parametrize("name", ["=HYPERLINK(1)", "+1.jpg", "-a.jpg", "@a.jpg", "\ta.jpg"])
def test_no_csv_cell_starts_like_a_formula(tmp_path: Path, name: str) -> None:
    write(ResultFormat.CSV, tmp_path / "r.csv", [prediction(name)])
    (row,) = rows(tmp_path / "r.csv")
    assert row["image"] == os.path.join(".", name)
    assert os.path.normpath(row["image"]) == name


def test_jsonl_holds_one_prediction_per_line(tmp_path: Path) -> None:
    written = [prediction("é.jpg", ("a\nb",)), prediction()]
    write(ResultFormat.JSONL, tmp_path / "r.jsonl", written)
    lines = (tmp_path / "r.jsonl").read_text(encoding="utf-8").splitlines()
    assert [Prediction.model_validate_json(line) for line in lines] == written
    assert set(json.loads(lines[0])) == {*Prediction.model_fields, "headline"}


@pytest.mark.slow
def test_parquet_keeps_all_digits(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    write(ResultFormat.PARQUET, tmp_path / "r.parquet", [prediction(f"{i}.jpg", ("note",)) for i in range(5_001)])
    table = parquet.read_table(tmp_path / "r.parquet")
    assert table.num_rows == 5_001
    assert parquet.ParquetFile(tmp_path / "r.parquet").num_row_groups == 2
    assert table.slice(5_000).to_pylist() == [
        {
            "image": "5000.jpg",
            "status": "ok",
            "p_malignant": 0.6875,
            "positive": True,
            "risk": "high",
            "diagnosis": "mel",
            "name": "Melanoma",
            "probability": 0.5,
            "headline": prediction().headline,
            **{f"p_{code}": p for code, p in zip(CODES, PROBABILITIES, strict=True)},
            "prediction_set": ["mel", "nv", "bcc"],
            "balanced_prediction": "bcc",
            "abstain_reasons": [],
            "ood_score": 1.25,
            "notes": ["note"],
            "images": [],
            "model": "tiny@0123456789ab",
        }
    ]
    assert table.schema.metadata[b"notice"].decode() == RESEARCH_ONLY


def test_parquet_needs_a_file_and_its_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="--out"), result_writer(ResultFormat.PARQUET):
        pass
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(MissingExtraError, match="parquet"), result_writer(ResultFormat.PARQUET, tmp_path / "r.parquet"):
        pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("result_format", list(ResultFormat))
def test_failure_keeps_the_old_file(tmp_path: Path, result_format: ResultFormat) -> None:
    out = tmp_path / "r"
    out.write_text("old")
    with pytest.raises(ZeroDivisionError), result_writer(result_format, out) as write_one:
        write_one(prediction())
        raise ZeroDivisionError
    assert out.read_text() == "old"
    assert list(tmp_path.iterdir()) == [out]


@pytest.mark.parametrize("result_format", list(ResultFormat))
def test_unwritable_output_is_reported_at_once(tmp_path: Path, result_format: ResultFormat) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(LesionlabError, match="cannot write"),
        result_writer(result_format, tmp_path / "file" / "r"),
    ):
        pytest.fail("the writer opened")


FULL_DISK = """
import resource, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from test_writers import prediction
from lesionlab.errors import LesionlabError
from lesionlab.prediction.io.writers import ResultFormat, result_writer
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
try:
    with result_writer(ResultFormat(sys.argv[2]), Path(sys.argv[3])) as write:
        for i in range(6_000):
            write(prediction(f"{i}.jpg"))
except LesionlabError as error:
    print(error)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs a limit on file sizes")
@pytest.mark.parametrize(
    "result_format",
    [
        ResultFormat.CSV,
        *(pytest.param(one, marks=pytest.mark.slow) for one in ResultFormat if one is not ResultFormat.CSV),
    ],
)
def test_full_disk_is_reported_and_keeps_the_old_file(tmp_path: Path, result_format: ResultFormat) -> None:
    out = tmp_path / "r"
    out.write_text("old")
    command = [sys.executable, "-c", FULL_DISK, str(Path(__file__).parent), result_format.value, str(out)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout.startswith(f"cannot write {out}: File too large. Free some space"), done.stderr
    assert "Traceback" not in done.stderr
    assert out.read_text() == "old"
    assert list(tmp_path.iterdir()) == [out]


@pytest.mark.parametrize("result_format", [ResultFormat.CSV, ResultFormat.JSONL, ResultFormat.ISIC])
def test_standard_output_gets_the_same_lines_as_a_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], result_format: ResultFormat
) -> None:
    write(result_format, tmp_path / "r", [prediction()])
    with result_writer(result_format) as write_one:
        write_one(prediction())
    assert capsys.readouterr().out == (tmp_path / "r").read_text()


@pytest.fixture
def traced() -> Iterator[None]:
    tracemalloc.start()
    yield
    tracemalloc.stop()


@pytest.mark.slow
@pytest.mark.usefixtures("traced")
@pytest.mark.parametrize("result_format", list(ResultFormat))
def test_memory_does_not_grow_with_the_number_of_rows(tmp_path: Path, result_format: ResultFormat) -> None:
    one = prediction()
    with result_writer(result_format, tmp_path / "r") as write_one:
        for _ in range(10_000):
            write_one(one)
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(90_000):
            write_one(one)
        assert tracemalloc.get_traced_memory()[1] - before < 30 * 2**20
