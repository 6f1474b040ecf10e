"""What the model refuses: images that are no dermoscopic images, and how many of those that are.

    python benchmarks/refusal.py RUN --data FOLDER --photographs FOLDER [--other FOLDER --metadata TABLE] [--out FILE]

Four distances in the space of the pooled features, and of their roots, are compared. Each is fitted to the training
images, and its limit is the one that 2 % of the validation images exceed. `refused` counts what users meet: answers of
the bundle with a refusal, by reason; on the test part, too, whose diagnoses are not read. The photographs are those
that scikit-image carries: its folder `data`. `--other` is a dataset of another source, every fourth image of it.
"""

import argparse
import json
import platform
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import version
from pathlib import Path

import numpy as np
from PIL import Image

from lesionlab.bundle import Bundle, FeatureSpace, Reference
from lesionlab.bundle.features import ood_scores, pool_features, signed_sqrt
from lesionlab.data import read_dataset
from lesionlab.export.measure import Measured, measure_images
from lesionlab.export.reference import REFUSED, feature_space, image_limits
from lesionlab.files import write_json
from lesionlab.metrics.ranking import roc_auc
from lesionlab.phantoms import phantom_image
from lesionlab.prediction import Predictor
from lesionlab.prediction.decision.abstention import quality_reasons
from lesionlab.prediction.inference.preprocessing import PreparedImage
from lesionlab.prediction.inference.session import GraphSession
from lesionlab.results import Failure
from lesionlab.runs import RunFolder
from lesionlab.taxonomy import CODES

PHOTOGRAPHS = (
    *("astronaut.png", "camera.png", "chelsea.png", "coffee.png", "coins.png", "hubble_deep_field.jpg", "moon.png"),
    *("motorcycle_left.png", "rocket.jpg", "page.png", "color.png"),
)
MEDICAL = ("ihc.png", "retina.jpg", "microaneurysms.png", "cell.png")
TEXTURES = ("brick.png", "grass.png", "gravel.png", "text.png", "chessboard_RGB.png")
Distance = Callable[[np.ndarray], np.ndarray]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--photographs", type=Path, required=True)
    parser.add_argument("--other", type=Path)
    parser.add_argument("--metadata", type=Path)
    parser.add_argument("--features", type=Path, help="where to keep what the graph made of the dataset")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    run = RunFolder(arguments.run)
    bundle = Bundle.load(run.bundle)
    train, validation = measured_parts(run, bundle, arguments.data, arguments.features)
    far = {name: measure_images(bundle, images) for name, images in far_images(arguments.photographs).items()}
    space = feature_space(train, validation)
    reference = Reference(picture=image_limits(train), features=space)
    pictures: dict[str, Sequence[str | np.ndarray]] = {
        **{part: locations(run, part, arguments.data) for part in ("validation", "test")},
        **far_images(arguments.photographs),
        "phantoms": phantoms(),
    }
    if arguments.other:
        other = read_dataset(arguments.other, metadata=arguments.metadata)
        pictures[arguments.other.name] = [other.location(record) for record in other][::4]
    predictor = Predictor.load(bundle)
    result = {
        "what": "images that the model refuses; AUROC of a distance between validation images and images of a group",
        "command": "python benchmarks/refusal.py RUN --data FOLDER --photographs FOLDER"
        + (" --other FOLDER --metadata TABLE" if arguments.other else ""),
        "versions": {name: version(name) for name in ("onnxruntime", "numpy", "pillow")}
        | {"python": platform.python_version()},
        "bundle": bundle.info.identity,
        "images": {"train": len(train.logits)} | {name: len(images) for name, images in pictures.items()},
        "ood_scores": {
            name: {
                "auroc": {group: separation(distance, validation, measured) for group, measured in far.items()},
                "refused_at_the_limit": refused_by(distance, validation, far),
            }
            for name, distance in candidates(space, train).items()
        },
        "refused": {name: shares_refused(predictor, images) for name, images in pictures.items()},
        "reference_bytes": len(reference.to_bytes()),
        "seconds_for_16_images": cost(bundle, reference),
    }
    print(json.dumps(result, indent=2))
    if arguments.out:
        write_json(arguments.out, result)


