"""Evaluation: from a model and the images of one part to metrics, predictions and a report."""

import csv
import datetime as dt
import io
import json
import math
import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import numpy as np

from lesionlab import RESEARCH_ONLY, __version__
from lesionlab.bundle import BundleInfo, OperatingPoint
from lesionlab.data import Manifest
from lesionlab.errors import DataError
from lesionlab.evaluation.examples import with_maps
from lesionlab.evaluation.figures.curves import History
from lesionlab.evaluation.label_mapping import answerable_task, answers
from lesionlab.evaluation.predictions_file import METRICS, PREDICTIONS
from lesionlab.evaluation.report import ReportContext, render_report
from lesionlab.evaluation.results import EvaluatedSubset, measure
from lesionlab.evaluation.robustness import measure_robustness
from lesionlab.evaluation.tables import operating_point_rows
from lesionlab.evaluation.uncertainty import Uncertainty, measure_uncertainty
from lesionlab.files import write_json, write_text
from lesionlab.prediction import Predictor
from lesionlab.taxonomy import DIAGNOSIS, TASKS

REPORT = "report.html"


@dataclass(frozen=True)
class Evaluation:
    """What was evaluated and what came out.

    Attributes:
        case: Images, answers and metrics.
        info: Description of the model.
        prediction_sha256: What its bundle says of all that an answer depends on; a later evaluation compares it.
        dataset: Name of the dataset.
        subset: Name of the part: `train`, `validation`, `test` or `all`.
        unseen: Whether none of the lesions was used to fit, stop or calibrate the model.
        manifest_sha256: Hash of the dataset's manifest.
        lesions_known: Whether the dataset tells which images show one lesion.
        operating_points: The model's thresholds with what was measured here.
        trust: Prediction sets, leaving out doubtful images, net benefit.
        history: Metrics per epoch of the training, if it is known.
        date: Day of the evaluation, ISO 8601.
    """

    case: EvaluatedSubset
    info: BundleInfo
    prediction_sha256: str
    dataset: str
    subset: str
    unseen: bool
    manifest_sha256: str
    lesions_known: bool
    operating_points: tuple[OperatingPoint, ...]
    trust: Uncertainty = field(default_factory=Uncertainty)
    history: History = ()
    date: str = field(default_factory=lambda: dt.datetime.now(dt.UTC).date().isoformat())


