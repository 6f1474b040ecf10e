"""A dataset of phantoms in the layout of HAM10000."""

import csv
import io
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import numpy as np
from PIL import Image

from lesionlab.data.manifest import ImageRecord, Manifest
from lesionlab.data.small_images import new_dataset
from lesionlab.errors import UsageError
from lesionlab.files import write_text
from lesionlab.phantoms.lesion import PhantomLesion, draw_lesion
from lesionlab.phantoms.patient import draw_patient
from lesionlab.phantoms.rendering import render
from lesionlab.phantoms.view import View, draw_view
from lesionlab.taxonomy import CODES

METADATA = "HAM10000_metadata.csv"
_FOLDERS = ("HAM10000_images_part_1", "HAM10000_images_part_2")
_COLUMNS = ("lesion_id", "image_id", "dx", "dx_type", "age", "sex", "localization", "dataset")
# Imbalanced as in HAM10000, with a minimum: df is 1% there, so that a small dataset would have none.
_SHARES = {"nv": 0.42, "mel": 0.14, "bkl": 0.14, "bcc": 0.09, "akiec": 0.07, "vasc": 0.07, "df": 0.07}
# With eight lesions of a class, a 70/15/15 split has at least one in every subset.
MIN_PER_CLASS = 8
_IMAGES_PER_LESION = {1: 0.73, 2: 0.19, 3: 0.08}

_Shot = tuple[ImageRecord, PhantomLesion, View]


def write_phantoms(
    folder: Path,
    *,
    lesions: int = 300,
    seed: int = 0,
    size: tuple[int, int] = (300, 225),
    progress: Callable[[int, int], None] | None = None,
) -> Manifest:
    """Write phantoms as JPEGs with a metadata table in the layout of HAM10000, completely or not at all.

    The first 56 lesions cycle through the classes, so that each has eight; the others follow HAM10000's imbalance. A
    larger number of lesions leaves the first ones, including their files, unchanged.

    Args:
        folder: A new or empty folder.
        lesions: Number of lesions, at least one per class; about 1.35 images per lesion.
        seed: 0 or more. The same seed gives the same bytes.
        size: (width, height) of the images in pixels.
        progress: Called after each image with the number of images written and their total.

    Returns:
        The manifest, with `source` "phantom".

    Raises:
        DataError: `folder` is not empty.
        UsageError: A number is out of range.
        LesionlabError: The folder cannot be written.
    """
    if lesions < len(CODES):
        raise UsageError(f"a phantom dataset has at least {len(CODES)} lesions, one per class, not {lesions}")
    if seed < 0:
        raise UsageError(f"a seed is 0 or more, not {seed}")
    with new_dataset(folder, (*_FOLDERS, METADATA)) as built:
        shots = list(_shots(lesions, seed))
        _write(built, shots, size, progress)
    return Manifest(folder, tuple(record for record, _, _ in shots))


def _classes() -> Iterator[str]:
    """Yield the class of each lesion, infinitely; every prefix has the intended proportions."""
    yield from CODES * MIN_PER_CLASS
    counts = dict.fromkeys(CODES, MIN_PER_CLASS)
    while True:
        total = sum(counts.values()) + 1
        code = max(CODES, key=lambda code: _SHARES[code] * total - counts[code])
        counts[code] += 1
        yield code


def _shots(lesions: int, seed: int) -> Iterator[_Shot]:
    image = 0
    for number, code in enumerate(islice(_classes(), lesions), start=1):
        # One generator per lesion, so that a change of one does not affect the others.
        rng = np.random.default_rng((seed, number))
        lesion = draw_lesion(code, rng)
        patient = draw_patient(code, rng)
        for _ in range(int(rng.choice(list(_IMAGES_PER_LESION), p=list(_IMAGES_PER_LESION.values())))):
            image += 1
            name = f"PHANTOM_{image:07d}"
            record = ImageRecord(
                image_id=name,
                path=f"{_FOLDERS[(image + 1) % 2]}/{name}.jpg",
                lesion_id=f"PHL_{number:07d}",
                diagnosis=code,
                age=patient.age,
                sex=patient.sex,
                site=patient.site,
                dx_type=patient.dx_type,
                source="phantom",
            )
            yield record, lesion, draw_view(rng)


def _write(
    folder: Path, shots: list[_Shot], size: tuple[int, int], progress: Callable[[int, int], None] | None
) -> None:
    for name in _FOLDERS:
        (folder / name).mkdir()
    for done, (record, lesion, view) in enumerate(shots, start=1):
        Image.fromarray(render(lesion, view, size)).save(folder / record.path, quality=92)
        if progress is not None:
            progress(done, len(shots))
    out = io.StringIO()
    table = csv.writer(out, lineterminator="\n")
    table.writerow(_COLUMNS)
    for record, _, _ in shots:
        age = "" if record.age is None else record.age
        sex, site = record.sex or "unknown", record.site or "unknown"
        row = (record.lesion_id, record.image_id, record.diagnosis, record.dx_type, age, sex, site, record.source)
        table.writerow(row)
    write_text(folder / METADATA, out.getvalue())
