"""What a clinical image adds to a dermoscopic one: late fusion of two networks on MILK10k.

    python benchmarks/clinical_images.py --data FOLDER --runs FOLDER [--model BUNDLE] [--split FILE]
        [--recipe NAME] [--set KEY=VALUE] [--out FILE]

FOLDER holds `milk10k` and `ham10000`. A clinical network is trained by a recipe on the clinical images, in `--runs`, or
a finished run there is used; `lesionlab fuse` combines it with the dermoscopic model. Lesions, not images, are split.
Lesions that are also in HAM10000 (`milk10k/lesions_in_ham10000.csv`) are never in the test subset: those of the model's
training and validation subsets stay there, and those of its test subset are left out. The other lesions are split at
random, or by a split file of a run on MILK10k, such as that of the dermoscopic model.

The shipped model was not trained on MILK10k, and the clinical network is. Part of what it adds is therefore knowledge
of these patients and not of the clinical image. For `refitted head` the last layer of the dermoscopic network is fitted
to the same training lesions, and the fusion is measured against that, too.
"""

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from common import command, environment, options, write
from lesion_measures import compared, measures
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from lesionlab.bundle import Bundle, BundleInfo, ClinicalFusion, FittedValues, ImageType
from lesionlab.bundle.features import signed_sqrt
from lesionlab.bundle.fusion import combined_logits, evidence
from lesionlab.bundle.split_recovery import recover_split
from lesionlab.data import Manifest, Split, images_of_task, make_split, read_dataset
from lesionlab.data.readers.table import read_table
from lesionlab.export import export_run
from lesionlab.export.combine import combine_bundles, paired_images
from lesionlab.export.fit import fit_on_validation
from lesionlab.export.fusion import fit_weights
from lesionlab.export.measure import Measurements, measure_images
from lesionlab.metrics.arrays import FloatArray, IntArray
from lesionlab.recipes import Recipe, load_recipe
from lesionlab.runs import RunFolder
from lesionlab.taxonomy import TASKS, Task
from lesionlab.training import train_recipe

KINDS: tuple[ImageType, ...] = ("dermoscopic", "clinical")
# Ridge penalty of the refitted head, by its validation loss.
PENALTIES = (0.001, 0.003, 0.01, 0.03, 0.1)


