"""Several datasets as one manifest, and their split."""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from lesionlab.data.manifest import ImageRecord, Manifest
from lesionlab.data.split import Split
from lesionlab.data.stratify import make_split
from lesionlab.errors import DataError


def join_datasets(manifests: Sequence[Manifest]) -> Manifest:
    """Return several datasets as one manifest.

    An image id that occurs in several is one image, as in the releases of one archive: the first dataset's record is
    kept, and the lesions of both are one. Equal ids of other lesions get the name of the dataset's folder as a prefix.
    A dataset of unknown source is named after its folder, so that results are reported by it.

    Args:
        manifests: The datasets. A lesion of several is split with the first one, see `split_datasets`.

    Raises:
        DataError: The folders have no common parent.
    """
    if len(manifests) == 1:
        return manifests[0]
    try:
        root = Path(os.path.commonpath([manifest.root.resolve() for manifest in manifests]))
    except ValueError as error:
        raise DataError(f"{manifests[0].root}: the datasets have no common folder; move them to one drive") from error
    kept: dict[str, ImageRecord] = {}
    parts = []
    for manifest in manifests:
        folder = manifest.root.resolve()
        taken = {record.lesion_id for record in kept.values()}
        same = {record.lesion_id: kept[record.image_id].lesion_id for record in manifest if record.image_id in kept}
        new = {}
        for record in manifest:
            prefixed = f"{folder.name}/{record.lesion_id}" if record.lesion_id in taken else record.lesion_id
            new[record.image_id] = replace(
                record,
                path=(folder.relative_to(root) / record.path).as_posix(),
                lesion_id=same.get(record.lesion_id, prefixed),
                source=folder.name if record.source == "unknown" else record.source,
            )
        parts.append(frozenset(new.keys() - kept.keys()))
        kept = new | kept
    return Manifest(root, tuple(kept.values()), all(manifest.lesions_known for manifest in manifests), tuple(parts))


def split_datasets(manifest: Manifest, *, validation: float, test: float, seed: int, by_image: bool = False) -> Split:
    """Split joined datasets one by one, as if each were alone; a lesion of several is where the first one has it.

    The first dataset has the split that it has alone, so that models of more data are compared with models of it on
    the same test lesions. In the others, diagnoses with too few lesions for every subset are in training.

    Args:
        manifest: The images; see `join_datasets`.
        validation: Fraction of the lesions of each dataset for validation.
        test: Fraction of the lesions of each dataset for the test.
        seed: Seed of the split.
        by_image: Split images instead of lesions, which is leaky.

    Raises:
        DataError: A diagnosis of the first dataset has too few lesions for every subset.
    """
    subset_of: dict[str, str] = {}  # of lesions, or of images
    assignment: dict[str, str] = {}
    unit_of = {record.image_id: record.image_id if by_image else record.lesion_id for record in manifest}
    for number, part in enumerate(manifest.parts or (frozenset(unit_of),)):
        units = {image_id: unit for image_id, unit in unit_of.items() if image_id in part}
        free = [image_id for image_id, unit in units.items() if unit not in subset_of]
        if free:
            split = make_split(
                manifest.select(free), validation=validation, test=test, seed=seed, by_image=by_image, rare=number > 0
            )
            subset_of |= {units[image_id]: subset for image_id, subset in split.assignment.items()}
        assignment |= {image_id: subset_of[unit] for image_id, unit in units.items()}
    return split.model_copy(update={"manifest_sha256": manifest.sha256, "assignment": assignment})
