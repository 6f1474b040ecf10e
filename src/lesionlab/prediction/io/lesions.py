"""Grouping of images by lesion: from a table, or dermoscopic and clinical images by their names."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from lesionlab.bundle import IMAGE_TYPES, ImageType, Patient
from lesionlab.data.readers.columns import ColumnMapping, known_columns
from lesionlab.data.readers.layouts import find_layout
from lesionlab.data.readers.table import read_table
from lesionlab.data.readers.values import image_type
from lesionlab.errors import DataError, UsageError
from lesionlab.images.formats import image_id
from lesionlab.prediction.inference.preprocessing import name_of
from lesionlab.prediction.io.patients import row_name, rows_of_images
from lesionlab.prediction.lesions import Lesion

Note = Callable[[str], None]


def table_of_dataset(paths: Iterable[str]) -> Path | None:
    """Return the metadata table of a dataset's folder; None for other paths, and for none or several tables."""
    folders = [Path(path) for path in paths]
    found = find_layout(folders[0]) if len(folders) == 1 and folders[0].is_dir() else None
    return found[1][0] if found is not None and len(found[1]) == 1 else None


def lesions_of_table(
    table: Path, column: str, images: Sequence[str], clinical: Sequence[str], types: Sequence[ImageType], note: Note
) -> list[Lesion]:
    """Group images by a column of a table with one row per image, in the order of the images.

    Args:
        table: The table. It has a column of the image under any name that the public datasets use, and possibly
            `image_type`, `dermoscopic` or `clinical`; images without it are of the first of `types`.
        column: Column of the lesion; an image without a value is a lesion of its own.
        images: Locations of images.
        clinical: Locations of clinical images, whatever the table states.
        types: Types of images that the model takes; others are left out.
        note: Receives a line on images without a row, and one on images that are left out.

    Raises:
        DataError: The table cannot be read, lacks a column, states two lesions for one image, or does not tell which
            row belongs to which image.
        UsageError: No image is left.
    """
    content = read_table(table)
    if content.note:
        note(f"{table}: {content.note}")
    columns = known_columns(ColumnMapping(), content.header)
    named = columns.get("path") or columns.get("image_id")
    group = next((name for name in content.header if name.lower() == column.lower()), None)
    if named is None or group is None:
        wanted = "of the image" if named is None else column
        raise DataError(f"{table}: no column {wanted}; the columns are {', '.join(content.header)}")
    rows: dict[str, tuple[str, str | None]] = {}
    for line, cells in content.rows:
        if len(cells) != len(content.header):
            raise DataError(f"{table}, line {line}: {len(cells)} cells under {len(content.header)} column names")
        row = dict(zip(content.header, cells, strict=True))
        stated = (
            row[group].strip(),
            image_type(row[columns["image_type"]] or None) if "image_type" in columns else None,
        )
        name = row_name(row[named])
        if rows.setdefault(name, stated) != stated:
            raise DataError(f"{table}, line {line}: a second row for {name} with another lesion; remove one of them")
    locations = list(dict.fromkeys((*images, *clinical)))
    found = rows_of_images(table, rows, locations)
    if missing := sum(not (image in found and rows[found[image]][0]) for image in locations):
        note(f"{table}: {missing:,} of {len(locations):,} images have no {column}; each is a lesion of its own")
    given = {image: rows[found[image]] if image in found else ("", None) for image in locations}
    kinds = {image: "clinical" if image in set(clinical) else kind or types[0] for image, (_, kind) in given.items()}
    lesions = {image: lesion or name_of(image, 0) for image, (lesion, _) in given.items()}
    return _grouped(locations, lesions, kinds, types, note)


def pairs(images: Sequence[str], clinical: Sequence[str], types: Sequence[ImageType], note: Note) -> list[Lesion]:
    """Group dermoscopic and clinical images without a table: one of each, or those with the same name.

    Clinical images without any dermoscopic one are lesions of their own.

    Raises:
        UsageError: There are not one dermoscopic and one clinical image of a name.
    """
    locations = list(dict.fromkeys((*images, *clinical)))
    lesions = {image: image_id(image) for image in locations}
    if len(images) == len(clinical) == 1:
        lesions = dict.fromkeys(locations, image_id(images[0]))
    elif images:
        names = Counter(map(image_id, images)), Counter(map(image_id, clinical))
        wrong = [name for name in names[0] | names[1] if not names[0][name] == names[1][name] == 1]
        if wrong:
            raise UsageError(
                f"{wrong[0]}: {names[0][wrong[0]]} dermoscopic and {names[1][wrong[0]]} clinical images of this name "
                f"({len(wrong)} such names), in place of one of each; state the lesion of each image in a table, with "
                "--metadata FILE --group lesion_id"
            )
    kinds = {image: "clinical" if image in set(clinical) else "dermoscopic" for image in locations}
    return _grouped(locations, lesions, kinds, types, note)


def with_patients(lesions: Iterable[Lesion], patient_of: Callable[[str], Patient]) -> list[Lesion]:
    """Return lesions with the patient data of the first of their images that has any."""
    found = []
    for lesion in lesions:
        patients = (patient_of(str(image)) for images in lesion.images.values() for image in images)
        patient = next((patient for patient in patients if patient != Patient()), Patient())
        found.append(Lesion(lesion.name, lesion.dermoscopic, lesion.clinical, patient))
    return found


def _grouped(
    locations: Sequence[str],
    lesions: Mapping[str, str],
    kinds: Mapping[str, str],
    types: Sequence[ImageType],
    note: Note,
) -> list[Lesion]:
    members: dict[str, dict[str, list[str]]] = {}
    left_out: Counter[str] = Counter()
    for image in locations:
        if kinds[image] in types:
            of_lesion = members.setdefault(lesions[image], {kind: [] for kind in IMAGE_TYPES})
            of_lesion[kinds[image]].append(image)
        else:
            left_out[kinds[image]] += 1
    if left_out:
        counts = ", ".join(f"{count:,} {kind}" for kind, count in left_out.items())
        without = len(set(lesions.values())) - len(members)
        note(
            f"left out: {counts} images, since the model takes {' and '.join(types)} ones"
            + (f"; {without:,} lesions have no other" if without else "")
        )
    if not members:
        raise UsageError(f"no image is left: the model takes {' and '.join(types)} images")
    return [Lesion(name, tuple(of["dermoscopic"]), tuple(of["clinical"])) for name, of in members.items()]
