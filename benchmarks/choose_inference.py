"""What could be done with a trained run without training: share of its start, views, decision rule; on validation.

    python benchmarks/choose_inference.py RUN --data HAM10000 [--external ISIC2017 --metadata TABLE] [--out FILE]

The settings of a recipe's table `inference` are chosen by these figures: on the validation part of the run's own split,
and, for what should hold elsewhere, on another dataset that the model is not judged by. The test part is not read.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lesionlab.data import Manifest, read_dataset
from lesionlab.evaluation.coarse import answerable_task, collapsed
from lesionlab.export.calibrate import fit_calibration
from lesionlab.files import write_json
from lesionlab.images import Preprocessing, load_image
from lesionlab.metrics.calibration import expected_calibration_error
from lesionlab.metrics.confusion import balanced_accuracy, confusion_matrix
from lesionlab.metrics.ranking import macro_auc, roc_auc
from lesionlab.recipes import InferenceSettings
from lesionlab.runs import RunFolder
from lesionlab.taxonomy import TASKS
from lesionlab.training.checkpoint import load_weights
from lesionlab.training.network import ExportedNetwork, LesionNetwork

SHARES = (0.0, 0.25, 0.5, 0.75)
EXPONENTS = (0.0, 0.5, 0.75, 1.0)
BATCH = 16


def pixels_of(manifest: Manifest, preprocessing: Preprocessing) -> np.ndarray:
    return np.stack([preprocessing.apply(load_image(manifest.location(r)).image) for r in manifest])


def logits_of(network: LesionNetwork, pixels: np.ndarray, views: str) -> np.ndarray:
    graph = ExportedNetwork(network, InferenceSettings.model_validate({"views": views})).eval()
    with torch.inference_mode():
        parts: list[Tensor] = [graph(torch.from_numpy(pixels[i : i + BATCH]))[0] for i in range(0, len(pixels), BATCH)]
    return torch.cat(parts).double().numpy()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--external", type=Path)
    parser.add_argument("--metadata", type=Path)
    parser.add_argument("--every", type=int, default=1, help="take each n-th image of the external dataset")
    parser.add_argument("--views", nargs="+", default=["one", "flips"])
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    run = RunFolder(arguments.run)
    recipe, record = run.recipe(), run.record()
    task, preprocessing = TASKS[recipe.task], Preprocessing(**recipe.input.model_dump())
    manifest = run.manifest(arguments.data)
    parts = run.split().parts(record.fold)
    validation = manifest.select(parts["validation"])
    labels = np.array([task.index(r.diagnosis) for r in validation])
    lesions = [r.lesion_id for r in validation]
    train = np.array([task.index(r.diagnosis) for r in manifest.select(parts["train"])])
    frequencies = np.bincount(train, minlength=len(task.classes)) / len(train)
    sought = [task.classes.index(code) for code in task.malignant]
    pixels = pixels_of(validation, preprocessing)
    external = None
    if arguments.external:
        whole = read_dataset(arguments.external, metadata=arguments.metadata)
        external = whole.select([r.image_id for r in whole][:: arguments.every])
        elsewhere = pixels_of(external, preprocessing)
    best = load_weights(run.best)
    start = load_weights(run.start) if run.start.exists() else None
    rows: list[dict[str, Any]] = []
    for share in SHARES if start else SHARES[:1]:
        network = LesionNetwork(recipe)
        network.load_state_dict(
            {n: torch.lerp(v, start[n], share) if start and v.is_floating_point() else v for n, v in best.items()}
        )
        for views in arguments.views:
            logits = logits_of(network, pixels, views)
            calibration = fit_calibration(logits, labels, lesions)
            probabilities = calibration.probabilities(logits)
            row: dict[str, Any] = {
                "start_share": share,
                "views": views,
                "calibration": calibration.method,
                "macro_auc": float(macro_auc(labels, probabilities)),
                "malignant_auc": float(roc_auc(np.isin(labels, sought), probabilities[:, sought].sum(axis=1))),
                "ece": float(expected_calibration_error(labels, probabilities)),
                "balanced_accuracy_by_exponent": {
                    str(e): float(
                        balanced_accuracy(
                            confusion_matrix(labels, (probabilities / frequencies**e).argmax(axis=1), len(frequencies))
                        )
                    )
                    for e in EXPONENTS
                },
            }
            if external is not None:
                told = answerable_task(task, external)
                of_external = calibration.probabilities(logits_of(network, elsewhere, views))
                truth = np.array([told.index(r.diagnosis) for r in external])
                scores = collapsed(of_external, task, told)[:, 1]
                row["external"] = {"task": told.name, "images": len(truth), "auc": float(roc_auc(truth == 1, scores))}
            print(json.dumps(row), flush=True)
            rows.append(row)
    if arguments.out:
        write_json(
            arguments.out, {"what": __doc__.splitlines()[0] if __doc__ else "", "run": run.path.name, "rows": rows}
        )


if __name__ == "__main__":
    main()
