"""Abstention rates on dermoscopic images of several sources and on pictures that are none.

    python benchmarks/abstention.py --data FOLDER --negatives FOLDER [--model BUNDLE] [--metadata TABLE] [--out FILE]

FOLDER of `--data` holds `ham10000`, and if available `isic2017`, `isic2020` and `milk10k`, in their official layouts.
Images that the model was fitted to are left out, and of the other datasets those of HAM10000; diagnoses are not read.
`--negatives` is a folder with a subfolder for each kind, or that of `scripts/collect_negatives.py`, whose subfolder
`test` is used. Kinds that the detector was trained on are marked.

For a model that was trained without a diagnosis, `unseen_diagnoses` holds the AUROC of scores between images with this
diagnosis and the test subset. Its dataset is read with `--metadata`: a table without the diagnosis.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from common import command, options, versions, write
from external import isic2020, milk10k

from lesionlab.bundle import Bundle
from lesionlab.bundle.features import ood_scores
from lesionlab.data import Manifest, read_dataset
from lesionlab.evaluation.seen import without_seen
from lesionlab.export.measure import Measurements, measure_images
from lesionlab.metrics.ranking import roc_auc
from lesionlab.prediction import Predictor
from lesionlab.prediction.io.inputs import expand_inputs
from lesionlab.results import Failure

EXTERNAL: dict[str, Callable[[Path], Manifest]] = {"isic2017": read_dataset, "isic2020": isic2020, "milk10k": milk10k}


def main() -> None:
    """Measure, and write the results."""
    parser = options(__doc__, "data!", "model", "metadata", "out")
    parser.add_argument("--negatives", type=Path, required=True)
    arguments = parser.parse_args()
    bundle = Bundle.load(arguments.model)
    predictor = Predictor.load(bundle)
    whole = read_dataset(arguments.data / "ham10000")
    own = (
        whole if arguments.metadata is None else read_dataset(arguments.data / "ham10000", metadata=arguments.metadata)
    )
    test, _ = without_seen(bundle, own, identifiers=True, keep=False)
    positives = {"ham10000": locations(test)}
    for name, read in EXTERNAL.items():
        if (folder := arguments.data / name).exists():
            positives[name] = locations(without_seen(bundle, read(folder), identifiers=True, keep=False)[0])
    trained_on = bundle.info.dermoscopy.negatives if bundle.info.dermoscopy else {}
    kinds = {
        folder.name: {"trained_on": folder.name in trained_on, **rates(predictor, expand_inputs([str(folder)]))}
        for folder in kinds_in(arguments.negatives)
    }
    write(
        arguments,
        {
            "what": "shares of images on which the model abstains, by reason; an image may have several reasons",
            "command": command(arguments),
            "versions": versions("onnxruntime", "numpy", "pillow"),
            "bundle": bundle.info.identity,
            "detector": bundle.info.dermoscopy.model_dump(mode="json") if bundle.info.dermoscopy else None,
            "dermoscopic": {name: rates(predictor, images) for name, images in positives.items()},
            "negatives": kinds,
            "negatives_of_kinds_not_trained_on": pooled([kind for kind in kinds.values() if not kind["trained_on"]]),
            "unseen_diagnoses": unseen(bundle, whole, locations(test)),
        },
    )


def locations(manifest: Manifest) -> list[str]:
    """Return the locations of images."""
    return [manifest.location(record) for record in manifest]


def kinds_in(folder: Path) -> list[Path]:
    """Return the subfolders of the kinds."""
    return sorted(
        path for path in (folder / "test" if (folder / "test").exists() else folder).iterdir() if path.is_dir()
    )


def rates(predictor: Predictor, images: Sequence[str]) -> dict[str, Any]:
    """Return the number of images, and the share of abstentions in all and by reason."""
    counts: Counter[str] = Counter()
    for prediction in predictor.predict_many(images):
        if isinstance(prediction, Failure):
            counts["unreadable"] += 1
        elif prediction.abstained:
            counts.update(["abstained", *(reason.code for reason in prediction.abstain_reasons)])
    return {"images": len(images), "abstained": 0.0} | {
        name: round(count / len(images), 4) for name, count in counts.most_common()
    }


def pooled(kinds: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the number of images, and the share of abstentions over all and as the mean over kinds."""
    images = sum(kind["images"] for kind in kinds)
    abstained = sum(kind["abstained"] * kind["images"] for kind in kinds)
    return {
        "images": images,
        "abstained": round(abstained / max(images, 1), 4),
        "mean_over_kinds": round(float(np.mean([kind["abstained"] for kind in kinds])), 4) if kinds else None,
    }


def unseen(bundle: Bundle, dataset: Manifest, test: Sequence[str]) -> dict[str, Any]:
    """Return the AUROC of scores between test images and those of each diagnosis without training images."""
    codes = [code for code, count in bundle.info.training_data.classes.items() if count == 0]
    known = scores(bundle, measure_images(bundle, test if codes else ()))
    found: dict[str, Any] = {}
    for code in codes:
        of_code = dataset.select(record.image_id for record in dataset if record.diagnosis == code)
        far = scores(bundle, measure_images(bundle, locations(of_code)))
        found[code] = {"images": len(of_code)} | {name: auroc(values, far[name]) for name, values in known.items()}
    return found


def scores(bundle: Bundle, measured: Measurements) -> dict[str, np.ndarray]:
    """Return scores that are higher for unusual images."""
    probabilities = bundle.info.calibration.probabilities(measured.logits.astype(np.float64))
    found = {
        "1 - highest probability": 1 - probabilities.max(axis=1),
        "1 - confidence": 1 - bundle.info.decision_rule.scores(probabilities).max(axis=1),
        "energy": -np.logaddexp.reduce(measured.logits.astype(np.float64), axis=1),
    }
    if bundle.reference and bundle.reference.features:
        found["ood_score"] = ood_scores(bundle.reference.features, measured.features)
    if measured.dermoscopic is not None:
        found["detector"] = -measured.dermoscopic
    return found


def auroc(near: np.ndarray, far: np.ndarray) -> float:
    """Return the AUROC of a score between two groups of images."""
    values = np.concatenate([near, far])
    return round(float(roc_auc(np.arange(len(values)) >= len(near), values)), 4)


if __name__ == "__main__":
    main()
