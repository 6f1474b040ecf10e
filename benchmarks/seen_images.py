"""Recognition of copies of training images, and false positives, by the index of seen images of a bundle.

    python benchmarks/seen_images.py --data FOLDER [--model BUNDLE] [--images 500] [--out FILE]

`found` is the share of training images that are recognised after a change of the file. `test images taken as seen` are
images of the test set within the distance limit of a training or validation image; `closest test images` may be true
copies. The limit itself follows from training and validation images.
"""

import io
from collections.abc import Callable

import numpy as np
from common import command, options, versions, write
from own_split import own_split
from PIL import Image, ImageOps

from lesionlab.bundle import Bundle
from lesionlab.images import load_image
from lesionlab.images.perceptual_hash import BITS, distances, hash_images, perceptual_hash

QUANTILES = {"median": 0.5, "99th percentile": 0.99, "largest": 1.0}


def jpeg(image: Image.Image, quality: int) -> Image.Image:
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=quality)
    return Image.open(stream).convert("RGB")


CHANGES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "PNG": lambda image: image,
    "JPEG quality 90": lambda image: jpeg(image, 90),
    "JPEG quality 50": lambda image: jpeg(image, 50),
    "JPEG quality 20": lambda image: jpeg(image, 20),
    "600x450, JPEG quality 75": lambda image: jpeg(image.resize((600, 450)), 75),
    "112x112, JPEG quality 75": lambda image: jpeg(image.resize((112, 112)), 75),
    "28x28": lambda image: image.resize((28, 28)),
    "mirrored, JPEG quality 75": lambda image: jpeg(ImageOps.mirror(image), 75),
    "upside down, JPEG quality 75": lambda image: jpeg(ImageOps.flip(image), 75),
    "rotated by 90 degrees, JPEG quality 75": lambda image: jpeg(image.rotate(90, expand=True), 75),
    "rotated by 180 degrees, JPEG quality 75": lambda image: jpeg(image.rotate(180), 75),
    "white balance, blue 70%": lambda image: Image.merge("RGB", _warmer(image)),
    "brightness 130%": lambda image: image.point(lambda value: min(255, round(1.3 * value))),
    "cropped by 2.5% on each side": lambda image: ImageOps.crop(image, round(0.025 * image.width)),
    "cropped by 10% on each side": lambda image: ImageOps.crop(image, round(0.1 * image.width)),
}


def _warmer(image: Image.Image) -> tuple[Image.Image, Image.Image, Image.Image]:
    red, green, blue = image.split()
    return red, green.point(lambda value: round(0.85 * value)), blue.point(lambda value: round(0.7 * value))


def main() -> None:
    parser = options(__doc__, "data!", "model", "images", "out", images=500)
    arguments = parser.parse_args()
    bundle = Bundle.load(arguments.model)
    index = bundle.seen_images
    if index is None:
        parser.error("a bundle with seen_images.npz is needed")
    manifest, split = own_split(bundle, arguments.data)
    subsets = split.subsets()
    fitted = manifest.select([*subsets["train"], *subsets["validation"]]).records
    chosen = np.random.default_rng(0).permutation(len(fitted))[: arguments.images]
    images = [load_image(manifest.location(fitted[row])).image for row in chosen]
    originals = np.array([perceptual_hash(image) for image in images])
    found = {}
    for name, change in CHANGES.items():
        hashes = np.array([perceptual_hash(change(image)) for image in images])
        differing = np.array(
            [distances(a[np.newaxis], b[np.newaxis])[0, 0] for a, b in zip(hashes, originals, strict=True)]
        )
        found[name] = {
            "found": float((differing <= index.limit).mean()),
            **{word: float(np.quantile(differing, level)) for word, level in QUANTILES.items()},
        }
    test = manifest.select(subsets["test"])
    hashes = hash_images([test.location(record) for record in test])
    nearest = np.concatenate([distances(row[np.newaxis], index.pixels) for row in hashes])
    closest = nearest.min(axis=1)
    order = np.argsort(closest, kind="stable")[:10]
    result = {
        "what": "copies of training images that the index of seen images finds, and test images taken as seen",
        "command": command(arguments),
        "versions": versions("numpy", "pillow"),
        "bundle": bundle.info.identity,
        "index": {"images": len(index), "bytes": len(index.to_bytes()), "limit": index.limit, "bits": BITS},
        "unrelated, first percentile": index.unrelated,
        "changed training images": len(images),
        "changes, differing bits": found,
        "test images": len(test),
        "test images taken as seen": int((closest <= index.limit).sum()),
        "differing bits of the nearest image": {
            "lowest": float(closest.min()),
            "first percentile": float(np.quantile(closest, 0.01)),
            "median": float(np.median(closest)),
        },
        "closest test images": {test.records[row].image_id: float(closest[row]) for row in order},
    }
    write(arguments, result)


if __name__ == "__main__":
    main()
