"""Files with the masks and measures of several images."""

import csv
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lesionlab.errors import ImageError
from lesionlab.files import FreeNames, replacing
from lesionlab.images import load_image
from lesionlab.results import LesionMeasures
from lesionlab.segmentation.measures import measure_lesion
from lesionlab.segmentation.segmenter import Segmenter

MEASURES = (
    "area",
    "diameter",
    "touches_border",
    "asymmetry_first_axis",
    "asymmetry_second_axis",
    "border_irregularity",
    "colours",
)
COLUMNS = ("image", "mask", *MEASURES)
_LONGER_SIDE = 1024  # of a mask in pixels, above the resolution of the network


def write_measures(
    segmenter: Segmenter, images: Sequence[str], folder: Path, progress: Callable[[int, int], None] | None = None
) -> list[str]:
    """Write the mask of each image as a PNG file with its aspect ratio, and `measures.csv`.

    `progress` is called with the number of images done and the total.

    Returns:
        An error message for each image that could not be read, beginning with its name.

    Raises:
        LesionlabError: The folder cannot be written.
    """
    names, failures = FreeNames(Path(image).name for image in images), list[str]()
    with replacing(folder / "measures.csv") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(COLUMNS)
        for done, image in enumerate(images, start=1):
            try:
                loaded = load_image(image, at_least=(_LONGER_SIDE, _LONGER_SIDE)).image
            except ImageError as error:
                failures.append(f"{image}: {error}")
                continue
            probability = segmenter.segment([loaded])[0]
            name = names.take(Path(image).stem, "-mask.png")
            _write_mask(probability, loaded.size, segmenter.info.threshold, folder / name)
            measures = measure_lesion(probability, loaded, threshold=segmenter.info.threshold)
            writer.writerow([image, name, *cells(measures)])
            if progress is not None:
                progress(done, len(images))
    return failures


def _write_mask(probability: NDArray[np.float32], size: tuple[int, int], threshold: float, path: Path) -> None:
    scale = min(1.0, _LONGER_SIDE / max(size))
    shape = (max(1, round(size[0] * scale)), max(1, round(size[1] * scale)))
    enlarged = np.asarray(Image.fromarray(probability).resize(shape, Image.Resampling.BILINEAR))
    with replacing(path, binary=True) as stream:
        Image.fromarray(enlarged >= threshold).save(stream, "PNG")


def cells(measures: LesionMeasures | None) -> list[str]:
    """Return measures as cells of a table in the order of `MEASURES`; None where no lesion was found."""
    if measures is None:
        return ["no lesion found", *[""] * (len(MEASURES) - 1)]
    return [
        f"{measures.area:.4f}",
        f"{measures.diameter:.4f}",
        str(measures.touches_border).lower(),
        *(f"{share:.4f}" for share in measures.asymmetry),
        f"{measures.border_irregularity:.4f}",
        "; ".join(f"{name} {share:.2f}" for name, share in measures.colours.items()),
    ]
