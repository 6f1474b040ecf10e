"""Import of a foreign network: its graph becomes that of a bundle, and labelled images calibrate it."""

import datetime as dt
import hashlib
import logging
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Final

import numpy as np
import onnx
from onnx import numpy_helper

from lesionlab import __version__
from lesionlab.bundle import (
    Bundle,
    BundleInfo,
    Calibration,
    ImportedNetwork,
    LinearHead,
    Reference,
    SeenImages,
    SharpnessLimit,
    TrainingData,
    save_bundle,
)
from lesionlab.data import Manifest, images_of_task
from lesionlab.errors import DataError, UsageError
from lesionlab.export.fit import fit_on_validation, validation_statistics, without_patients
from lesionlab.export.importing.feature_map import GraphView
from lesionlab.export.importing.labels import match_labels, read_labels
from lesionlab.export.importing.network import ForeignNetwork, Outputs
from lesionlab.export.importing.wrap import wrap
from lesionlab.export.measure import Measurements, measure_images
from lesionlab.export.recalibrate import CalibrationFigures, calibration_figures
from lesionlab.export.reference import feature_space, image_limits, is_linear
from lesionlab.files import sha256_of_file
from lesionlab.images import Preprocessing
from lesionlab.metrics import Estimate, evaluate_predictions, softmax
from lesionlab.prediction.inference.preprocessing import or_raise, prepare_image
from lesionlab.prediction.inference.session import GraphSession
from lesionlab.recipes import InferenceSettings
from lesionlab.taxonomy import Task

logger = logging.getLogger(__name__)

TOLERANCE: Final = 1e-4
# The images on which the original network and the graph are compared.
_COMPARED = 16
_SUM_TOLERANCE = 1e-3  # of the probabilities of one image
# Of two halves, one gives the statistics of the images, the other the limit of the distance from them.
_FEWEST_LESIONS = 4
CALIBRATION: Final = "calibration"


@dataclass(frozen=True)
class Imported:
    """An imported bundle, with figures on the images that calibrated it: they are optimistic.

    Attributes:
        bundle: The bundle.
        before: Calibration figures of the network's own probabilities.
        after: Those of the bundle.
        figures: Metrics of the most probable class and of the ranking: of the network's own probabilities, and of
            those of the bundle.
        difference: Largest difference between the outputs of the original network and those of the bundle's graph, on
            the compared images.
        left_out: Number of images whose label determines no class, by label.
    """

    bundle: Bundle
    before: CalibrationFigures
    after: CalibrationFigures
    figures: tuple[dict[str, Estimate], dict[str, Estimate]]
    difference: float
    left_out: dict[str, int]


