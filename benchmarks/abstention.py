"""Abstention rates on dermoscopic and on other images.

    python benchmarks/abstention.py RUN --data FOLDER --photographs FOLDER
        [--other FOLDER --metadata TABLE] [--out FILE]

Distances in the space of the pooled features, and of their square roots, are compared. Each is fitted to the training
images, and 2% of the validation images exceed its limit. `abstained` holds the rates of the bundle's abstentions by
reason, also on the test subset, whose diagnoses are not read. The photographs are those of scikit-image, in its folder
`data`. `--other` is a dataset of another source, of which every fourth image is used.
"""

import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from common import command, options, versions, write
from PIL import Image

from lesionlab.bundle import Bundle, FeatureSpace, Reference
from lesionlab.bundle.features import ood_scores, pool_features, signed_sqrt
from lesionlab.data import read_dataset
from lesionlab.export.measure import Measurements, measure_images
from lesionlab.export.reference import ABSTENTION_SHARE, feature_space, image_limits
from lesionlab.metrics.ranking import roc_auc
from lesionlab.phantoms import phantom_image
from lesionlab.prediction import Predictor
from lesionlab.prediction.decision.abstention import image_reasons
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
    parser = options(__doc__, "run", "data!", "metadata", "features", "out")
    parser.add_argument("--photographs", type=Path, required=True)
    parser.add_argument("--other", type=Path)
    arguments = parser.parse_args()
    run = RunFolder(arguments.run)
    bundle = Bundle.load(run.bundle)
    train, validation = measured_subsets(run, bundle, arguments.data, arguments.features)
    far = {name: measure_images(bundle, images) for name, images in far_images(arguments.photographs).items()}
    space = feature_space(train, validation)
    reference = Reference(image=image_limits(train), features=space)
    groups: dict[str, Sequence[str | np.ndarray]] = {
        **{subset: locations(run, subset, arguments.data) for subset in ("validation", "test")},
        **far_images(arguments.photographs),
        "phantoms": phantoms(),
    }
    if arguments.other:
        other = read_dataset(arguments.other, metadata=arguments.metadata)
        groups[arguments.other.name] = [other.location(record) for record in other][::4]
    predictor = Predictor.load(bundle)
    result = {
        "what": "abstention rates; AUROC of OOD scores between validation images and images of a group",
        "command": command(arguments),
        "versions": versions("onnxruntime", "numpy", "pillow"),
        "bundle": bundle.info.identity,
        "images": {"train": len(train.logits)} | {name: len(images) for name, images in groups.items()},
        "ood_scores": {
            name: {
                "auroc": {group: separation(distance, validation, measured) for group, measured in far.items()},
                "abstained_at_the_limit": share_beyond_limit(distance, validation, far),
            }
            for name, distance in candidates(space, train).items()
        },
        "abstained": {name: abstention_rates(predictor, images) for name, images in groups.items()},
        "reference_bytes": len(reference.to_bytes()),
        "seconds_for_16_images": cost(bundle, reference),
    }
    write(arguments, result)


def measured_subsets(
    run: RunFolder, bundle: Bundle, data: Path, kept: Path | None
) -> tuple[Measurements, Measurements]:
    manifest, subsets = run.manifest(data), run.split().subsets(run.record().fold)
    found = []
    for name in ("train", "validation"):
        file = kept / f"{bundle.info.graph_sha256[:12]}-{name}.npz" if kept else None
        if file is not None and file.exists():
            with np.load(file) as arrays:
                found.append(Measurements(arrays["logits"], arrays["features"], arrays["quality"]))
            continue
        subset = manifest.select(subsets[name])
        measured = measure_images(bundle, [subset.location(record) for record in subset], print_progress)
        if file is not None:
            file.parent.mkdir(parents=True, exist_ok=True)
            np.savez(file, logits=measured.logits, features=measured.features, quality=measured.quality)
        found.append(measured)
    return found[0], found[1]


def print_progress(done: int, total: int) -> None:
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
    """Yield an image and its four quarters."""
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


def candidates(space: FeatureSpace, train: Measurements) -> dict[str, Distance]:
    """Return the compared distances as functions of features [N, D]; the first one is the bundle's."""
    found: dict[str, Distance] = {
        "residual of the square roots (the bundle's)": lambda features: ood_scores(space, features)
    }
    for of, prepare in (("the square roots", signed_sqrt), ("the features", np.asarray)):
        found |= {
            f"{name} of {of}": distance for name, distance in distances_of(prepare, train.features, len(space.basis))
        }
    return found


