"""Calibration of an existing bundle, without its training run."""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final

import numpy as np

from lesionlab.base_models import StrictModel
from lesionlab.bundle import Bundle, Calibration, save_bundle
from lesionlab.data import Manifest
from lesionlab.errors import UsageError
from lesionlab.export.convert import acceptance_data
from lesionlab.export.dermoscopy import read_negatives, with_detector
from lesionlab.export.fit import refit
from lesionlab.export.measure import measure_images
from lesionlab.metrics.arrays import FloatArray, IntArray
from lesionlab.metrics.calibration import (
    expected_calibration_error,
    negative_log_likelihood,
    target_calibration_error,
)
from lesionlab.taxonomy import TASKS, Task

_REPLACED: Final = ("info", "graph", "path", "reference", "evaluation")


class CalibrationFigures(StrictModel):
    """Figures of a calibration on the validation images, to which it was fitted: they are optimistic.

    Attributes:
        method: Method of the calibration.
        nll: Negative log likelihood per image.
        ece: Expected calibration error of the most probable class.
        target_ece: Expected calibration error of the probability of the main target.
        target_mean: Mean probability of the main target.
        target_share: Share of the images with the main target.
    """

    method: str
    nll: float
    ece: float
    target_ece: float
    target_mean: float
    target_share: float


@dataclass(frozen=True)
class Recalibrated:
    """A calibrated bundle, with the figures of its earlier and its new calibration on the validation images."""

    bundle: Bundle
    before: CalibrationFigures
    after: CalibrationFigures


def recalibrate_bundle(
    bundle: Bundle,
    dataset: Manifest,
    out: Path,
    *,
    negatives: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Recalibrated:
    """Fit everything that is fitted on validation images again, and write a new bundle.

    Calibration, decision rule, prediction sets, patient effects, thresholds, and the limits of confidence and distance
    are fitted as in an export, by the inference settings of the bundle's recipe. Results on the test set belong to the
    earlier calibration and are left out until `lesionlab evaluate` measures them.

    Args:
        bundle: The bundle.
        dataset: The complete dataset that it was trained on; only its validation images are predicted.
        out: Folder or `.zip` file to write.
        negatives: Folder of pictures that are no dermoscopic images, to which the detector is fitted; the graph then
            has a new output. None leaves the graph the same, byte for byte.
        progress: Called with the number of images done and the total.

    Raises:
        UsageError: The bundle was trained on another dataset.
        ImageError: An image cannot be read.
    """
    if bundle.clinical is not None:
        raise UsageError(
            f"{bundle.path} combines two networks; calibrate these, and combine them with `lesionlab fuse`"
        )
    data = acceptance_data(bundle.info, dataset)
    if negatives is not None:
        train, validation = ([m.location(record) for record in m] for m in (data.train or data.images, data.images))
        bundle = with_detector(bundle, train, validation, read_negatives(negatives), progress)
    measured = measure_images(bundle, [data.images.location(record) for record in data.images], progress)
    info, reference = refit(bundle.info, bundle.reference, measured, data.train or data.images, data.images)
    info = info.model_copy(update={"created": dt.datetime.now(dt.UTC).date().isoformat()})
    # Every other optional file describes the training images, which stay the same.
    kept: dict[str, Any] = {
        field.name: getattr(bundle, field.name) for field in fields(bundle) if field.name not in _REPLACED
    }
    written = save_bundle(out, info, bundle.graph, reference=reference, **kept)
    task, logits = TASKS[info.task], measured.logits.astype(np.float64)
    labels = np.array([task.index(record.diagnosis) for record in data.images])
    before, after = (
        calibration_figures(found, logits, labels, task) for found in (bundle.info.calibration, info.calibration)
    )
    return Recalibrated(written, before, after)


def calibration_figures(
    calibration: Calibration, logits: FloatArray, labels: IntArray, task: Task
) -> CalibrationFigures:
    """Return the figures of a calibration.

    Args:
        calibration: The calibration.
        logits: Logits of labelled images, [N, C].
        labels: Index of each image's class, [N].
        task: The task of the model.
    """
    probabilities = calibration.probabilities(logits)
    columns = [task.classes.index(code) for code in next(iter(task.targets.values()))]
    positive, scores = np.isin(labels, columns), probabilities[:, columns].sum(axis=1)
    return CalibrationFigures(
        method=calibration.method,
        nll=float(negative_log_likelihood(labels, probabilities)),
        ece=float(expected_calibration_error(labels, probabilities)),
        target_ece=float(target_calibration_error(positive, scores)),
        target_mean=float(scores.mean()),
        target_share=float(positive.mean()),
    )