def import_network(
    network: ForeignNetwork,
    labels: Path,
    dataset: Manifest,
    out: Path,
    *,
    outputs: Outputs | None = None,
    name: str | None = None,
    licence: str = "unspecified",
    progress: Callable[[int, int], None] | None = None,
) -> Imported:
    """Write a bundle with the graph of a foreign network, calibrated on labelled images.

    All images are used as the validation images are in an export. Effects of patient data are left out: they are
    counted on training images. The preprocessing before the graph is lesionlab's.

    Args:
        network: The network.
        labels: File with its classes; see `read_labels`.
        dataset: Labelled images that the network was not trained on.
        out: Folder or `.zip` file to write.
        outputs: Whether the network's outputs are logits or probabilities; None: as they look.
        name: Name of the model; None: that of the file.
        licence: Licence of the weights.
        progress: Called with the number of images done and the total.

    Raises:
        DataError: The labels are of no task, do not fit the outputs or the images; or the graph does not give the
            original outputs.
        UsageError: The outputs are not those of `outputs`.
        ImageError: An image cannot be read.
    """
    names = read_labels(labels)
    task, order = match_labels(names, labels)
    if network.columns not in (len(names), 1 if len(names) == 2 else len(names)):
        raise DataError(
            f"{network.source} has {network.columns} outputs, and {labels} names {len(names)} classes; name each "
            "output once, in their order"
        )
    images, left_out = images_of_task(dataset, task)
    if images.lesion_count < _FEWEST_LESIONS:
        raise DataError(
            f"{dataset.root}: {images.lesion_count} lesions are too few for a calibration; at least {_FEWEST_LESIONS} "
            "are needed, and hundreds for a reliable one"
        )
    preprocessing = _preprocessing(network)
    pixels = _compared_pixels(images, preprocessing)
    expected = network.outputs(pixels)
    outputs = _kind_of_outputs(network, expected, outputs)
    graph = wrap(network, order, outputs)
    draft = BundleInfo(
        name=name or _name(network),
        created=dt.datetime.now(dt.UTC).date().isoformat(),
        task=task.name,
        classes=task.classes,
        preprocessing=preprocessing,
        graph_sha256=hashlib.sha256(graph).hexdigest(),
        parameters=_parameters(graph),
        calibration=Calibration(temperature=1.0, images=1, ece_before=0.0, ece_after=0.0),
        training_data=TrainingData(
            manifest_sha256=dataset.sha256,
            split_sha256=None,
            leaky=False,
            lesions_known=dataset.lesions_known,
            images={CALIBRATION: len(images)},
            lesions={CALIBRATION: images.lesion_count},
            sources=tuple(sorted({record.dataset for record in images})),
        ),
        imported=ImportedNetwork(
            file=network.source.name,
            sha256=sha256_of_file(network.source),
            architecture=network.architecture,
            outputs=outputs,
            labels=names,
        ),
        recipe={},
        versions={
            "lesionlab": __version__,
            **{package: version(package) for package in ("onnx", "onnxruntime")},
            **({package: version(package) for package in ("timm", "torch")} if network.architecture else {}),
        },
        licence=licence,
    )
    bundle = Bundle(draft, graph, out)
    difference = _compare(network, bundle, pixels, expected, order, outputs)
    measured = measure_images(bundle, [images.location(record) for record in images], progress)
    logits = measured.logits.astype(np.float64)
    anonymous = without_patients(images)
    fitted = fit_on_validation(logits, anonymous, anonymous, InferenceSettings(), task)
    first, second = _halves(images, measured)
    reference = Reference(
        head=_head(network, measured, order),
        image=image_limits(measured),
        sharpness=SharpnessLimit(np.array(measured.quality[:, 2].min())),
        features=feature_space(first, second) if measured.features.shape[1] else None,
    )
    reference = replace(reference, validation=validation_statistics(second, reference, fitted, task))
    written = save_bundle(
        out,
        draft.model_copy(update=dict(fitted)),
        graph,
        reference=reference,
        seen_images=SeenImages.of([images], dataset.sha256),
    )
    truth = np.array([task.index(record.diagnosis) for record in images])
    both = draft.calibration, written.info.calibration
    before, after = (calibration_figures(found, logits, truth, task) for found in both)
    first_figures, second_figures = (_figures(found, images, logits, truth, task) for found in both)
    return Imported(written, before, after, (first_figures, second_figures), difference, left_out)


def _preprocessing(network: ForeignNetwork) -> Preprocessing:
    # A graph that takes bytes scales them itself: its mean and standard deviation are unknown.
    mean, std = network.mean or (0.0, 0.0, 0.0), network.std or (1.0, 1.0, 1.0)
    return Preprocessing(size=network.size, interpolation=network.interpolation, mean=mean, std=std)


def _name(network: ForeignNetwork) -> str:
    return re.sub(r"^[^A-Za-z0-9]+|[\x00-\x1f\x7f]", "", network.source.stem) or network.architecture or "imported"