def measured_parts(run: RunFolder, bundle: Bundle, data: Path, kept: Path | None) -> tuple[Measured, Measured]:
    manifest, parts = run.manifest(data), run.split().subsets(run.record().fold)
    found = []
    for name in ("train", "validation"):
        file = kept / f"{bundle.info.graph_sha256[:12]}-{name}.npz" if kept else None
        if file is not None and file.exists():
            with np.load(file) as arrays:
                found.append(Measured(arrays["logits"], arrays["features"], arrays["pictures"]))
            continue
        part = manifest.select(parts[name])
        measured = measure_images(bundle, [part.location(record) for record in part], say_progress)
        if file is not None:
            file.parent.mkdir(parents=True, exist_ok=True)
            np.savez(file, logits=measured.logits, features=measured.features, pictures=measured.pictures)
        found.append(measured)
    return found[0], found[1]


def say_progress(done: int, total: int) -> None:
    print(f"\r{done} of {total}", end="\n" if done == total else "", file=sys.stderr, flush=True)


def far_images(folder: Path) -> dict[str, list[np.ndarray]]:
    draw = np.random.default_rng(0)
    return {
        "photographs": [crop for name in PHOTOGRAPHS for crop in crops(folder / name)],
        "other medical images": [crop for name in MEDICAL for crop in crops(folder / name)],
        "textures": [crop for name in TEXTURES for crop in crops(folder / name)],
        "noise": [noise(draw, grain) for grain in (1, 2, 4, 8, 16, 32) for _ in range(10)],
        "solid colours": [np.tile(draw.integers(0, 256, 3, dtype=np.uint8), (224, 224, 1)) for _ in range(60)],
        "skin-coloured noise": [skin_noise(draw, grain) for grain in (1, 4, 8, 16, 32, 64) for _ in range(10)],
    }


def crops(path: Path) -> Iterator[np.ndarray]:
    """Yield a picture and its four quarters."""
    with Image.open(path) as opened:
        pixels = np.asarray(opened.convert("RGB"))
    rows, columns = pixels.shape[0] // 2, pixels.shape[1] // 2
    yield pixels
    for top in (slice(rows), slice(rows, None)):
        for left in (slice(columns), slice(columns, None)):
            yield pixels[top, left]


