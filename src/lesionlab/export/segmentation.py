"""Export of a trained segmentation network with its threshold and its test metrics."""

import datetime as dt
import hashlib
import logging
import math
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from PIL import Image

from lesionlab.data import Manifest, Split
from lesionlab.export.graph import pixels, to_onnx
from lesionlab.images import Preprocessing
from lesionlab.metrics import Estimate, exact_interval
from lesionlab.metrics.bootstrap import lesion_weights
from lesionlab.segmentation import SegmentationInfo, SegmentationModel, Segmenter, save_segmentation
from lesionlab.training.segmentation.network import ExportedSegmentation
from lesionlab.training.segmentation.train import SegmentationRun

logger = logging.getLogger(__name__)

_THRESHOLDS = np.linspace(0.3, 0.7, 9)
_BATCH = 16
_RESAMPLES = 1000


def export_segmentation(
    run: SegmentationRun,
    manifest: Manifest,
    split: Split,
    folder: Path,
    progress: Callable[[int, int], None] | None = None,
) -> SegmentationModel:
    """Export a trained network; the threshold is chosen on validation images and measured on the test subset.

    Args:
        run: The training.
        manifest: The images.
        split: Their split.
        folder: Output folder.
        progress: Called with the number of images done and the total.

    Raises:
        LesionlabError: The folder cannot be written.
        DataError: An image or a mask cannot be read.
    """
    settings = run.settings
    graph = to_onnx(ExportedSegmentation(run.network), {"image": pixels(settings.size)}, ("probability",))
    draft = SegmentationInfo(
        name="lesion-segmentation",
        created=dt.datetime.now(dt.UTC).date().isoformat(),
        preprocessing=Preprocessing(size=settings.size, through=settings.through),
        threshold=0.5,
        graph_sha256=hashlib.sha256(graph).hexdigest(),
        parameters=_parameter_count(graph),
        manifest_sha256=manifest.sha256,
        split_sha256=split.sha256,
        images={name: len(ids) for name, ids in run.subsets.items()},
        metrics={},
        versions={name: version(name) for name in ("torch", "timm", "segmentation-models-pytorch", "lesionlab")},
        licence=settings.licence,
    )
    segmenter = Segmenter(SegmentationModel(draft, graph, folder), threads=2)
    total = len(run.subsets["validation"]) + len(run.subsets["test"])
    records = {record.image_id: record for record in manifest}

    def overlaps(name: str, done: int) -> NDArray[np.float64]:
        rows = []
        ids = run.subsets[name]
        for start in range(0, len(ids), _BATCH):
            some = ids[start : start + _BATCH]
            found = segmenter.segment([manifest.location(records[i]) for i in some])
            # Compared at the resolution of the mask, not of the network.
            truth = [run.masks.coverage(i, settings.through or settings.size) for i in some]
            rows += [overlap_counts(p, t) for p, t in zip(found, truth, strict=True)]
            if progress is not None:
                progress(done + start + len(some), total)
        return np.array(rows)

    validation = overlaps("validation", 0)
    best = int(_dice(validation).mean(axis=0).argmax())
    metrics: dict[str, Estimate] = {}
    if run.subsets["test"]:
        counts = overlaps("test", len(run.subsets["validation"]))[:, best : best + 1]
        lesions = [records[i].lesion_id for i in run.subsets["test"]]
        metrics = {
            "dice": _mean(_dice(counts)[:, 0], lesions),
            "jaccard": _mean(_jaccard(counts)[:, 0], lesions),
            "found": _mean((counts[:, 0, 1] > 0).astype(float), lesions),
        }
        logger.info("test subset, %d images: Dice %.4f", len(counts), metrics["dice"].value)
    info = draft.model_copy(update={"threshold": round(float(_THRESHOLDS[best]), 3), "metrics": metrics})
    return save_segmentation(info, graph, folder)


def _parameter_count(graph: bytes) -> int:
    """Return the number of weights in the graph, which omits unused layers of the encoder."""
    tensors = onnx.load_from_string(graph).graph.initializer
    return sum(math.prod(tensor.dims) for tensor in tensors if tensor.data_type == onnx.TensorProto.FLOAT)


def overlap_counts(probability: NDArray[np.float32], truth: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return intersection, predicted area and true area in pixels for each candidate threshold, [T, 3].

    Args:
        probability: [S, S].
        truth: Coverage of each pixel by the lesion, uint8 [H, W].
    """
    size = (truth.shape[1], truth.shape[0])
    enlarged = np.asarray(Image.fromarray(probability).resize(size, Image.Resampling.BILINEAR))
    lesion = truth >= 128
    found = enlarged[np.newaxis] >= _THRESHOLDS[:, np.newaxis, np.newaxis]
    both = (found & lesion).sum(axis=(1, 2))
    return np.column_stack([both, found.sum(axis=(1, 2)), np.full(len(both), lesion.sum())]).astype(np.float64)


def _dice(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return 2 |A and B| / (|A| + |B|) for counts [..., 3]; 1 where both are empty."""
    total = counts[..., 1] + counts[..., 2]
    return np.where(total > 0, 2 * counts[..., 0] / np.maximum(total, 1), 1.0)


def _jaccard(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return |A and B| / |A or B| for counts [..., 3]; 1 where both are empty."""
    union = counts[..., 1] + counts[..., 2] - counts[..., 0]
    return np.where(union > 0, counts[..., 0] / np.maximum(union, 1), 1.0)


def _mean(values: NDArray[np.float64], lesion_ids: list[str]) -> Estimate:
    """Return the mean over images with its 95% interval by lesion."""
    weights, mean = lesion_weights(lesion_ids, _RESAMPLES, seed=0), float(values.mean())
    exact = exact_interval(mean, len(set(lesion_ids)))
    return Estimate.from_resamples(mean, weights @ values / weights.sum(axis=1), exact)