def _compared_pixels(images: Manifest, preprocessing: Preprocessing) -> np.ndarray:
    chosen = images.records[:: -(-len(images) // _COMPARED)]
    prepared = [or_raise(prepare_image(images.location(record), preprocessing)).pixels for record in chosen]
    return np.stack(prepared if len(prepared) > 1 else prepared * 2)


def _kind_of_outputs(network: ForeignNetwork, found: np.ndarray, stated: Outputs | None) -> Outputs:
    """Return whether outputs are probabilities: rows that add up to 1, or one column after a sigmoid."""
    if not np.isfinite(found).all():
        raise DataError(f"{network.source}: the network's outputs for labelled images are not finite numbers")
    last = GraphView(network.graph.graph).producer(network.output)
    shares = bool(found.min() >= 0 and found.max() <= 1)
    sigmoid = last is not None and last.op_type == "Sigmoid"
    if network.columns == 1:
        looks: Outputs = "probabilities" if shares and (sigmoid or stated == "probabilities") else "logits"
    else:
        sums = shares and bool(np.abs(found.sum(axis=1) - 1).max() < _SUM_TOLERANCE)
        looks = "probabilities" if sums else "logits"
        if sigmoid and not sums:
            raise DataError(
                f"{network.source}: the outputs are sigmoids that do not add up to 1; export the network with a "
                "softmax, or without its last layer"
            )
    if stated not in (None, looks):
        why = "add up to 1" if looks == "probabilities" else "are not shares of 1"
        raise UsageError(f"--outputs {stated}: the outputs of {network.source} {why}; leave the option out")
    return looks


def _compare(
    network: ForeignNetwork,
    bundle: Bundle,
    pixels: np.ndarray,
    expected: np.ndarray,
    order: Sequence[int],
    outputs: Outputs,
) -> float:
    """Return the largest difference between the outputs of the original and of the bundle's graph.

    Raises:
        DataError: It is above the tolerance, relative to the largest logit, or 1.
    """
    logits = GraphSession(bundle).logits(pixels).astype(np.float64)
    if expected.shape[1] == 1:
        first = 1 - expected if outputs == "probabilities" else np.zeros_like(expected)
        expected = np.concatenate([first, expected], axis=1)
    found = softmax(logits) if outputs == "probabilities" else logits
    difference = float(np.abs(found - expected[:, list(order)]).max())
    if difference > TOLERANCE * max(1.0, float(np.abs(expected).max())):
        fixed = network.fixed_batch
        remedy = (
            f"it was exported for {fixed} image{'s' if fixed != 1 else ''} in each run; export it with a dynamic number"
            if fixed
            else "export it again in evaluation mode"
        )
        raise DataError(
            f"{network.source}: the outputs for {len(pixels)} images together differ by {difference:.2g} from those of "
            f"the original network; {remedy}"
        )
    return difference


def _halves(images: Manifest, measured: Measurements) -> tuple[Measurements, Measurements]:
    """Return the measurements of two halves of the lesions.

    The distances of the images that a feature space was fitted to are too small for a limit.
    """
    lesions = sorted({record.lesion_id for record in images})
    first = set(lesions[::2])
    chosen = np.array([record.lesion_id in first for record in images])
    return measured[np.flatnonzero(chosen)], measured[np.flatnonzero(~chosen)]


def _head(network: ForeignNetwork, measured: Measurements, order: Sequence[int]) -> LinearHead | None:
    """Return the linear layer after the pooled feature map, for class activation maps; None for another network."""
    last = GraphView(network.graph.graph).classifier(network.output)
    if last is None or len(last.weights) != network.columns:
        return None
    weights, bias = last
    if network.columns == 1:
        # As in `linear_head`: the logit is divided between both classes.
        weights, bias = np.concatenate([-weights, weights]) / 2, np.concatenate([-bias, bias]) / 2
    head = LinearHead(weights[list(order)].astype(np.float32), bias[list(order)].astype(np.float32))
    return head if is_linear(head, measured) else None


def _parameters(graph: bytes) -> int:
    model = onnx.load_from_string(graph)
    arrays = [numpy_helper.to_array(tensor) for tensor in model.graph.initializer]
    return max(1, sum(array.size for array in arrays if array.ndim))


def _figures(
    calibration: Calibration, images: Manifest, logits: np.ndarray, labels: np.ndarray, task: Task
) -> dict[str, Estimate]:
    """Return the metrics of calibrated probabilities, without intervals."""
    lesions = [record.lesion_id for record in images]
    return evaluate_predictions(
        labels, calibration.probabilities(logits), lesions, codes=task.classes, malignant=task.malignant, resamples=0
    ).overall
