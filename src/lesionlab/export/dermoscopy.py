"""The detector of images that are not dermoscopic images of a skin lesion: a linear layer in the graph of a bundle.

Its features are means over the feature maps that the graph computes anyway: that of the classifier, and those of the
segmentation encoder, which sees the whole image where the classifier sees a crop. It costs no second network.
"""

import hashlib
import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from itertools import islice
from pathlib import Path, PurePath

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from sklearn.linear_model import LogisticRegression

from lesionlab.bundle import Bundle, DermoscopyDetector
from lesionlab.errors import DataError
from lesionlab.prediction.inference.batching import prefetch_images
from lesionlab.prediction.inference.preprocessing import PreparedImage
from lesionlab.prediction.inference.session import IMAGES_PER_RUN, GraphSession
from lesionlab.prediction.io.inputs import expand_inputs

logger = logging.getLogger(__name__)

Negatives = Mapping[str, Sequence[str]]  # locations of pictures by kind
Features = NDArray[np.float32]  # [N, K]

# Of the validation images: the false positives of the detector.
ABSTENTION_SHARE = 0.005
_MARGIN = 0.02  # below the lowest logit, where no image may be below the threshold
MIN_NEGATIVES = 50
MAX_TRAINING_IMAGES = 5_000  # more take longer and change nothing
REGULARISATION = 0.01  # inverse strength
_OUTPUT = "dermoscopic"
_FEATURES = "dermoscopy/features"


def read_negatives(folder: Path) -> Negatives:
    """Return the locations of the pictures in a folder by kind; a kind is a subfolder.

    Raises:
        UsageError: The folder contains no image.
        DataError: It contains too few for a detector.
    """
    found: dict[str, list[str]] = {}
    for location in expand_inputs([str(folder)]):
        parts = PurePath(location).relative_to(folder).parts
        found.setdefault(parts[0] if len(parts) > 1 else "other", []).append(location)
    if (count := sum(map(len, found.values()))) < MIN_NEGATIVES:
        raise DataError(f"{folder}: {count} pictures are too few negatives, at least {MIN_NEGATIVES} are needed")
    return found


