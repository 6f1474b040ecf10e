"""Ablation: the effect of each component of a model, on the validation subset and on an external dataset.

    python benchmarks/ablation.py PLAN --runs RUNS --data FOLDER [--external FOLDER --metadata TABLE] [--logits FOLDER]
        [--out FILE] [--docs FILE]

Each row of the plan is a run, or the mean of several, with its inference settings. Each is calibrated by a temperature
and uses its recipe's decision rule; intervals are 95%, by lesion, and differences are paired. Components were selected
by these metrics, so that they are slightly optimistic; the test subset is not used. `--logits` caches the logits.
"""

import argparse
import hashlib
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from common import options, publish, versions
from numpy.typing import NDArray

from lesionlab.base_models import StrictModel
from lesionlab.data import ImageRecord, Manifest, read_dataset
from lesionlab.evaluation.label_mapping import common_task, require_view
from lesionlab.export.calibrate import fit_calibration
from lesionlab.export.graph import export_graph
from lesionlab.files import replacing
from lesionlab.metrics import confusion, ranking
from lesionlab.metrics.arrays import FloatArray, IntArray
from lesionlab.metrics.calibration import expected_calibration_error
from lesionlab.metrics.comparison import Measure, paired_bootstrap
from lesionlab.recipes import InferenceSettings
from lesionlab.runs import RunFolder
from lesionlab.taxonomy import TASKS, Task
from lesionlab.training.cache import open_network_inputs
from lesionlab.training.trained import trained_network

FIGURES = ("balanced_accuracy", "macro_auc", "malignant_auc", "melanoma_auc", "ece", "external_auc")
BATCH = 4


class Row(StrictModel):
    """A row of the plan.

    Attributes:
        name: Name in the table.
        runs: Folders of runs; their probabilities are averaged.
        tta: As `inference.tta` of a recipe.
        start_share: As `inference.start_share` of a recipe.
        constancy: Whether each image's mean colour is changed to that of the training images at constant brightness
            (grey-world assumption).
        against: The row to compare with.
    """

    name: str
    runs: tuple[str, ...]
    tta: str = "none"
    start_share: float = 0.0
    constancy: bool = False
    against: str | None = None


@dataclass(frozen=True)
class RowPredictions:
    """Predictions of a row: probabilities and classes on validation, scores on the external dataset."""

    probabilities: FloatArray
    classes: IntArray
    external: FloatArray | None


@dataclass(frozen=True)
class Images:
    """The images of the evaluation."""

    task: Task
    manifest: Manifest
    validation: Sequence[ImageRecord]
    external: Manifest | None
    labels: IntArray
    frequencies: FloatArray

    @property
    def external_task(self) -> Task | None:
        """The task that the external dataset's labels allow."""
        return common_task(self.task, self.external) if self.external is not None else None

    @property
    def lesions(self) -> list[str]:
        return [record.lesion_id for record in self.validation]


def main() -> None:
    parser = options(__doc__, "data!", "metadata", "out", "table", "docs")
    parser.add_argument("plan", type=Path)
    parser.add_argument("--runs", type=Path, required=True)
    parser.add_argument("--external", type=Path)
    parser.add_argument("--logits", type=Path)
    arguments = parser.parse_args()
    publish(arguments.plan.stem, arguments, measured, table)


def measured(arguments: argparse.Namespace) -> dict[str, Any]:
    rows = [Row.model_validate(row) for row in tomllib.loads(arguments.plan.read_text(encoding="utf-8"))["row"]]
    images = images_of(arguments.runs / rows[0].runs[0], arguments.data, arguments.external, arguments.metadata)
    predictions: dict[str, RowPredictions] = {}
    done: list[dict[str, Any]] = []
    for row in rows:
        predictions[row.name] = predict(row, arguments.runs, images, arguments.logits)
        done.append(measure(row, predictions, images))
        print(row.name, *(f"{name} {each['value']:.3f}" for name, each in done[-1]["figures"].items()), flush=True)
    return {
        "what": "effect of each component on the validation subset, used for selection, and on an external dataset",
        "command": f"python benchmarks/ablation.py benchmarks/{arguments.plan.name} --runs RUNS --data HAM10000 "
        "--external ISIC2017 --metadata TABLE",
        "versions": versions("onnxruntime", "torch", "numpy"),
        "images": {
            "validation": len(images.validation),
            "lesions": len(set(images.lesions)),
            "external": len(images.external) if images.external is not None else 0,
        },
        "rows": done,
    }


