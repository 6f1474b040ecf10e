"""Recall of label errors that were made on purpose: labels of lesions, changed at random.

    python benchmarks/label_errors.py --data FOLDER [--flips 100] [--out FILE]

For each seed, `--flips` lesions drawn uniformly get another diagnosis: any of the others, or one that it is often
confused with. `lesionlab data label-issues` then ranks all lesions, with features of an ImageNet network, which saw no
label of the dataset. Errors that the labels of the dataset hold already count as false positives.
"""

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from common import Result, command, environment, options, write

from lesionlab.curation import LesionLabel, imagenet_features, predict_out_of_fold, rank_labels
from lesionlab.data import ImageRecord, Manifest, read_dataset
from lesionlab.taxonomy import CODES, DIAGNOSIS

LISTED = (100, 300, 1000)
SEEDS = (0, 1, 2)
ANY = {code: tuple(other for other in CODES if other != code) for code in CODES}
CONFUSED = {
    "mel": ("nv", "bkl"),
    "nv": ("mel", "bkl"),
    "bcc": ("akiec", "bkl"),
    "akiec": ("bcc", "bkl"),
    "bkl": ("mel", "nv", "akiec"),
    "df": ("nv", "bcc"),
    "vasc": ("nv", "mel"),
}


def flipped(
    records: Sequence[ImageRecord], count: int, seed: int, others: Mapping[str, Sequence[str]] = ANY
) -> tuple[list[ImageRecord], dict[str, str]]:
    """Return the images with wrong labels for some lesions, and the true labels of these lesions."""
    random = np.random.default_rng(seed)
    diagnoses = {record.lesion_id: record.diagnosis for record in records}
    chosen = random.choice(sorted(diagnoses), count, replace=False).tolist()
    wrong = {lesion: str(random.choice(others[diagnoses[lesion]])) for lesion in chosen}
    changed = [replace(r, diagnosis=wrong.get(r.lesion_id, r.diagnosis)) for r in records]
    return changed, {lesion: diagnoses[lesion] for lesion in wrong}


def margin(one: LesionLabel) -> float:
    """Return the normalized margin, the other common order."""
    return one.probability - one.suggested_probability


def measure(
    features: np.ndarray, manifest: Manifest, flips: int, seed: int, others: Mapping[str, Sequence[str]]
) -> Result:
    started = time.perf_counter()
    records, wrong = flipped(manifest.records, flips, seed, others)
    ranked = rank_labels(records, predict_out_of_fold(features, records, DIAGNOSIS, seed), DIAGNOSIS)
    seconds = time.perf_counter() - started
    orders = {"self-confidence": ranked, "normalized margin": sorted(ranked, key=margin)}
    found = [one for one in ranked if one.lesion_id in wrong]
    return {
        "seed": seed,
        "recall": {
            name: {f"first {count}": recall(order[:count], wrong) for count in LISTED} for name, order in orders.items()
        },
        "likely errors": sum(one.likely_error for one in ranked),
        "flipped among the likely errors": sum(one.likely_error for one in found),
        "flipped with the true label suggested": sum(one.suggested == wrong[one.lesion_id] for one in found),
        "seconds": round(seconds, 1),
    }


def recall(listed: Sequence[LesionLabel], wrong: Mapping[str, str]) -> float:
    return sum(one.lesion_id in wrong for one in listed) / len(wrong)


def main() -> None:
    parser = options(__doc__, "data!", "out")
    parser.add_argument("--flips", type=int, default=100)
    arguments = parser.parse_args()
    manifest = read_dataset(arguments.data)
    features = imagenet_features(manifest)
    result: Result = {
        "what": "lesions with a changed label among the first places of lesionlab data label-issues",
        "command": command(arguments),
        "features": "EfficientNet-Lite0, ImageNet",
        "images": len(manifest),
        "lesions": manifest.lesion_count,
        "manifest_sha256": manifest.sha256,
        "flips": arguments.flips,
    }
    for name, others in (("any other label", ANY), ("a label often confused", CONFUSED)):
        runs = [measure(features, manifest, arguments.flips, seed, others) for seed in SEEDS]
        result[name] = {
            "mean recall": {
                f"first {count}": round(
                    float(np.mean([run["recall"]["self-confidence"][f"first {count}"] for run in runs])), 3
                )
                for count in LISTED
            },
            "runs": runs,
        }
    ranked = rank_labels(manifest.records, predict_out_of_fold(features, manifest.records, DIAGNOSIS), DIAGNOSIS)
    likely = [one for one in ranked if one.likely_error]
    result["without flips"] = {
        "likely errors": len(likely),
        "by label": Counter(one.given for one in likely),
        "by confirmation": Counter(one.records[0].dx_type or "unknown" for one in likely),
        "first 300 by confirmation": Counter(one.records[0].dx_type or "unknown" for one in ranked[:300]),
    }
    result["environment"] = environment("numpy", "torch", "timm")
    write(arguments, result)


if __name__ == "__main__":
    main()