def noise(draw: np.random.Generator, grain: int) -> np.ndarray:
    small = draw.integers(0, 256, (224 // grain, 224 // grain, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(small).resize((224, 224), Image.Resampling.BICUBIC))


def skin_noise(draw: np.random.Generator, grain: int) -> np.ndarray:
    tone = np.array([205, 150, 140]) + draw.normal(0, 15, 3)
    return (tone + (noise(draw, grain) - 127.5) * draw.uniform(0.1, 0.4)).clip(0, 255).astype(np.uint8)


def phantoms() -> list[np.ndarray]:
    return [np.asarray(phantom_image(code, seed=seed)) for code in CODES for seed in range(10)]


def candidates(space: FeatureSpace, train: Measured) -> dict[str, Distance]:
    """Return the distances that are compared, each a function of features [N, D]; the first is the bundle's."""
    found: dict[str, Distance] = {"residual of the roots (the bundle's)": lambda features: ood_scores(space, features)}
    for of, prepare in (("the roots", signed_sqrt), ("the features", np.asarray)):
        found |= {
            f"{name} of {of}": distance for name, distance in distances_of(prepare, train.features, len(space.basis))
        }
    return found


def distances_of(prepare: Distance, train: np.ndarray, kept: int) -> Iterator[tuple[str, Distance]]:
    points = prepare(train).astype(np.float64)
    mean = points.mean(axis=0)
    variances, directions = np.linalg.eigh(np.cov(points, rowvar=False))
    basis, spread = directions[:, : -kept - 1 : -1], np.sqrt(variances[: -kept - 1 : -1])
    rest = np.sqrt(variances[:-kept].mean())

    def along(features: np.ndarray) -> np.ndarray:
        return np.asarray((prepare(features) - mean) @ basis)

    def mahalanobis(features: np.ndarray) -> np.ndarray:
        return np.asarray(np.linalg.norm(along(features) / spread, axis=1))

    def residual(features: np.ndarray) -> np.ndarray:
        return np.asarray(np.linalg.norm(prepare(features) - mean - along(features) @ basis.T, axis=1))

    def directed(features: np.ndarray) -> np.ndarray:
        projected = along(features)
        return np.asarray(projected / np.linalg.norm(projected, axis=1, keepdims=True))

    coreset = farthest_first(directed(train), 1000)
    yield "Mahalanobis along the principal directions", mahalanobis
    yield "residual across them", residual
    yield "both (probabilistic PCA)", lambda features: np.hypot(mahalanobis(features), residual(features) / rest)
    yield (
        "fifth nearest neighbour in a coreset of 1,000",
        lambda features: 1 - np.sort(directed(features) @ coreset.T, axis=1)[:, -5],
    )


def farthest_first(points: np.ndarray, count: int) -> np.ndarray:
    """Return points of which each in turn lies farthest from those before it."""
    chosen = [0]
    nearest = np.full(len(points), np.inf)
    for _ in range(min(count, len(points)) - 1):
        nearest = np.minimum(nearest, ((points - points[chosen[-1]]) ** 2).sum(axis=1))
        chosen.append(int(nearest.argmax()))
    return points[chosen]


def separation(distance: Distance, validation: Measured, far: Measured) -> float:
    scores = np.concatenate([distance(validation.features), distance(far.features)])
    is_far = np.arange(len(scores)) >= len(validation.features)
    return round(float(roc_auc(is_far, scores)), 4)


def refused_by(distance: Distance, validation: Measured, far: dict[str, Measured]) -> dict[str, float]:
    limit = np.quantile(distance(validation.features), 1 - REFUSED, method="higher")
    return {group: round(float((distance(m.features) > limit).mean()), 4) for group, m in far.items()}


def locations(run: RunFolder, subset: str, data: Path) -> list[str]:
    manifest = run.manifest(data).select(run.split().subsets(run.record().fold)[subset])
    return [manifest.location(record) for record in manifest]


def shares_refused(predictor: Predictor, images: Sequence[str | np.ndarray]) -> dict[str, float]:
    """Return the share of answers with a refusal, and with each reason for one; an image may have several."""
    counts: Counter[str] = Counter()
    for answer in predictor.predict_many(images):
        if isinstance(answer, Failure):
            raise TypeError(f"{answer.path}: {answer.error}")
        if answer.abstained:
            counts.update(["any", *(reason.code for reason in answer.refusal.reasons)])
    return {name: round(count / len(images), 4) for name, count in {"any": counts["any"], **counts}.items()}


def cost(bundle: Bundle, reference: Reference) -> dict[str, dict[str, float]]:
    """Return what a batch takes without and with the feature map and the refusal that follows; measured in turn."""
    session = GraphSession(bundle)
    size = bundle.info.preprocessing.size
    pixels = np.random.default_rng(0).integers(0, 256, (16, size, size, 3), dtype=np.uint8)

    def with_refusal() -> None:
        feature_map = session.outputs(pixels).feature_map
        if feature_map is None:
            raise SystemExit("the model has no feature map, by which it could refuse")
        if reference.features is None:
            raise SystemExit("the model does not know what its training images were like")
        for one, distance in zip(pixels, ood_scores(reference.features, pool_features(feature_map)), strict=True):
            quality_reasons(reference, PreparedImage("image", one, ()), distance)

    works: dict[str, Callable[[], object]] = {
        "logits": lambda: session.logits(pixels),
        "logits and map": lambda: session.outputs(pixels),
        "logits, map and refusal": with_refusal,
    }
    times = np.empty((21, len(works)))
    for round_of_times in times:
        for column, work in enumerate(works.values()):
            start = time.perf_counter()
            work()
            round_of_times[column] = time.perf_counter() - start
    times = times[1:]
    ratios = np.median(times / times[:, :1], axis=0)
    return {
        name: {"seconds": round(float(seconds), 4), "median ratio to the logits alone": round(float(ratio), 4)}
        for name, seconds, ratio in zip(works, np.median(times, axis=0), ratios, strict=True)
    }


if __name__ == "__main__":
    main()