def main() -> None:
    parser = options(__doc__, "data!", "model", "out")
    parser.add_argument("--runs", type=Path, required=True, help="folder of the clinical run and the combined bundle")
    parser.add_argument("--split", type=Path, help="split file of a run on MILK10k")
    parser.add_argument("--recipe", default="efficientnet-lite0", help="recipe of the clinical network")
    parser.add_argument("--set", dest="changes", action="append", default=[], help="change of the recipe")
    parser.add_argument("--threads", type=int, default=1, help="threads for training")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    dermoscopic = Bundle.load(arguments.model)
    task = TASKS[dermoscopic.info.task]
    dataset = images_of_task(read_dataset(arguments.data / "milk10k", image_type="all"), task)[0]
    subset_of = lesion_subsets(arguments, dermoscopic.info, dataset)
    subsets = {
        name: frozenset(lesion for lesion, subset in subset_of.items() if subset == name)
        for name in ("train", "validation", "test")
    }
    clinical = clinical_bundle(arguments, task, dataset, subset_of)
    out = arguments.runs / "combined"
    bundle = combine_bundles(dermoscopic, clinical, dataset, subsets, out)
    combined, second = parts(bundle)
    pairs = {name: paired_images(dataset, lesions, task.name) for name, lesions in subsets.items()}
    labels = {name: labels_of(images["dermoscopic"], task) for name, images in pairs.items()}
    models: dict[ImageType, Bundle] = {"dermoscopic": bundle, "clinical": second}
    measured = {
        name: {kind: measured_images(model, pairs[name][kind]) for kind, model in models.items()} for name in subsets
    }
    found = {kind: probabilities_of(model.info, measured["test"][kind]) for kind, model in models.items()}
    evidence_of = {kind: evidence(found[kind], frequencies_of(model.info)) for kind, model in models.items()}
    both = combined.probabilities(evidence_of, frequencies_of(bundle.info))
    lesions = [record.lesion_id for record in pairs["test"]["dermoscopic"]]
    truth = labels["test"]
    cases = {
        "dermoscopic": measures(truth, found["dermoscopic"], bundle.info),
        "clinical": measures(truth, found["clinical"], second.info),
        "both": measures(truth, both, bundle.info.fitted_for(combined.fitted)),
    }
    refitted = refitted_head(bundle, labels, measured, pairs, evidence_of["clinical"])
    result = {
        "what": "dermoscopic and clinical images of MILK10k: late fusion against the dermoscopic image alone",
        "command": command(arguments),
        "environment": environment("lesionlab", "torch", "onnxruntime", "numpy", "scikit-learn"),
        "dermoscopic model": dermoscopic.info.identity,
        "clinical model": {
            "identity": clinical.info.identity,
            "recipe": {key: clinical.info.recipe[key] for key in ("name", "model", "training", "data")},
            "starting weights": clinical.info.versions.get("starting weights"),
        },
        "lesions": {name: len(images["dermoscopic"]) for name, images in pairs.items()},
        "test lesions by diagnosis": dict(
            zip(task.classes, np.bincount(truth, minlength=len(task.classes)).tolist(), strict=True)
        ),
        "weights": combined.weights,
        "calibration": {
            "dermoscopic": bundle.info.calibration.method,
            "clinical": second.info.calibration.method,
            "both": combined.fitted.calibration.method,
        },
        "both against dermoscopic": compared(cases["dermoscopic"], cases["both"], lesions),
        "clinical against dermoscopic": compared(cases["dermoscopic"], cases["clinical"], lesions),
        "refitted head": {
            "weights": refitted["weights"],
            "penalty": refitted["penalty"],
            "both against dermoscopic": compared(refitted["dermoscopic"], refitted["both"], lesions),
        },
    }
    write(arguments, result)


def parts(bundle: Bundle) -> tuple[ClinicalFusion, Bundle]:
    """Return the combination and the clinical model of a combined bundle."""
    combined = None if bundle.info.fusion is None else bundle.info.fusion.clinical
    if combined is None or bundle.clinical is None:
        raise SystemExit(f"{bundle.path} has no clinical network")
    return combined, bundle.clinical


def probabilities_of(info: BundleInfo, measured: Measurements) -> FloatArray:
    """Return calibrated probabilities, [N, C]."""
    return info.calibration.probabilities(measured.logits.astype(np.float64))


def frequencies_of(info: BundleInfo) -> FloatArray:
    """Return the class frequencies at which the probabilities are calibrated, [C]."""
    return np.array(info.calibration.mean_probabilities)


def lesion_subsets(arguments: argparse.Namespace, info: BundleInfo, dataset: Manifest) -> dict[str, str]:
    """Return the subset of each lesion; lesions that are left out are absent."""
    in_ham = {
        cells[0]: cells[1] for _, cells in read_table(arguments.data / "milk10k" / "lesions_in_ham10000.csv").rows
    }
    if arguments.split:
        assignment = json.loads(arguments.split.read_text(encoding="utf-8"))["assignment"]
        found = {record.lesion_id: assignment[record.image_id] for record in dataset if record.image_id in assignment}
        return {lesion: subset for lesion, subset in found.items() if subset != "test" or lesion not in in_ham}
    recovered = recover_split(info, read_dataset(arguments.data / "ham10000"))
    if recovered is None:
        raise SystemExit("the split of the dermoscopic model is unknown; name a split file with --split")
    manifest, split = recovered
    in_split = {record.lesion_id: split.assignment[record.image_id] for record in manifest}
    others = dataset.select(r.image_id for r in dataset if r.lesion_id not in in_ham and r.image_type == "dermoscopic")
    drawn = make_split(others, validation=0.2, test=0.35)
    found = {record.lesion_id: drawn.assignment[record.image_id] for record in others}
    listed = {lesion: in_split[ham] for lesion, ham in in_ham.items() if in_split.get(ham) in ("train", "validation")}
    return found | listed