def with_detector(
    bundle: Bundle,
    train: Sequence[str],
    validation: Sequence[str],
    negatives: Negatives,
    progress: Callable[[int, int], None] | None = None,
) -> Bundle:
    """Return a bundle whose graph has a further output, the logit `dermoscopic`, [N]; the others stay the same.

    Args:
        bundle: The bundle; a detector that it has is replaced.
        train: Locations of training images.
        validation: Locations of validation images, on which the threshold is chosen.
        negatives: Pictures that are no dermoscopic images of a lesion; unreadable ones are counted in a warning.
        progress: Called with the number of images done and the total.

    Raises:
        DataError: The graph has no feature map, or a training or validation image cannot be read.
    """
    graph = onnx.load_from_string(bundle.graph)
    _remove_detector(graph)
    bundle = replace(bundle, info=bundle.info.model_copy(update={"dermoscopy": None}))
    _add_features(graph, bundle)
    train = train[:: -(-len(train) // MAX_TRAINING_IMAGES)]
    groups = [train, validation, *negatives.values()]
    locations = [location for group in groups for location in group]
    features = _measure(replace(bundle, graph=graph.SerializeToString()), locations, progress)
    readable = _readable(features)
    own = len(train) + len(validation)
    if not readable[:own].all():
        raise DataError(f"{locations[int(readable.argmin())]}: the image cannot be read")
    if unreadable := int((~readable[own:]).sum()):
        logger.warning("%d of %d negatives cannot be read and are left out", unreadable, len(locations) - own)
    of_train, of_validation, *of_kinds = np.split(features, np.cumsum([len(group) for group in groups])[:-1])
    found = {kind: rows[_readable(rows)] for kind, rows in zip(negatives, of_kinds, strict=True)}
    by_kind = {kind: rows for kind, rows in found.items() if len(rows)}
    weights, bias = _fit(of_train, by_kind)
    _add_output(graph, weights, bias)
    content = graph.SerializeToString(deterministic=True)
    detector = DermoscopyDetector(
        threshold=0.0,
        validation_share=0.0,
        negatives={kind: len(rows) for kind, rows in by_kind.items()},
        left_out=_left_out(of_train, of_validation, by_kind),
    )
    changed = {
        "dermoscopy": with_threshold(detector, of_validation @ weights + bias),
        "graph_sha256": hashlib.sha256(content).hexdigest(),
    }
    return replace(bundle, info=bundle.info.model_copy(update=changed), graph=content)


def with_threshold(detector: DermoscopyDetector, logits: Features) -> DermoscopyDetector:
    """Return a detector with the threshold that follows from its logits for the validation images, [N]."""
    threshold = _threshold(logits)
    return detector.model_copy(update={"threshold": threshold, "validation_share": float((logits < threshold).mean())})


def _threshold(logits: Features) -> float:
    """Return a threshold between two images: at the logit of one, rounding in another runtime would decide about it."""
    ordered = np.sort(logits)
    position = int(ABSTENTION_SHARE * (len(ordered) - 1))
    below = ordered[position - 1] if position else ordered[0] - _MARGIN
    return float((below + ordered[position]) / 2)


def _measure(bundle: Bundle, locations: Sequence[str], progress: Callable[[int, int], None] | None) -> Features:
    """Return the detector's features of images, [N, K]; those of an unreadable one are NaN."""
    session, done = GraphSession(bundle), 0
    rows: list[Features] = []
    with closing(prefetch_images(locations, bundle.info.preprocessing, IMAGES_PER_RUN)) as prepared:
        while batch := list(islice(prepared, IMAGES_PER_RUN)):
            pixels = [item.pixels for item in batch if isinstance(item, PreparedImage)]
            found = iter(session.run([_FEATURES], np.stack(pixels))[0] if pixels else ())
            rows += [next(found) if isinstance(item, PreparedImage) else np.array(np.nan) for item in batch]
            done += len(batch)
            if progress is not None:
                progress(done, len(locations))
    size = max(row.size for row in rows)
    return np.stack([np.broadcast_to(row, size) for row in rows])


def _readable(features: Features) -> NDArray[np.bool_]:
    return np.asarray(np.isfinite(features).all(axis=1))


def _fit(positives: Features, negatives: Mapping[str, Features]) -> tuple[Features, np.float32]:
    """Return the weights [K] and the bias of a logistic regression; each side has the same weight in all."""
    against = np.concatenate(list(negatives.values()))
    rows = np.concatenate([positives, against]).astype(np.float64)
    mean, std = rows.mean(axis=0), rows.std(axis=0) + 1e-6
    labels = np.arange(len(rows)) < len(positives)
    model = LogisticRegression(C=REGULARISATION, class_weight="balanced", max_iter=2000)
    model.fit((rows - mean) / std, labels)
    weights = model.coef_[0] / std
    return weights.astype(np.float32), np.float32(model.intercept_[0] - weights @ mean)


def _left_out(positives: Features, validation: Features, negatives: Mapping[str, Features]) -> dict[str, float]:
    """Return the share of each kind that is detected without this kind in training; empty for a single kind."""
    shares: dict[str, float] = {}
    for kind in negatives if len(negatives) > 1 else ():
        weights, bias = _fit(positives, {other: rows for other, rows in negatives.items() if other != kind})
        threshold = _threshold(validation @ weights + bias)
        shares[kind] = round(float((negatives[kind] @ weights + bias < threshold).mean()), 4)
    return shares


def _add_features(graph: onnx.ModelProto, bundle: Bundle) -> None:
    """Add the output of the features: means over the classifier's map and over those of the segmentation encoder."""
    nodes, names = graph.graph.node, {value.name for value in graph.graph.output}
    if "feature_map" not in names or GraphSession(bundle).channels is None:
        raise DataError(f"{bundle.path}: a detector needs a graph with a feature map, which this network does not have")
    pooled = []
    for number, source in enumerate(["feature_map", *_encoder_maps(graph)]):
        mean, flat = f"dermoscopy/mean_{number}", f"dermoscopy/flat_{number}"
        nodes.append(helper.make_node("GlobalAveragePool", [source], [mean], name=mean))
        nodes.append(helper.make_node("Flatten", [mean], [flat], name=flat))
        pooled.append(flat)
    nodes.append(helper.make_node("Concat", pooled, [_FEATURES], name=_FEATURES, axis=1))
    graph.graph.output.append(helper.make_tensor_value_info(_FEATURES, TensorProto.FLOAT, None))


def _encoder_maps(graph: onnx.ModelProto) -> list[str]:
    """Return the maps of the segmentation encoder, deepest first: what the decoder of a U-Net enlarges or joins."""
    enlarging = [node for node in graph.graph.node if node.op_type == "Resize"]
    enlarged = {node.output[0] for node in enlarging}
    joined = [node.input[1] for node in graph.graph.node if node.op_type == "Concat" and node.input[0] in enlarged]
    return [enlarging[0].input[0], *joined] if enlarging else []


def _add_output(graph: onnx.ModelProto, weights: Features, bias: np.float32) -> None:
    """Replace the output of the features by the logit."""
    for name, value in (("weights", weights[:, np.newaxis]), ("bias", np.array([bias]))):
        graph.graph.initializer.append(numpy_helper.from_array(value, f"dermoscopy/{name}"))
    nodes, shape = graph.graph.node, "dermoscopy/shape"
    graph.graph.initializer.append(numpy_helper.from_array(np.array([-1], np.int64), shape))
    linear = "dermoscopy/linear"
    inputs = [_FEATURES, "dermoscopy/weights", "dermoscopy/bias"]
    nodes.append(helper.make_node("Gemm", inputs, [linear], name=linear))
    nodes.append(helper.make_node("Reshape", [linear, shape], [_OUTPUT], name="dermoscopy/reshape"))
    graph.graph.output.pop()
    images = graph.graph.input[0].type.tensor_type.shape.dim[0].dim_param
    graph.graph.output.append(helper.make_tensor_value_info(_OUTPUT, TensorProto.FLOAT, [images]))
    onnx.checker.check_model(graph)


def _remove_detector(graph: onnx.ModelProto) -> None:
    for values in (graph.graph.node, graph.graph.initializer, graph.graph.output):
        kept = [value for value in values if not value.name.startswith("dermoscop")]
        del values[:]
        values.extend(kept)