def distances_of(prepare: Distance, train: np.ndarray, kept: int) -> Iterator[tuple[str, Distance]]:
    points = prepare(train).astype(np.float64)
    mean = points.mean(axis=0)
    variances, directions = np.linalg.eigh(np.cov(points, rowvar=False))
    basis, spread = directions[:, : -kept - 1 : -1], np.sqrt(variances[: -kept - 1 : -1])
    residual_spread = np.sqrt(variances[:-kept].mean())

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
    yield (
        "both (probabilistic PCA)",
        lambda features: np.hypot(mahalanobis(features), residual(features) / residual_spread),
    )
    yield (
        "fifth nearest neighbour in a coreset of 1,000",
        lambda features: 1 - np.sort(directed(features) @ coreset.T, axis=1)[:, -5],
    )


def farthest_first(points: np.ndarray, count: int) -> np.ndarray:
    """Return points by farthest-first traversal."""
    chosen = [0]
    nearest = np.full(len(points), np.inf)
    for _ in range(min(count, len(points)) - 1):
        nearest = np.minimum(nearest, ((points - points[chosen[-1]]) ** 2).sum(axis=1))
        chosen.append(int(nearest.argmax()))
    return points[chosen]


def separation(distance: Distance, validation: Measurements, far: Measurements) -> float:
    scores = np.concatenate([distance(validation.features), distance(far.features)])
    is_far = np.arange(len(scores)) >= len(validation.features)
    return round(float(roc_auc(is_far, scores)), 4)


def share_beyond_limit(distance: Distance, validation: Measurements, far: dict[str, Measurements]) -> dict[str, float]:
    limit = np.quantile(distance(validation.features), 1 - ABSTENTION_SHARE, method="higher")
    return {group: round(float((distance(m.features) > limit).mean()), 4) for group, m in far.items()}


def locations(run: RunFolder, subset: str, data: Path) -> list[str]:
    manifest = run.manifest(data).select(run.split().subsets(run.record().fold)[subset])
    return [manifest.location(record) for record in manifest]


def abstention_rates(predictor: Predictor, images: Sequence[str | np.ndarray]) -> dict[str, float]:
    """Return the share of abstentions, and the share of each reason; an image may have several reasons."""
    counts: Counter[str] = Counter()
    for prediction in predictor.predict_many(images):
        if isinstance(prediction, Failure):
            raise TypeError(f"{prediction.image}: {prediction.error}")
        if prediction.abstained:
            counts.update(["any", *(reason.code for reason in prediction.abstain_reasons)])
    return {name: round(count / len(images), 4) for name, count in {"any": counts["any"], **counts}.items()}


def cost(bundle: Bundle, reference: Reference) -> dict[str, dict[str, float]]:
    """Return the time of a batch with and without the feature map and the abstention checks, measured alternately."""
    session = GraphSession(bundle)
    size = bundle.info.preprocessing.size
    pixels = np.random.default_rng(0).integers(0, 256, (16, size, size, 3), dtype=np.uint8)

    def with_abstention() -> None:
        feature_map = session.outputs(pixels).feature_map
        if feature_map is None:
            raise SystemExit("the model has no feature map")
        if reference.features is None:
            raise SystemExit("the model has no feature space")
        for one, distance in zip(pixels, ood_scores(reference.features, pool_features(feature_map)), strict=True):
            image_reasons(reference, PreparedImage("image", one, ()), distance)

    steps: dict[str, Callable[[], object]] = {
        "logits": lambda: session.logits(pixels),
        "logits and map": lambda: session.outputs(pixels),
        "logits, map and abstention": with_abstention,
    }
    times = np.empty((21, len(steps)))
    for round_of_times in times:
        for column, step in enumerate(steps.values()):
            start = time.perf_counter()
            step()
            round_of_times[column] = time.perf_counter() - start
    times = times[1:]
    ratios = np.median(times / times[:, :1], axis=0)
    return {
        name: {"seconds": round(float(seconds), 4), "median ratio to the logits only": round(float(ratio), 4)}
        for name, seconds, ratio in zip(steps, np.median(times, axis=0), ratios, strict=True)
    }


if __name__ == "__main__":
    main()
