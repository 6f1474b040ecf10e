"""Agreement of the nearest training images with the diagnosis, by number of directions and distance.

    python benchmarks/nearest_images.py RUN --data FOLDER [--features FOLDER] [--out FILE]

For each validation image, the five nearest training lesions are searched in the square roots of the pooled features: in
all channels, and in the first principal directions, as a bundle stores them. `of the same diagnosis` is the share of
the five with the image's diagnosis, averaged over the diagnoses. `as in all channels` is the share of the five that are
also found in all channels. The test subset is not read.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from common import command, options, versions, write

from lesionlab.bundle import Bundle, FeatureSpace, TrainingImages
from lesionlab.bundle.features import coordinates, signed_sqrt
from lesionlab.data import ImageRecord
from lesionlab.export.measure import measure_images
from lesionlab.export.training_images import DIRECTIONS, index_training_images
from lesionlab.prediction.explanation.nearest_images import COUNT, NearestImageIndex
from lesionlab.results import NearestImage
from lesionlab.runs import RunFolder

DIRECTION_COUNTS = (16, 32, 64, 128)


def main() -> None:
    parser = options(__doc__, "run", "data!", "features", "out")
    arguments = parser.parse_args()
    run = RunFolder(arguments.run)
    bundle = Bundle.load(run.bundle)
    reference = bundle.reference
    if reference is None or reference.features is None:
        parser.error(f"{run.bundle} has no feature space; export the run again")
    space = reference.features
    train, train_features = measured_subset(run, bundle, "train", arguments.data, arguments.features)
    validation, validation_features = measured_subset(run, bundle, "validation", arguments.data, arguments.features)
    index = index_training_images(train, train_features, space)
    search = NearestImageIndex(index, space)
    found = [search.nearest(features) for features in validation_features]
    exact = nearest(
        signed_sqrt(train_features) - space.mean, signed_sqrt(validation_features) - space.mean, train, cosine=True
    )
    result = {
        "what": "the five training lesions nearest to each validation image",
        "command": command(arguments),
        "versions": versions("onnxruntime", "numpy", "pillow"),
        "bundle": bundle.info.identity,
        "images": {
            "train": len(train),
            "train, including copies": bundle.info.training_data.images["train"],
            "validation": len(validation),
        },
        "index": sizes(index) | {"directions": DIRECTIONS, "distance": "cosine"},
        "of the same diagnosis": by_diagnosis(found, validation),
        "similarity of the nearest, its 5th, 50th and 95th percentile": percentiles([row[0] for row in found]),
        "similarity of the fifth": percentiles([row[-1] for row in found]),
        "compared": {"all channels": {"cosine": {"of the same diagnosis": balanced(exact, train, validation)}}}
        | {
            f"{count} directions": {
                name: compared(space, count, (train, train_features), (validation, validation_features), exact, name)
                for name in ("cosine", "euclidean")
            }
            for count in DIRECTION_COUNTS
        },
    }
    write(arguments, result)


def measured_subset(
    run: RunFolder, bundle: Bundle, subset: str, data: Path, kept: Path | None
) -> tuple[list[ImageRecord], np.ndarray]:
    """Return the images of a subset and their pooled features; with a cached file with fewer rows, the first images."""
    manifest = run.manifest(data).select(run.split().subsets(run.record().fold)[subset])
    file = kept / f"{bundle.info.graph_sha256[:12]}-{subset}.npz" if kept else None
    if file is not None and file.exists():
        with np.load(file) as arrays:
            features = arrays["features"]
    else:
        features = measure_images(bundle, [manifest.location(record) for record in manifest]).features
        if file is not None:
            file.parent.mkdir(parents=True, exist_ok=True)
            np.savez(file, features=features)
    return list(manifest)[: len(features)], features


def nearest(there: np.ndarray, here: np.ndarray, train: Sequence[ImageRecord], *, cosine: bool) -> np.ndarray:
    """Return the rows of the nearest training images, one of each lesion, [N, COUNT]."""
    if cosine:
        there, here = (points / np.linalg.norm(points, axis=1, keepdims=True) for points in (there, here))
    distances = (there**2).sum(axis=1) - 2 * here @ there.T
    lesions = np.array([record.lesion_id for record in train])
    found = np.empty((len(here), COUNT), int)
    for row, order in enumerate(np.argsort(distances, axis=1, kind="stable")):
        _, first = np.unique(lesions[order], return_index=True)
        found[row] = order[np.sort(first)[:COUNT]]
    return found


def compared(
    space: FeatureSpace,
    count: int,
    train: tuple[Sequence[ImageRecord], np.ndarray],
    validation: tuple[Sequence[ImageRecord], np.ndarray],
    exact: np.ndarray,
    name: str,
) -> dict[str, float]:
    first = FeatureSpace(space.mean, space.basis[:count], space.limit)
    there = coordinates(first, train[1]).astype(np.float16).astype(np.float32)
    found = nearest(there, coordinates(first, validation[1]), train[0], cosine=name == "cosine")
    lesions = np.array([record.lesion_id for record in train[0]])
    same = [np.isin(lesions[one], lesions[other]).mean() for one, other in zip(found, exact, strict=True)]
    return {
        "of the same diagnosis": balanced(found, train[0], validation[0]),
        "as in all channels (cosine)": round(float(np.mean(same)), 4),
    }


def balanced(found: np.ndarray, train: Sequence[ImageRecord], validation: Sequence[ImageRecord]) -> float:
    there, here = (np.array([record.diagnosis for record in subset]) for subset in (train, validation))
    shares = (there[found] == here[:, None]).mean(axis=1)
    return round(float(np.mean([shares[here == code].mean() for code in np.unique(here)])), 4)


def by_diagnosis(
    found: Sequence[Sequence[NearestImage]], validation: Sequence[ImageRecord]
) -> dict[str, float | dict[str, float]]:
    shares: dict[str, list[float]] = {}
    for images, record in zip(found, validation, strict=True):
        same = float(np.mean([image.code == record.diagnosis for image in images]))
        shares.setdefault(record.diagnosis, []).append(same)
    each = {code: round(float(np.mean(values)), 4) for code, values in sorted(shares.items())}
    return {"mean over the diagnoses": round(float(np.mean(list(each.values()))), 4), "each": each}


def sizes(index: TrainingImages) -> dict[str, int]:
    return {"images": len(index), "lesions": index.lesion_count, "bytes": len(index.to_bytes())}


def percentiles(images: Sequence[NearestImage]) -> list[float]:
    return [round(float(value), 3) for value in np.quantile([image.similarity for image in images], (0.05, 0.5, 0.95))]


if __name__ == "__main__":
    main()