def evaluate_subset(
    predictor: Predictor,
    manifest: Manifest,
    *,
    subset: str,
    unseen: bool,
    manifest_sha256: str | None = None,
    history: History = (),
    resamples: int = 1000,
    corrupted: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Evaluation:
    """Judge every image of a part with the model as its users will have it, and measure.

    A dataset that tells less than the model, such as melanoma or not, is measured on what it tells: the
    probabilities of the model's classes are summed.

    Args:
        predictor: The model.
        manifest: The images of the part.
        subset: Its name.
        unseen: Whether none of its lesions was used to fit, stop or calibrate the model.
        manifest_sha256: Hash of the whole dataset's manifest; None if the part is the whole.
        history: Metrics per epoch of the training, for the report.
        resamples: Bootstrap resamples behind the intervals.
        corrupted: Number of images to judge under each corruption as well (see `corruptions`); 0 for none.
        progress: Called with the number of images done and the number in all.

    Raises:
        ImageError: An image cannot be read; nothing is left out silently.
        DataError: The dataset tells less than any question that the model can answer.
    """
    locations = tuple(manifest.location(record) for record in manifest)
    logits = predictor.predict_logits(locations, progress=progress)
    probabilities = predictor.info.calibration.probabilities(logits)
    task = answerable_task(TASKS[predictor.info.task], manifest)
    labels = np.array([task.index(record.diagnosis) for record in manifest])
    probabilities, predicted = answers(predictor.info, task, probabilities)
    lesions = [record.lesion_id for record in manifest]
    summary = measure(labels, probabilities, lesions, task, predicted=predicted, resamples=resamples)
    robustness = measure_robustness(predictor, manifest, corrupted, progress=progress) if corrupted else ()
    case = EvaluatedSubset(manifest.records, labels, probabilities, locations, predicted, summary, task)
    return Evaluation(
        case=with_maps(case, predictor),
        info=predictor.info,
        # The bundle's own: the predictor adds a threshold for the risk level where the bundle has none.
        prediction_sha256=predictor.bundle.info.prediction_sha256,
        dataset=dataset_name(manifest),
        subset=subset,
        unseen=unseen,
        manifest_sha256=manifest_sha256 or manifest.sha256,
        lesions_known=manifest.lesions_known,
        operating_points=_measured(case, predictor.info.operating_points, subset),
        trust=replace(measure_uncertainty(case, predictor.info), robustness=robustness),
        history=history,
    )


def write_evaluation(folder: Path, evaluation: Evaluation) -> None:
    """Write `metrics.json`, `predictions.csv` and `report.html` into a folder.

    Each evaluation of a test part is counted in `metrics.json`: a part that is read again and again while
    choices are made is no test any more.

    Raises:
        LesionlabError: The folder cannot be written.
    """
    reads = _reads_so_far(folder / METRICS) + 1 if evaluation.subset == "test" else None
    environment = {
        "lesionlab": __version__,
        "python": platform.python_version(),
        "onnxruntime": version("onnxruntime"),
        "numpy": version("numpy"),
        "pillow": version("pillow"),
        "platform": f"{platform.system()} {platform.machine()}",
    }
    info, data = evaluation.info, evaluation.info.training_data
    write_text(folder / PREDICTIONS, _predictions_csv(evaluation.case, info))
    context = ReportContext(
        title=f"{info.name} on {evaluation.dataset}",
        # Thresholds on something else than what these images tell are not shown.
        bundle=info if evaluation.operating_points else info.model_copy(update={"operating_points": ()}),
        dataset=evaluation.dataset,
        subset=_part_in_words(evaluation),
        unseen=evaluation.unseen,
        lesions_known=evaluation.lesions_known,
        history=evaluation.history,
        trust=evaluation.trust,
        environment=environment,
        times_test_was_read=reads,
    )
    write_text(folder / REPORT, render_report(evaluation.case, context))
    write_json(
        folder / METRICS,
        {
            "notice": RESEARCH_ONLY,
            "bundle": info.identity,
            "graph_sha256": info.graph_sha256,
            "prediction_sha256": evaluation.prediction_sha256,
            "task": evaluation.case.task.name,
            "dataset": evaluation.dataset,
            "subset": evaluation.subset,
            "unseen": evaluation.unseen,
            "leaky": data.leaky,
            "lesions_known": evaluation.lesions_known,
            "manifest_sha256": evaluation.manifest_sha256,
            "split_sha256": data.split_sha256,
            "times_test_was_read": reads,
            "date": evaluation.date,
            "environment": environment,
            "operating_points": [_defined(point) for point in evaluation.operating_points],
            **evaluation.trust.to_json(),
            **evaluation.case.summary.model_dump(mode="json"),
        },
    )


def with_test_results(info: BundleInfo, evaluation: Evaluation) -> BundleInfo:
    """Return the description of a model with what was measured on its test part."""
    # Where a figure is not defined (nothing called benign, for one), what the model says so far stays.
    measured = {point.name: point for point in evaluation.operating_points if None not in _defined(point).values()}
    points = tuple(measured.get(point.name, point) for point in info.operating_points)
    return info.model_copy(update={"metrics": evaluation.case.summary.overall, "operating_points": points})


def dataset_name(manifest: Manifest) -> str:
    """Return what a dataset is called in results: its sources, or its folder where they are not known."""
    sources = sorted({record.source for record in manifest} - {"unknown"})
    return " + ".join(sources) or manifest.root.resolve().name


def _measured(case: EvaluatedSubset, points: Sequence[OperatingPoint], subset: str) -> tuple[OperatingPoint, ...]:
    where: dict[str, Literal["validation", "test"]] = {"validation": "validation", "test": "test"}
    return tuple(row.measured(where.get(subset, "other")) for row in operating_point_rows(case, points))


def _defined(point: OperatingPoint) -> dict[str, Any]:
    """Return a point for JSON, which has no nan: what the data do not define is null."""
    values = point.model_dump(mode="json")
    return {k: None if isinstance(v, float) and math.isnan(v) else v for k, v in values.items()}


def _part_in_words(evaluation: Evaluation) -> str:
    if evaluation.subset == "all":
        return "all images"
    unit = "image" if evaluation.info.training_data.leaky else "lesion"
    return f"{evaluation.subset} part, split by {unit}"


def _reads_so_far(metrics: Path) -> int:
    try:
        return int(json.loads(metrics.read_text(encoding="utf-8")).get("times_test_was_read") or 0)
    except FileNotFoundError:
        return 0
    except (OSError, ValueError, TypeError, AttributeError) as error:  # the last two: JSON of another form
        raise DataError(f"{metrics} is damaged ({error}); move it away and evaluate again") from error


def _predictions_csv(case: EvaluatedSubset, info: BundleInfo) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    classes, same = case.task.classes, case.task is DIAGNOSIS  # there the class is the diagnosis
    actual = [] if same else ["actual"]
    trust = _trust_columns(case, info)
    columns = ["image_id", "lesion_id", "diagnosis", *actual, "predicted", *(f"p_{code}" for code in classes)]
    writer.writerow([*columns, *trust])
    rows = zip(case.records, case.labels, case.predicted, case.probabilities, strict=True)
    for number, (record, label, predicted, row) in enumerate(rows):
        truth = [] if same else [classes[int(label)]]
        answer = [classes[int(predicted)], *(f"{value:.6f}" for value in row)]
        of_trust = [column[number] for column in trust.values()]
        writer.writerow([record.image_id, record.lesion_id, record.diagnosis, *truth, *answer, *of_trust])
    return out.getvalue()


def _trust_columns(case: EvaluatedSubset, info: BundleInfo) -> dict[str, list[str]]:
    """Return how certain each answer is and what it does not rule out, by name of the column, as far as is known."""
    if case.task.classes != info.classes:
        return {}
    certainty = info.decision_rule.scores(case.probabilities).max(axis=1)
    columns = {"certainty": [f"{value:.6f}" for value in certainty]}
    if info.prediction_sets is not None:
        members = info.prediction_sets.marginal_members(case.probabilities)
        columns["prediction_set"] = [
            " ".join(code for code, held in zip(info.classes, row, strict=True) if held) for row in members
        ]
    return columns