def images_of(first: Path, data: Path, external: Path | None, metadata: Path | None) -> Images:
    run = RunFolder(first)
    task, manifest = TASKS[run.recipe().task], run.manifest(data)
    subsets = run.split().subsets(run.record().fold)
    validation, train = (manifest.select(subsets[name]) for name in ("validation", "train"))
    counts = np.bincount([task.index(record.diagnosis) for record in train], minlength=len(task.classes))
    return Images(
        task,
        manifest,
        list(validation),
        read_dataset(external, metadata=metadata) if external else None,
        np.array([task.index(record.diagnosis) for record in validation], dtype=np.int64),
        counts / counts.sum(),
    )


def predict(row: Row, runs: Path, images: Images, cache: Path | None) -> RowPredictions:
    probabilities, external = [], []
    for name in row.runs:
        on_validation, on_external = logits_of(RunFolder(runs / name), row, images, cache)
        # By a temperature only, so that rows differ only in their component.
        labels = images.labels.astype(np.int64)
        calibration = fit_calibration(on_validation, labels, images.lesions, images.frequencies, "temperature")
        probabilities.append(calibration.probabilities(on_validation))
        if on_external is not None and images.external_task is not None:
            view = require_view(images.task, images.external_task)
            external.append(view.probabilities(calibration.probabilities(on_external))[:, 1])
    mean = np.mean(probabilities, axis=0)
    exponent = RunFolder(runs / row.runs[0]).recipe().inference.prior_exponent
    classes = (mean / images.frequencies**exponent).argmax(axis=1)
    return RowPredictions(mean, classes, np.mean(external, axis=0) if external else None)


def logits_of(
    run: RunFolder, row: Row, images: Images, cache: Path | None
) -> tuple[NDArray[np.float64], NDArray[np.float64] | None]:
    """Return a run's logits on the validation subset and on the external dataset."""
    settings = InferenceSettings.model_validate({"tta": row.tta, "start_share": row.start_share})
    weights = hashlib.sha256(run.best.read_bytes()).hexdigest()[:12]
    path = cache / f"{weights}-{row.tta}-{row.start_share}-{row.constancy}.npz" if cache else None
    if path is not None and path.exists():
        with np.load(path) as found:
            return found["validation"], found.get("external")
    recipe = run.recipe()
    network = trained_network(run, row.start_share)
    whole = export_graph([network], recipe.input.size, settings)
    options = ort.SessionOptions()
    options.log_severity_level = 3
    session = ort.InferenceSession(whole, options, providers=["CPUExecutionProvider"])
    rows = {record.image_id: row for row, record in enumerate(images.manifest)}
    all_pixels, _ = open_network_inputs(images.manifest, recipe)
    colour = mean_colour(all_pixels[[rows[i] for i in run.split().subsets(run.record().fold)["train"]]])

    def logits(pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
        batches = (pixels[start : start + BATCH] for start in range(0, len(pixels), BATCH))
        inputs = (with_colour(batch, colour) if row.constancy else np.ascontiguousarray(batch) for batch in batches)
        return np.concatenate([session.run(["logits"], {"image": batch})[0] for batch in inputs]).astype(np.float64)

    on_validation = logits(all_pixels[[rows[record.image_id] for record in images.validation]])
    on_external = logits(open_network_inputs(images.external, recipe)[0]) if images.external is not None else None
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path, binary=True) as file:
            if on_external is None:
                np.savez_compressed(file, validation=on_validation)
            else:
                np.savez_compressed(file, validation=on_validation, external=on_external)
    return on_validation, on_external


