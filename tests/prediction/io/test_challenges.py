"""Submission formats of challenges."""

import csv
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from isic_challenge_scoring.classification import ClassificationMetric, ClassificationScore

from lesionlab.bundle import DecisionRule
from lesionlab.errors import UsageError
from lesionlab.prediction.io.challenges import CHALLENGES, require_unique_ids
from lesionlab.prediction.io.writers import ResultFormat, result_writer
from lesionlab.results import AbstainReason, Prediction, RankedDiagnosis
from lesionlab.taxonomy import CODES, DIAGNOSIS, DIAGNOSIS_11, TASKS, Risk, Task

SEVEN = (0.5, 0.25, 0.125, 0.0625, 0.03125, 0.015625, 0.015625)
ELEVEN = (0.25, 0.125, 0.0625, 0.0625, 0.0, 0.0, 0.0, 0.25, 0.125, 0.0625, 0.0625)


def prediction(image: str, values: tuple[float, ...], task: Task, *, abstained: bool = False) -> Prediction:
    probabilities = dict(zip(task.classes, values, strict=True))
    first = max(probabilities, key=probabilities.__getitem__)
    return Prediction(
        image=image,
        status="abstained" if abstained else "ok",
        abstain_reasons=(AbstainReason(code="too_dark", message="too dark"),) if abstained else (),
        p_malignant=sum(probabilities[code] for code in task.malignant),
        risk=None if abstained else Risk.HIGH,
        operating_points=(),
        probabilities=probabilities,
        top=() if abstained else (RankedDiagnosis(code=first, name=task.name_of(first), probability=max(values)),),
        balanced_prediction=None if abstained else first,
        model="tiny@0123456789ab",
    )


def written(
    name: str, folder: Path, task: Task, *predictions: Prediction, rule: DecisionRule | None = None
) -> list[dict[str, str]]:
    with result_writer(ResultFormat(name), folder / "r.csv", task=task, rule=rule) as write:
        for one in predictions:
            write(one)
    with (folder / "r.csv").open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def values(row: dict[str, str]) -> list[float]:
    return [float(value) for value in list(row.values())[1:]]


@pytest.mark.parametrize(
    ("name", "header"),
    [
        ("isic", "image MEL NV BCC AKIEC BKL DF VASC"),
        ("isic2019", "image MEL NV BCC AK BKL DF VASC SCC UNK"),
        ("milk10k", "lesion_id AKIEC BCC BEN_OTH BKL DF INF MAL_OTH MEL NV SCCKA VASC"),
    ],
)
def test_columns_are_those_of_the_challenge(tmp_path: Path, name: str, header: str) -> None:
    for task, of_model in ((DIAGNOSIS, SEVEN), (DIAGNOSIS_11, ELEVEN)):
        images = [prediction(image, of_model, task) for image in ("a/ISIC_1.jpg", "set.zip::ISIC_2.jpg")]
        rows = written(name, tmp_path, task, *images)
        assert list(rows[0]) == header.split()
        assert [next(iter(row.values())) for row in rows] == ["ISIC_1", "ISIC_2"]
        assert sum(values(rows[0])) == pytest.approx(1, abs=1e-5)


def test_seven_classes_in_each_format(tmp_path: Path) -> None:
    one = prediction("ISIC_1.jpg", SEVEN, DIAGNOSIS)
    for name in ("isic", "isic2019"):
        (row,) = written(name, tmp_path, DIAGNOSIS, one)
        assert values(row)[:7] == pytest.approx(SEVEN, abs=1e-6)
        assert values(row)[7:] == [0.0] * (len(values(row)) - 7)
    (row,) = written("milk10k", tmp_path, DIAGNOSIS, one)
    assert [float(row[code.upper()]) for code in CODES] == pytest.approx(SEVEN, abs=1e-6)
    assert row["SCCKA"] == row["MAL_OTH"] == row["BEN_OTH"] == row["INF"] == "0.000000"


