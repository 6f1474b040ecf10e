"""Robustness of a model to image corruptions."""

import hashlib
from collections.abc import Callable, Iterator

import numpy as np

from lesionlab.bundle.evaluation import RobustnessPoint
from lesionlab.data import ImageRecord, Manifest
from lesionlab.errors import ImageError
from lesionlab.evaluation.corruptions import CORRUPTIONS, SEVERITIES, corrupted
from lesionlab.evaluation.label_mapping import predict_task
from lesionlab.evaluation.results import measure, target_metric
from lesionlab.images import load_image
from lesionlab.prediction import Predictor
from lesionlab.results import Failure, Prediction
from lesionlab.taxonomy import Task

_RESAMPLES = 200
# Larger than any network's input.
_SIDE = 448


def measure_robustness(
    predictor: Predictor,
    manifest: Manifest,
    images: int,
    task: Task,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[RobustnessPoint, ...]:
    """Predict some images unchanged (severity 0) and under each corruption at each severity.

    Args:
        predictor: The model.
        manifest: The images of the subset.
        images: Number of images, balanced over the classes as far as possible.
        task: The task to measure, which every label determines.
        progress: Called with the number of images done and the total.

    Raises:
        ImageError: An image cannot be read.
    """
    chosen = _balanced_sample(manifest, images)
    labels = np.array([task.index(record.diagnosis) for record in chosen])
    stages = [("none", 0), *((name, severity) for name in CORRUPTIONS for severity in SEVERITIES)]
    points = []
    for done, (name, severity) in enumerate(stages):
        predictions: list[Prediction] = []
        for found in predictor.predict_many(_images(manifest, chosen, name, severity)):
            if isinstance(found, Failure):
                raise ImageError(f"{found.image}: {found.error}")
            predictions.append(found)
            if progress is not None:
                progress(done * len(chosen) + len(predictions), len(stages) * len(chosen))
        probabilities = np.array([list(one.probabilities.values()) for one in predictions])
        of_task = predict_task(predictor.info, task, probabilities)
        summary = measure(
            labels,
            of_task.probabilities,
            [record.lesion_id for record in chosen],
            task,
            predicted=of_task.predicted,
            target_scores=of_task.target_scores,
            resamples=_RESAMPLES,
        )
        points.append(
            RobustnessPoint(
                corruption=name,
                severity=severity,
                n_images=len(chosen),
                balanced_accuracy=summary.overall["balanced_accuracy"],
                auc=target_metric(summary, task, "auc"),
                abstained=sum(one.abstained for one in predictions) / len(predictions),
            )
        )
    return tuple(points)


def _balanced_sample(manifest: Manifest, images: int) -> list[ImageRecord]:
    """Return a sample with equal numbers of each diagnosis as far as possible, in the order of a hash."""
    by_diagnosis: dict[str, list[ImageRecord]] = {}
    for record in sorted(manifest, key=lambda r: hashlib.sha256(r.image_id.encode()).digest()):
        by_diagnosis.setdefault(record.diagnosis, []).append(record)
    ranked = [(place, record) for held in by_diagnosis.values() for place, record in enumerate(held)]
    return [record for _, record in sorted(ranked, key=lambda item: (item[0], item[1].image_id))[:images]]


def _images(manifest: Manifest, chosen: list[ImageRecord], name: str, severity: int) -> Iterator[np.ndarray]:
    for number, record in enumerate(chosen):
        image = load_image(manifest.location(record), at_least=(_SIDE, _SIDE)).image
        image.thumbnail((2 * _SIDE, 2 * _SIDE))
        pixels = np.asarray(image)
        yield pixels if severity == 0 else corrupted(pixels, name, severity, seed=number)
