"""The split that a dataset comes with, as a split of its manifest."""

from lesionlab.data.manifest import Manifest
from lesionlab.data.split import TEST, TRAIN, VALIDATION, Split
from lesionlab.data.stratify import make_split
from lesionlab.errors import DataError


def given_split(manifest: Manifest, *, validation: float = 0.15, seed: int = 0) -> Split:
    """Return the split that the data come with: that of their folders, tables or their column `split`.

    It is one by image, which is leaky, if a lesion has images in several subsets.

    Args:
        manifest: The images.
        validation: Fraction of the training lesions for validation, if the data have no validation subset.
        seed: Seed of this choice.

    Raises:
        DataError: Images have no subset, or none is in the training subset.
    """
    missing = [record.image_id for record in manifest if record.subset is None]
    if missing:
        raise DataError(
            f"{manifest.root}: {len(missing):,} of {len(manifest):,} images have no given subset ({missing[0]}); "
            "name it in a column `split`, or split the data by lesion"
        )
    assignment = {record.image_id: record.subset or "" for record in manifest}
    lesion_of = {record.image_id: record.lesion_id for record in manifest}
    names = (TRAIN, VALIDATION, TEST)
    parts = {name: {lesion_of[i] for i, subset in assignment.items() if subset == name} for name in names}
    shared = any(parts[a] & parts[b] for a, b in ((TRAIN, VALIDATION), (TRAIN, TEST), (VALIDATION, TEST)))
    if not parts[TRAIN]:
        raise DataError(f"{manifest.root}: no image is in the training subset")
    if not parts[VALIDATION]:
        train = manifest.select(i for i, found in assignment.items() if found == TRAIN)
        assignment |= make_split(train, validation=validation, test=0, seed=seed).assignment
    total = len(manifest)
    found = list(assignment.values())
    return Split(
        unit="image" if shared else "lesion",
        seed=seed,
        fractions={name: round(found.count(name) / total, 6) for name in (VALIDATION, TEST) if name in found},
        manifest_sha256=manifest.sha256,
        lesions_known=manifest.lesions_known,
        assignment=assignment,
    )
