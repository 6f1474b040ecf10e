"""Evaluation of a model on the images of a subset, and the files that it writes."""

import datetime as dt
import json
import math
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import numpy as np

from lesionlab import RESEARCH_ONLY, __version__
from lesionlab.bundle import BundleInfo, OperatingPoint, SeenCounts
from lesionlab.data import Manifest
from lesionlab.errors import DataError, ImageError
from lesionlab.evaluation.examples import with_maps
from lesionlab.evaluation.figures.curves import History
from lesionlab.evaluation.groups import GroupResults, measure_groups
from lesionlab.evaluation.label_mapping import predict_task, rule_of, task_and_images
from lesionlab.evaluation.predictions_file import METRICS, PREDICTIONS, predictions_csv
from lesionlab.evaluation.report import ReportContext, render_report
from lesionlab.evaluation.results import EvaluatedSubset, measure
from lesionlab.evaluation.robustness import measure_robustness
from lesionlab.evaluation.tables import operating_point_rows
from lesionlab.evaluation.uncertainty import Uncertainty, measure_uncertainty
from lesionlab.files import write_json, write_text
from lesionlab.prediction import Predictor
from lesionlab.prediction.inference.session import IMAGES_PER_RUN
from lesionlab.results import Failure, Prediction
from lesionlab.taxonomy import TASKS

REPORT = "report.html"


@dataclass(frozen=True)
class Evaluation:
    """An evaluated subset with the description of model and data.

    Attributes:
        evaluated: Images, predictions and metrics.
        info: Description of the model.
        prediction_sha256: Hash of everything in the bundle that predictions depend on.
        dataset: Name of the dataset.
        subset: Name of the subset: `train`, `validation`, `test` or `all`.
        unseen: Whether none of the lesions was used to fit, stop or calibrate the model; None if unknown.
        seen: Number of images that the model was fitted to; None if not searched for.
        manifest_sha256: Hash of the dataset's manifest.
        lesions_known: Whether the dataset identifies lesions.
        operating_points: The model's thresholds with their performance on the subset.
        uncertainty: Prediction sets, selective prediction, net benefit, robustness and subgroups.
        groups: Figures by source and by confirmation, and the AUC within source.
        history: Metrics per epoch of the training; empty if unknown.
        date: Day of the evaluation, ISO 8601.
    """

    evaluated: EvaluatedSubset
    info: BundleInfo
    prediction_sha256: str
    dataset: str
    subset: str
    unseen: bool | None
    manifest_sha256: str
    lesions_known: bool
    operating_points: tuple[OperatingPoint, ...]
    uncertainty: Uncertainty = field(default_factory=Uncertainty)
    groups: GroupResults = field(default_factory=GroupResults)
    seen: SeenCounts | None = None
    left_out: Mapping[str, int] = field(default_factory=dict)
    history: History = ()
    date: str = field(default_factory=lambda: dt.datetime.now(dt.UTC).date().isoformat())