def test_eleven_classes_in_each_format(tmp_path: Path) -> None:
    one = prediction("ISIC_1.jpg", ELEVEN, DIAGNOSIS_11)
    (row,) = written("isic", tmp_path, DIAGNOSIS_11, one)  # conditional on the seven
    assert values(row) == pytest.approx([value / 0.5 for value in ELEVEN[:7]], abs=1e-6)
    (row,) = written("isic2019", tmp_path, DIAGNOSIS_11, one)
    assert values(row)[:7] == pytest.approx(ELEVEN[:7], abs=1e-6)
    assert (float(row["SCC"]), float(row["UNK"])) == (0.25, 0.25)
    (row,) = written("milk10k", tmp_path, DIAGNOSIS_11, one)
    names = {"scc": "SCCKA"}
    assert [float(row[names.get(code, code.upper())]) for code in DIAGNOSIS_11.classes] == list(ELEVEN)


def test_values_are_scores_of_the_balanced_rule(tmp_path: Path) -> None:
    rule = DecisionRule(exponent=1, weights=(1, 1, 10, 1, 1, 1, 1))  # lifts bcc over mel
    (row,) = written("isic", tmp_path, DIAGNOSIS, prediction("ISIC_1.jpg", SEVEN, DIAGNOSIS), rule=rule)
    scores = {name: float(value) for name, value in row.items() if name != "image"}
    assert max(scores, key=scores.__getitem__) == "BCC"
    assert sum(scores.values()) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("name", CHALLENGES)
@pytest.mark.parametrize("task", ["malignant", "melanoma"])
def test_classes_of_several_diagnoses_are_rejected(tmp_path: Path, name: str, task: str) -> None:
    with (
        pytest.raises(UsageError, match=rf"^the format {name} needs single diagnoses; .*: use csv or jsonl$"),
        result_writer(ResultFormat(name), tmp_path / "r", task=TASKS[task]),
    ):
        pytest.fail("the writer opened")
    assert list(tmp_path.iterdir()) == []


def test_images_of_a_lesion_have_one_row_in_milk10k(tmp_path: Path) -> None:
    other = tuple(reversed(ELEVEN))
    rows = written(
        "milk10k",
        tmp_path,
        DIAGNOSIS_11,
        prediction("test/IL_0000002/ISIC_1.jpg", ELEVEN, DIAGNOSIS_11),
        prediction("x.zip::test/IL_0000001/ISIC_2.jpg", other, DIAGNOSIS_11),
        prediction("test/IL_0000002/ISIC_3.jpg", other, DIAGNOSIS_11),
        prediction("test/IL_0000001/ISIC_4.jpg", ELEVEN, DIAGNOSIS_11, abstained=True),
        prediction("test/IL_0000003/ISIC_5.jpg", ELEVEN, DIAGNOSIS_11, abstained=True),
    )
    assert [row["lesion_id"] for row in rows] == ["IL_0000002", "IL_0000001", "IL_0000003"]
    found = [float(row["MEL"]) for row in rows]
    assert found == pytest.approx([(ELEVEN[0] + other[0]) / 2, other[0], ELEVEN[0]])


def test_the_official_scorer_reads_the_seven_class_view(tmp_path: Path) -> None:
    images = [f"ISIC_{number:07d}" for number in range(14)]
    predictions = []
    for number, image in enumerate(images):
        scores = [0.02] * 11
        scores[number % 7], scores[7] = 0.3, 0.5  # scc is most probable, and no column
        predictions.append(prediction(f"{image}.jpg", tuple(scores), DIAGNOSIS_11))
    found = pd.DataFrame([values(row) for row in written("isic", tmp_path, DIAGNOSIS_11, *predictions)])
    truth = pd.DataFrame(np.eye(7)[[number % 7 for number in range(14)]])
    weights = pd.DataFrame({"score_weight": 1.0, "validation_weight": 1.0}, index=truth.index)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pandas warnings of the scorer
        score = ClassificationScore(truth, found, weights, ClassificationMetric.BALANCED_ACCURACY)
    assert score.overall == 1


def test_names_are_unique_where_they_identify_a_row() -> None:
    require_unique_ids("isic", ["a/1.jpg", "b/2.jpg"])
    require_unique_ids("milk10k", ["IL_1/1.jpg", "IL_1/2.jpg"])
    for name in ("isic", "isic2019"):
        with pytest.raises(UsageError, match=r"a/1\.jpg and b/1\.png have the same name"):
            require_unique_ids(name, ["a/1.jpg", "b/1.png"])
