"""Reading of a written evaluation, so that its images need not be predicted again."""

import json
import math
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from lesionlab.bundle import BundleInfo, OperatingPoint, SeenCounts
from lesionlab.data import Manifest
from lesionlab.errors import DataError
from lesionlab.evaluation.evaluate import Evaluation
from lesionlab.evaluation.figures.curves import History
from lesionlab.evaluation.groups import measure_groups
from lesionlab.evaluation.predictions_file import METRICS, PREDICTIONS, read_predictions
from lesionlab.evaluation.results import EvaluatedSubset
from lesionlab.evaluation.uncertainty import measure_uncertainty
from lesionlab.metrics import MetricsSummary


def read_evaluation(folder: Path, info: BundleInfo, manifest: Manifest, history: History = ()) -> Evaluation | None:
    """Return the evaluation in a folder; None if there is none of a model with the same predictions.

    Probabilities have the six decimals of the file. The metrics are those of the file.

    Args:
        folder: The folder.
        info: Description of the model.
        manifest: The images of the dataset.
        history: Metrics per epoch of the training; empty if unknown.

    Raises:
        DataError: The files are damaged, or are about images of another dataset.
    """
    path = folder / METRICS
    if not path.exists():
        return None
    predictions = read_predictions(folder / PREDICTIONS)
    try:
        metrics: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        # The same graph with another calibration gives other predictions.
        if metrics.get("prediction_sha256") != info.prediction_sha256:
            return None
        summary = MetricsSummary(**{name: metrics[name] for name in MetricsSummary.model_fields})
        points = tuple(OperatingPoint.model_validate(_with_nan(point)) for point in metrics["operating_points"])
        known = {
            name: metrics[name] for name in ("dataset", "subset", "unseen", "manifest_sha256", "lesions_known", "date")
        }
        seen = SeenCounts.model_validate(metrics["seen"]) if metrics.get("seen") else None
    except (OSError, ValueError, KeyError, TypeError, ValidationError) as error:
        raise DataError(f"{path} is damaged ({error}); move it away and evaluate again") from error
    images = manifest.select(predictions.image_ids)
    if summary.n_images != len(images) or tuple(r.diagnosis for r in images) != predictions.diagnoses:
        raise DataError(f"{folder} and the dataset have different images; evaluate again")
    evaluated = EvaluatedSubset(
        records=images.records,
        labels=predictions.labels,
        probabilities=predictions.probabilities,
        locations=tuple(images.location(record) for record in images),
        predicted=predictions.predicted,
        summary=summary,
        task=predictions.task,
        target_scores=predictions.target_scores,
    )
    return Evaluation(
        evaluated=evaluated,
        info=info,
        prediction_sha256=info.prediction_sha256,
        operating_points=points,
        uncertainty=measure_uncertainty(evaluated, info),
        groups=measure_groups(evaluated, points),
        history=history,
        seen=seen,
        **known,
    )


def _with_nan(point: dict[str, Any]) -> dict[str, Any]:
    return {name: math.nan if value is None else value for name, value in point.items()}