def evaluate_subset(
    predictor: Predictor,
    manifest: Manifest,
    *,
    subset: str,
    unseen: bool | None,
    seen: SeenCounts | None = None,
    task: str | None = None,
    manifest_sha256: str | None = None,
    history: History = (),
    resamples: int = 1000,
    corrupted: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Evaluation:
    """Predict every image of a subset, as users of the model would, and measure the predictions.

    On a dataset with coarser labels than the model's classes, such as melanoma or not, the probabilities of the model's
    classes are summed; for labels of fewer diagnoses they are conditional on these (see `lesionlab.taxonomy.views`).
    Images whose label determines no class of the task are left out and counted.

    Args:
        predictor: The model.
        manifest: The images of the subset.
        subset: Name of the subset.
        unseen: Whether none of its lesions was used to fit, stop or calibrate the model; None if unknown.
        seen: Number of images that the model was fitted to; None if not searched for.
        task: Name of the task to measure: the model's own, a coarser one, or one of fewer diagnoses. Default: the
            finest one that all labels determine (see `common_task`).
        manifest_sha256: Hash of the whole dataset's manifest; None if the subset is the whole.
        history: Metrics per epoch of the training, for the report.
        resamples: Bootstrap resamples behind the intervals.
        corrupted: Number of images to predict under each corruption as well (see `corruptions`); 0 for none.
        progress: Called with the number of images done and the total.

    Raises:
        ImageError: An image cannot be read.
        DataError: The labels and the model's classes have no task in common.
    """
    manifest_sha256 = manifest_sha256 or manifest.sha256
    measured, manifest, left_out = task_and_images(TASKS[predictor.info.task], manifest, task)
    locations = tuple(manifest.location(record) for record in manifest)
    predictions, logits = _predict(predictor, locations, progress)
    labels = np.array([measured.index(record.diagnosis) for record in manifest])
    calibrated = predictor.info.calibration.probabilities(logits)
    found = predict_task(predictor.info, measured, calibrated)
    summary = measure(
        labels,
        found.probabilities,
        [record.lesion_id for record in manifest],
        measured,
        predicted=found.predicted,
        target_scores=found.target_scores,
        resamples=resamples,
    )
    robustness = measure_robustness(predictor, manifest, corrupted, measured, progress=progress) if corrupted else ()
    evaluated = EvaluatedSubset(
        manifest.records,
        labels,
        found.probabilities,
        locations,
        found.predicted,
        summary,
        measured,
        found.target_scores,
        predictions,
    )
    return Evaluation(
        evaluated=with_maps(evaluated, predictor),
        info=predictor.info,
        # From the bundle: the predictor adds a threshold for the risk level if the bundle has none.
        prediction_sha256=predictor.bundle.info.prediction_sha256,
        dataset=dataset_name(manifest),
        subset=subset,
        unseen=unseen,
        seen=seen,
        left_out=left_out,
        manifest_sha256=manifest_sha256,
        lesions_known=manifest.lesions_known,
        operating_points=_measured_points(evaluated, predictor.info.operating_points, subset),
        uncertainty=replace(measure_uncertainty(evaluated, predictor.info), robustness=robustness),
        groups=measure_groups(evaluated, predictor.info.operating_points),
        history=history,
    )


def write_evaluation(folder: Path, evaluation: Evaluation) -> None:
    """Write `metrics.json`, `predictions.csv` and `report.html` into a folder.

    `metrics.json` counts the evaluations of a test set: a test set that is read repeatedly while choices are made is no
    longer independent.

    Raises:
        LesionlabError: The folder cannot be written.
    """
    reads = _previous_reads(folder / METRICS) + 1 if evaluation.subset == "test" else None
    environment = {
        "lesionlab": __version__,
        "python": platform.python_version(),
        "onnxruntime": version("onnxruntime"),
        "numpy": version("numpy"),
        "pillow": version("pillow"),
        "platform": f"{platform.system()} {platform.machine()}",
    }
    info, data, evaluated = evaluation.info, evaluation.info.training_data, evaluation.evaluated
    write_text(folder / PREDICTIONS, predictions_csv(evaluated, info))
    context = ReportContext(
        title=f"{info.name} on {evaluation.dataset}",
        # Thresholds for targets that the labels do not determine are left out.
        bundle=info if evaluation.operating_points else info.model_copy(update={"operating_points": ()}),
        dataset=evaluation.dataset,
        subset=_subset_in_words(evaluation),
        unseen=evaluation.unseen,
        seen=evaluation.seen,
        left_out=evaluation.left_out,
        lesions_known=evaluation.lesions_known,
        history=evaluation.history,
        uncertainty=evaluation.uncertainty,
        groups=evaluation.groups,
        environment=environment,
        times_test_was_read=reads,
    )
    write_text(folder / REPORT, render_report(evaluated, context))
    write_json(
        folder / METRICS,
        {
            "notice": RESEARCH_ONLY,
            "bundle": info.identity,
            "graph_sha256": info.graph_sha256,
            "prediction_sha256": evaluation.prediction_sha256,
            "task": evaluated.task.name,
            "decision_rule": rule_of(info, evaluated.task).model_dump(mode="json"),
            "dataset": evaluation.dataset,
            "subset": evaluation.subset,
            "unseen": evaluation.unseen,
            "seen": None if evaluation.seen is None else evaluation.seen.model_dump(mode="json"),
            "left_out": dict(evaluation.left_out),
            "leaky": data.leaky,
            "lesions_known": evaluation.lesions_known,
            "manifest_sha256": evaluation.manifest_sha256,
            "split_sha256": data.split_sha256,
            "times_test_was_read": reads,
            "date": evaluation.date,
            "environment": environment,
            "n_abstained": evaluated.n_abstained,
            "operating_points": [_without_nan(point) for point in evaluation.operating_points],
            **evaluation.uncertainty.to_json(),
            **evaluation.groups.to_json(),
            **evaluated.summary.model_dump(mode="json"),
        },
    )


def with_test_results(info: BundleInfo, evaluation: Evaluation) -> BundleInfo:
    """Return the description of a model with the results on its test set."""
    # Operating points with undefined figures, such as an NPV without negative predictions, are not replaced.
    measured = {
        (point.name, point.target): point
        for point in evaluation.operating_points
        if None not in _without_nan(point).values()
    }
    points = tuple(measured.get((point.name, point.target), point) for point in info.operating_points)
    return info.model_copy(update={"metrics": evaluation.evaluated.summary.overall, "operating_points": points})


def dataset_name(manifest: Manifest) -> str:
    """Return the name of a dataset in results: its datasets, or its folder if they are unknown."""
    datasets = sorted({record.dataset for record in manifest} - {"unknown"})
    return " + ".join(datasets) or manifest.root.resolve().name


def _predict(
    predictor: Predictor, locations: Sequence[str], progress: Callable[[int, int], None] | None
) -> tuple[tuple[Prediction, ...], np.ndarray]:
    """Return predictions and logits, float32 [N, C]."""
    predictions: list[Prediction] = []
    logits = np.empty((len(locations), len(predictor.info.classes)), dtype=np.float32)
    for found in predictor.pipeline.predict_with_logits(locations, IMAGES_PER_RUN):
        if isinstance(found, Failure):
            raise ImageError(f"{found.image}: {found.error}")
        prediction, logits[len(predictions)] = found
        predictions.append(prediction)
        if progress is not None and (len(predictions) % IMAGES_PER_RUN == 0 or len(predictions) == len(locations)):
            progress(len(predictions), len(locations))
    return tuple(predictions), logits


def _measured_points(
    evaluated: EvaluatedSubset, points: Sequence[OperatingPoint], subset: str
) -> tuple[OperatingPoint, ...]:
    known: dict[str, Literal["validation", "test"]] = {"validation": "validation", "test": "test"}
    return tuple(row.measured(known.get(subset, "other")) for row in operating_point_rows(evaluated, points))


def _without_nan(point: OperatingPoint) -> dict[str, Any]:
    """Return a point for JSON, with null for undefined values."""
    values = point.model_dump(mode="json", exclude_none=True)
    return {k: None if isinstance(v, float) and math.isnan(v) else v for k, v in values.items()}


def _subset_in_words(evaluation: Evaluation) -> str:
    if evaluation.subset == "all":
        return "all images"
    unit = "image" if evaluation.info.training_data.leaky else "lesion"
    return f"{evaluation.subset} set, split by {unit}"


def _previous_reads(metrics: Path) -> int:
    try:
        return int(json.loads(metrics.read_text(encoding="utf-8")).get("times_test_was_read") or 0)
    except FileNotFoundError:
        return 0
    except (OSError, ValueError, TypeError, AttributeError) as error:  # the last two: JSON of another form
        raise DataError(f"{metrics} is damaged ({error}); move it away and evaluate again") from error
