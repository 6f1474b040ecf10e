"""An evaluation that was written, read again: its figures are wanted once more, its images need not be judged again."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from lesionlab.bundle import BundleInfo, OperatingPoint
from lesionlab.data import Manifest
from lesionlab.errors import DataError
from lesionlab.evaluation.evaluate import Evaluation
from lesionlab.evaluation.figures.curves import History
from lesionlab.evaluation.predictions_file import METRICS, PREDICTIONS, read_predictions
from lesionlab.evaluation.results import EvaluatedSubset
from lesionlab.evaluation.uncertainty import measure_uncertainty
from lesionlab.metrics import MetricsSummary


def read_evaluation(folder: Path, info: BundleInfo, manifest: Manifest, history: History = ()) -> Evaluation | None:
    """Return the evaluation that `write_evaluation` left in a folder, None if there is none of a model that answers so.

    Probabilities come back with the six decimals that they were written with; the figures are those of then.

    Args:
        folder: The folder.
        info: Description of the model.
        manifest: The images of the dataset.
        history: Metrics per epoch of the training, if it is known.

    Raises:
        DataError: The files are damaged, or are not about images of this dataset.
    """
    path = folder / METRICS
    if not path.exists():
        return None
    predictions = read_predictions(folder / PREDICTIONS)
    try:
        metrics: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        # One graph may be calibrated in several ways, and each answers differently.
        if metrics.get("prediction_sha256") != info.prediction_sha256:
            return None
        summary = MetricsSummary(**{name: metrics[name] for name in MetricsSummary.model_fields})
        points = tuple(OperatingPoint.model_validate(_with_nan(point)) for point in metrics["operating_points"])
        known = {
            name: metrics[name] for name in ("dataset", "subset", "unseen", "manifest_sha256", "lesions_known", "date")
        }
    except (OSError, ValueError, KeyError, TypeError, ValidationError) as error:
        raise DataError(f"{path} is damaged ({error}); move it away and evaluate again") from error
    part = manifest.select(predictions.image_ids)
    task = predictions.task
    case = EvaluatedSubset(
        records=part.records,
        labels=np.array([task.index(record.diagnosis) for record in part]),
        probabilities=predictions.probabilities,
        locations=tuple(part.location(record) for record in part),
        predicted=predictions.decisions,
        summary=summary,
        task=task,
    )
    if summary.n_images != len(part) or tuple(r.diagnosis for r in part) != predictions.diagnoses:
        raise DataError(f"{folder} and the dataset disagree about the images; evaluate again")
    return Evaluation(
        case=case,
        info=info,
        prediction_sha256=info.prediction_sha256,
        operating_points=points,
        trust=measure_uncertainty(case, info),
        history=history,
        **known,
    )


def _with_nan(point: dict[str, Any]) -> dict[str, Any]:
    return {name: math.nan if value is None else value for name, value in point.items()}