def mean_colour(pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return the unit vector of the images' mean colour direction, [3]."""
    means = np.concatenate([pixels[i : i + 256].mean(axis=(1, 2)) for i in range(0, len(pixels), 256)])
    mean = (means / np.linalg.norm(means, axis=1, keepdims=True)).mean(axis=0)
    return np.asarray(mean / np.linalg.norm(mean))


def with_colour(pixels: NDArray[np.uint8], colour: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Return images whose mean colours have the given direction."""
    means = pixels.mean(axis=(1, 2))
    factors = colour * np.linalg.norm(means, axis=1, keepdims=True) / np.maximum(means, 1)
    return np.asarray((pixels * factors[:, None, None]).round().clip(0, 255), dtype=np.uint8)


def measure(row: Row, predictions: dict[str, RowPredictions], images: Images) -> dict[str, Any]:
    own, other = predictions[row.name], predictions[row.against or row.name]
    figures: dict[str, Any] = {}
    for name in FIGURES:
        if name == "external_auc":
            task = images.external_task
            if own.external is None or other.external is None or images.external is None or task is None:
                continue
            positive = np.array([task.index(record.diagnosis) == 1 for record in images.external])
            ids = [record.lesion_id for record in images.external]
            sides = [_area(positive, side.external) for side in (other, own) if side.external is not None]
        else:
            ids, sides = images.lesions, [_of_validation(name, side, images) for side in (other, own)]
        found = paired_bootstrap(sides[0], sides[1], ids)
        figures[name] = found.b.model_dump()
        if row.against:
            figures[name]["difference"] = found.difference.model_dump()
    return {**row.model_dump(exclude_defaults=True), "figures": figures}


def _of_validation(name: str, side: RowPredictions, images: Images) -> Measure:
    task, labels = images.task, images.labels
    if name == "balanced_accuracy":
        return lambda weights: confusion.balanced_accuracy(
            confusion.confusion_matrix(labels, side.classes, len(task.classes), weights)
        )
    if name == "macro_auc":
        return lambda weights: ranking.macro_auc(labels, side.probabilities, weights)
    if name == "ece":
        return lambda weights: np.asarray(expected_calibration_error(labels, side.probabilities, weights=weights))
    targets = task.malignant if name == "malignant_auc" else ("mel",)
    columns = [task.classes.index(code) for code in targets]
    return _area(np.isin(labels, columns), side.probabilities[:, columns].sum(axis=1))


def _area(positive: NDArray[np.bool_], scores: FloatArray) -> Measure:
    return lambda weights: ranking.roc_auc(positive, scores, weights)


def table(result: dict[str, Any]) -> str:
    """Return the table in Markdown."""
    rows = result["rows"]
    titles = {
        "balanced_accuracy": "balanced accuracy",
        "macro_auc": "macro AUC",
        "malignant_auc": "malignant AUC",
        "melanoma_auc": "melanoma AUC",
        "ece": "ECE",
        "external_auc": "external melanoma AUC",
    }
    shown = [name for name in FIGURES if any(name in row["figures"] for row in rows)]
    lines = [f"| | {' | '.join(titles[name] for name in shown)} |", "|---|" + "---|" * len(shown)]
    for row in rows:
        cells = []
        for name in shown:
            figure = row["figures"][name]
            cell = f"{figure['value']:.3f}"
            if difference := figure.get("difference"):
                cell += f" ({difference['value']:+.3f}; {difference['low']:+.3f} to {difference['high']:+.3f})"
            else:
                cell += f" ({figure['low']:.3f} to {figure['high']:.3f})"
            cells.append(cell)
        lines.append(f"| {row['name']} | {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
