"""One prediction from several images of a lesion, against predictions from single images.

    python benchmarks/several_images.py --data FOLDER [--model BUNDLE] [--out FILE]

FOLDER is HAM10000, on which the model was trained. The correlation of images of one lesion is fitted on the validation
lesions that have several images; every rule is measured on the test lesions that have several. The figures of single
images are the mean over draws of one random image of each lesion. `difference` is that of a rule and single images,
with 95% intervals from paired resamples of lesions. The model's thresholds were chosen on single images of all lesions.
"""

from collections.abc import Sequence

import numpy as np
from common import command, environment, options, write
from lesion_measures import compared, mean_of, measures
from own_split import own_split

from lesionlab.bundle import Bundle
from lesionlab.bundle.fusion import fused_probabilities
from lesionlab.data import Manifest
from lesionlab.export.fusion import fit_fusion
from lesionlab.metrics.arrays import FloatArray, IntArray
from lesionlab.prediction import Predictor
from lesionlab.taxonomy import TASKS

DRAWS = 20


def main() -> None:
    arguments = options(__doc__, "data!", "model", "out").parse_args()
    bundle = Bundle.load(arguments.model)
    predictor = Predictor.load(bundle)
    info = predictor.info
    manifest, split = own_split(bundle, arguments.data)
    subsets = {name: with_several(manifest.select(ids)) for name, ids in split.subsets().items() if name != "train"}
    probabilities = {name: predicted(predictor, images) for name, images in subsets.items()}
    labels = {name: labels_of(images, info.task) for name, images in subsets.items()}
    frequencies = np.array(info.class_frequencies)
    if not frequencies.size:
        raise SystemExit("the class frequencies of the model are unknown")
    validation = [record.lesion_id for record in subsets["validation"]]
    fitted = fit_fusion(labels["validation"], probabilities["validation"], validation, frequencies)
    if fitted is None:
        raise SystemExit("there are too few validation lesions with several images")
    rows, lesions = rows_of_lesions(subsets["test"])
    truth = labels["test"][[row[0] for row in rows]]
    of_lesions = [probabilities["test"][row] for row in rows]
    malignant = [TASKS[info.task].classes.index(code) for code in TASKS[info.task].malignant]
    fused = {
        f"correlation {fitted.correlation:.2f}, as fitted": [
            fused_probabilities(one, frequencies, fitted.correlation) for one in of_lesions
        ],
        "mean of the log-probabilities (correlation 1)": [fused_probabilities(p, frequencies, 1.0) for p in of_lesions],
        "independent images (correlation 0)": [fused_probabilities(p, frequencies, 0.0) for p in of_lesions],
        "mean of the probabilities": [one.mean(axis=0) for one in of_lesions],
        "the image with the highest P(malignant)": [one[one[:, malignant].sum(axis=1).argmax()] for one in of_lesions],
    }
    draw = np.random.default_rng(0)
    singles = [np.stack([draw.choice(one) for one in of_lesions]) for _ in range(DRAWS)]
    single = mean_of([measures(truth, one, info) for one in singles])
    counts = np.bincount([len(row) for row in rows])
    result = {
        "what": "rules that fuse images of a lesion, against single images, on test lesions with several",
        "command": command(arguments),
        "environment": environment("lesionlab", "onnxruntime", "numpy", "scipy"),
        "bundle": info.identity,
        "fitted on validation lesions": fitted.model_dump(mode="json", exclude={"clinical"}),
        "test lesions": len(lesions),
        "test lesions by number of images": {str(n): int(count) for n, count in enumerate(counts) if count},
        "test lesions by diagnosis": dict(
            zip(info.classes, np.bincount(truth, minlength=len(info.classes)).tolist(), strict=True)
        ),
        "rules": {
            name: compared(single, measures(truth, np.stack(rows_), info), lesions) for name, rows_ in fused.items()
        },
    }
    write(arguments, result)


def with_several(manifest: Manifest) -> Manifest:
    """Return the images of the lesions that have several."""
    names, counts = np.unique([record.lesion_id for record in manifest], return_counts=True)
    several = set(names[counts > 1].tolist())
    return manifest.select(record.image_id for record in manifest if record.lesion_id in several)


def predicted(predictor: Predictor, images: Manifest) -> FloatArray:
    """Return the calibrated probabilities of images, [N, C], without patient data."""
    logits = predictor.predict_logits([images.location(record) for record in images])
    return predictor.info.calibration.probabilities(logits.astype(np.float64))


def labels_of(images: Manifest, task: str) -> IntArray:
    """Return the index of the class of each image, [N]."""
    return np.array([TASKS[task].index(record.diagnosis) for record in images])


def rows_of_lesions(images: Manifest) -> tuple[list[list[int]], Sequence[str]]:
    """Return the rows of each lesion, and the lesions."""
    rows: dict[str, list[int]] = {}
    for row, record in enumerate(images):
        rows.setdefault(record.lesion_id, []).append(row)
    return list(rows.values()), list(rows)


if __name__ == "__main__":
    main()