def clinical_bundle(
    arguments: argparse.Namespace, task: Task, dataset: Manifest, subset_of: Mapping[str, str]
) -> Bundle:
    """Return the clinical model, trained on the clinical images of the training lesions unless its run is finished."""
    images = dataset.select(r.image_id for r in dataset if r.image_type == "clinical" and r.lesion_id in subset_of)
    split = Split(
        unit="lesion",
        seed=0,
        fractions={},
        manifest_sha256=images.sha256,
        lesions_known=True,
        assignment={record.image_id: subset_of[record.lesion_id] for record in images},
    )
    run = RunFolder(arguments.runs / "clinical")
    changes = [f"task={task.name}", "data.image_type=clinical", "data.other_diagnoses=leave-out", *arguments.changes]
    if not (run.exists() and run.record().finished):
        train_recipe(load_recipe(arguments.recipe, changes), images, run.path, split=split)
    if not run.bundle.exists():
        export_run(run)
    return Bundle.load(run.bundle)


def labels_of(images: Manifest, task: Task) -> IntArray:
    return np.array([task.index(record.diagnosis) for record in images])


def measured_images(bundle: Bundle, images: Manifest) -> Measurements:
    return measure_images(bundle, [images.location(record) for record in images])


def refitted_head(
    bundle: Bundle,
    labels: Mapping[str, IntArray],
    measured: Mapping[str, Mapping[ImageType, Measurements]],
    pairs: Mapping[str, Mapping[ImageType, Manifest]],
    clinical_evidence: FloatArray,
) -> dict[str, Any]:
    """Return the measures of the dermoscopic network with a new last layer, alone and with the clinical network."""
    info, task = bundle.info, TASKS[bundle.info.task]
    features = {name: signed_sqrt(of["dermoscopic"].features) for name, of in measured.items()}
    scaler = StandardScaler().fit(features["train"])
    scaled = {name: scaler.transform(rows) for name, rows in features.items()}
    heads = {
        penalty: LogisticRegression(C=penalty, max_iter=2000).fit(scaled["train"], labels["train"])
        for penalty in PENALTIES
    }

    def loss(penalty: float) -> float:
        rows = heads[penalty].predict_log_proba(scaled["validation"])
        return float(-rows[np.arange(len(rows)), labels["validation"]].mean())

    best = min(PENALTIES, key=loss)
    logits = {name: heads[best].predict_log_proba(rows) for name, rows in scaled.items()}
    inference = Recipe.model_validate(info.recipe).inference
    train, validation = pairs["train"]["dermoscopic"], pairs["validation"]["dermoscopic"]

    def fitted(rows: FloatArray) -> BundleInfo:
        values = dict(fit_on_validation(rows, train, validation, inference, task))
        return info.fitted_for(FittedValues.model_validate({name: values[name] for name in FittedValues.model_fields}))

    alone, (_, second) = fitted(logits["validation"]), parts(bundle)
    frequencies = frequencies_of(alone)
    evidence_of: dict[ImageType, FloatArray] = {
        "dermoscopic": evidence(alone.calibration.probabilities(logits["validation"]), frequencies),
        "clinical": evidence(
            probabilities_of(second.info, measured["validation"]["clinical"]), frequencies_of(second.info)
        ),
    }
    weights = fit_weights(labels["validation"], evidence_of, frequencies)
    together = fitted(combined_logits(evidence_of, frequencies, weights))
    test = alone.calibration.probabilities(logits["test"])
    in_test: dict[ImageType, FloatArray] = {
        "dermoscopic": evidence(test, frequencies),
        "clinical": clinical_evidence,
    }
    both = together.calibration.probabilities(combined_logits(in_test, frequencies, weights))
    return {
        "weights": weights,
        "penalty": best,
        "dermoscopic": measures(labels["test"], test, alone),
        "both": measures(labels["test"], both, together),
    }


if __name__ == "__main__":
    main()
