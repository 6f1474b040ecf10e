"""How a model's figures fall when images get worse."""

import hashlib
from collections.abc import Callable, Iterator

import numpy as np

from lesionlab.bundle.evaluation import RobustnessPoint
from lesionlab.data import ImageRecord, Manifest
from lesionlab.errors import ImageError
from lesionlab.evaluation.corruptions import CORRUPTIONS, SEVERITIES, corrupted
from lesionlab.evaluation.label_mapping import answerable_task, answers
from lesionlab.evaluation.results import measure, of_sought
from lesionlab.images import load_image
from lesionlab.metrics.arrays import IntArray
from lesionlab.prediction import Predictor
from lesionlab.results import Failure, Prediction
from lesionlab.taxonomy import TASKS

_RESAMPLES = 200
# Larger than any network's input, and small enough that thousands of them are corrupted in minutes.
_SIDE = 448


def measure_robustness(
    predictor: Predictor, manifest: Manifest, images: int, *, progress: Callable[[int, int], None] | None = None
) -> tuple[RobustnessPoint, ...]:
    """Judge some images under each corruption at each severity, and as they are (severity 0).

    Args:
        predictor: The model.
        manifest: The images of the part.
        images: How many of them to take, the rare classes first; all if there are fewer.
        progress: Called with the number of judged images and the number in all.

    Raises:
        ImageError: An image cannot be read.
    """
    task = answerable_task(TASKS[predictor.info.task], manifest)
    chosen = _chosen(manifest, images)
    labels = np.array([task.index(record.diagnosis) for record in chosen])
    stages = [("none", 0), *((name, severity) for name in CORRUPTIONS for severity in SEVERITIES)]
    points = []
    for done, (name, severity) in enumerate(stages):
        judged = []
        for answer in predictor.predict_many(_images(manifest, chosen, name, severity)):
            if isinstance(answer, Failure):
                raise ImageError(f"{answer.image}: {answer.error}")
            judged.append(answer)
            if progress is not None:
                progress(done * len(chosen) + len(judged), len(stages) * len(chosen))
        points.append(_point(predictor, chosen, labels, judged, name, severity))
    return tuple(points)


def _chosen(manifest: Manifest, images: int) -> list[ImageRecord]:
    """Return as many images of each diagnosis as of any other, as far as there are so many; in a fixed order."""
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


def _point(
    predictor: Predictor,
    chosen: list[ImageRecord],
    labels: IntArray,
    judged: list[Prediction],
    name: str,
    severity: int,
) -> RobustnessPoint:
    info, task = predictor.info, answerable_task(TASKS[predictor.info.task], chosen)
    probabilities = np.array([list(one.probabilities.values()) for one in judged])
    probabilities, predicted = answers(info, task, probabilities)
    lesions = [record.lesion_id for record in chosen]
    summary = measure(labels, probabilities, lesions, task, predicted=predicted, resamples=_RESAMPLES)
    return RobustnessPoint(
        corruption=name,
        severity=severity,
        n_images=len(chosen),
        balanced_accuracy=summary.overall["balanced_accuracy"],
        auc=of_sought(summary, task, "auc"),
        abstained=sum(one.abstained for one in judged) / len(judged),
    )
