"""Making a split: by lesion, stratified by diagnosis, deterministic on every machine."""

import hashlib
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from lesionlab.data.manifest import ImageRecord, Manifest
from lesionlab.data.split import TEST, TRAIN, VALIDATION, Split, fold_name
from lesionlab.errors import DataError, UsageError
from lesionlab.taxonomy import COARSE, CODES, LABELS


def make_split(
    manifest: Manifest,
    *,
    validation: float = 0.15,
    test: float = 0.15,
    seed: int = 0,
    folds: int | None = None,
    by_image: bool = False,
    rare: bool = False,
) -> Split:
    """Split a manifest by lesion, stratified by diagnosis.

    All images of a lesion are in one subset. Each diagnosis is split separately, so that every subset has its fraction
    of each diagnosis' lesions to within one lesion, and at least one. A lesion with several diagnoses counts for its
    most frequent one. Of the diagnoses beside `CODES`, those with too few lesions for every subset are in training.

    Args:
        manifest: The images.
        validation: Fraction of the lesions for validation, 0 for none; ignored with folds.
        test: Fraction of the lesions for the test, 0 for none.
        seed: Seed of the split.
        folds: Number of cross-validation folds for the non-test images. Without a test subset each fold is the test
            once, which requires at least three folds.
        by_image: Split images instead of lesions. Lesions are then shared between training and test, so that all
            metrics are too high; only for reproducing published results.
        rare: Put all diagnoses with too few lesions for every subset into training, not only those beside the seven.

    Raises:
        DataError: A diagnosis has too few lesions for every subset.
        UsageError: The fractions or the number of folds are invalid.
    """
    shares = _shares(validation, test, folds)
    strata = _strata(manifest, by_image=by_image)
    subset_of: dict[str, str] = {}
    assigned = 0
    for code, members in strata.items():
        if not members:
            continue
        outside = code not in CODES and code not in COARSE
        if (rare or outside) and len(members) < _needed(shares, folds):
            # Rare diagnoses that are no class of their own do not prevent a split.
            subset_of |= dict.fromkeys(members, TRAIN if folds is None else fold_name(0))
            continue
        _require(code, len(members), shares, folds, unit="image" if by_image else "lesion")
        ordered = shuffled(members, seed)
        if folds is None:
            counts = quotas(len(ordered), shares)
            names = [name for name, count in counts.items() for _ in range(count)]
        else:
            held_out = quotas(len(ordered), shares, keep=folds).get(TEST, 0)
            # Folds continue after the last diagnosis, since the first fold would get all remainders otherwise.
            rest = range(assigned, assigned + len(ordered) - held_out)
            names = [TEST] * held_out + [fold_name(turn % folds) for turn in rest]
            assigned += len(rest)
        subset_of |= dict(zip(ordered, names, strict=True))
    return Split(
        unit="image" if by_image else "lesion",
        seed=seed,
        fractions={TEST: test} if folds is not None else {VALIDATION: validation, TEST: test},
        folds=folds,
        manifest_sha256=manifest.sha256,
        lesions_known=manifest.lesions_known,
        assignment={record.image_id: subset_of[_unit(record, by_image=by_image)] for record in manifest},
    )


def lesion_sources(manifest: Manifest) -> dict[str, str]:
    """Return the source of each lesion: that of most of its images, the first by name among equals."""
    counts: dict[str, Counter[str]] = {}
    for record in manifest:
        counts.setdefault(record.lesion_id, Counter())[record.source] += 1
    return {lesion: min(found, key=lambda name: (-found[name], name)) for lesion, found in counts.items()}


def leave_source_out(manifest: Manifest, source: str, *, validation: float = 0.15, seed: int = 0) -> Split:
    """Hold out a source for the test, and split the other lesions into training and validation.

    No lesion is divided: one with images of several sources is in the test if its source by `lesion_sources` is.

    Args:
        manifest: The images.
        source: The source to hold out.
        validation: Fraction of the other lesions for validation.
        seed: Seed of the split.

    Raises:
        DataError: A diagnosis has too few lesions in the other sources.
        UsageError: The fraction is invalid.
    """
    home = lesion_sources(manifest)
    others = manifest.select(record.image_id for record in manifest if home[record.lesion_id] != source)
    try:
        split = make_split(others, validation=validation, test=0, seed=seed, rare=bool(manifest.parts))
    except DataError as error:
        raise DataError(f"without the source {source}: {error}") from error
    held_out = {record.image_id: TEST for record in manifest if home[record.lesion_id] == source}
    return split.model_copy(
        update={
            "fractions": {VALIDATION: validation},
            "manifest_sha256": manifest.sha256,
            "lesions_known": manifest.lesions_known,
            "assignment": split.assignment | held_out,
        }
    )


def _shares(validation: float, test: float, folds: int | None) -> dict[str, float]:
    for name, share in ((VALIDATION, validation), (TEST, test)):
        if not 0 <= share < 1:
            raise UsageError(f"{name} is {share}: a fraction is at least 0 and less than 1")
    if folds is not None:
        least = 2 if test else 3
        if folds < least:
            why = "" if test else " without a test subset (for test, validation and training)"
            raise UsageError(f"folds is {folds}: at least {least} are needed{why}")
        return {TEST: test, TRAIN: 1 - test} if test else {TRAIN: 1.0}
    if validation + test >= 1:
        raise UsageError(f"validation ({validation}) and test ({test}) leave nothing for training")
    if not validation and not test:
        raise UsageError("validation and test are both 0: nothing is split")
    shares = {TEST: test, VALIDATION: validation, TRAIN: 1 - validation - test}
    return {name: share for name, share in shares.items() if share}


def _unit(record: ImageRecord, *, by_image: bool) -> str:
    return record.image_id if by_image else record.lesion_id


def _strata(manifest: Manifest, *, by_image: bool) -> dict[str, list[str]]:
    """Return the lesions (or images) of each diagnosis, in the taxonomy's order."""
    diagnoses: dict[str, Counter[str]] = {}
    for record in manifest:
        diagnoses.setdefault(_unit(record, by_image=by_image), Counter())[record.diagnosis] += 1
    strata: dict[str, list[str]] = {label: [] for label in LABELS}
    for unit, counts in diagnoses.items():
        strata[max(LABELS, key=counts.__getitem__)].append(unit)
    return {label: units for label, units in strata.items() if label in CODES or units}


def lesion_folds(lesions: Sequence[str], classes: Sequence[int], folds: int, seed: int) -> list[int]:
    """Return the fold of each image: all images of a lesion in one, with equal shares of each class.

    Args:
        lesions: Lesion of each image.
        classes: Class of each image; a lesion with several counts as one of its highest.
        folds: Number of folds.
        seed: Seed of the assignment.
    """
    class_of: dict[str, int] = {}
    for lesion, label in zip(lesions, classes, strict=True):
        class_of[lesion] = max(label, class_of.get(lesion, label))
    order = sorted(shuffled(class_of, seed), key=class_of.__getitem__)
    fold_of = {lesion: turn % folds for turn, lesion in enumerate(order)}
    return [fold_of[lesion] for lesion in lesions]


def shuffled(members: Iterable[str], seed: int) -> list[str]:
    """Return names in a pseudo-random order that is the same on every machine for a seed."""
    # A hash instead of a random generator: the order depends only on the names and the seed, and not on the order of
    # the rows, a library's version or the other lesions.
    return sorted(members, key=lambda unit: hashlib.sha256(f"{seed}:{unit}".encode()).digest())


def largest_remainder(count: int, shares: Mapping[str, float]) -> dict[str, int]:
    """Apportion `count` items in proportion to shares that sum to 1, by the largest remainder method (Hamilton)."""
    counts = {name: math.floor(count * share) for name, share in shares.items()}
    by_remainder = sorted(shares, key=lambda name: counts[name] - count * shares[name])
    for name in by_remainder[: count - sum(counts.values())]:
        counts[name] += 1
    return counts


def quotas(count: int, shares: Mapping[str, float], keep: int = 1) -> dict[str, int]:
    """Return the number of units per subset: largest remainders, with at least one unit for each subset.

    Args:
        count: Number of units (lesions or images), at least one for each subset.
        shares: Share of each subset; they sum to 1.
        keep: The least number of training units.
    """
    counts = largest_remainder(count, shares)
    least = {name: keep if name == TRAIN else 1 for name in shares}
    for name in shares:
        while counts[name] < least[name]:
            largest = max(shares, key=lambda other: counts[other] - least[other])
            counts[largest] -= 1
            counts[name] += 1
    return counts


def _needed(shares: Mapping[str, float], folds: int | None) -> int:
    return len(shares) if folds is None else folds + (TEST in shares)


def _require(code: str, count: int, shares: Mapping[str, float], folds: int | None, unit: str) -> None:
    subsets = [name for name in (TRAIN, VALIDATION, TEST) if name in shares]
    needed = _needed(shares, folds)
    if folds is not None:
        subsets = [f"each of {folds} folds", *([TEST] if TEST in shares else [])]
    if count < needed:
        has = f"{count} {unit}" if count == 1 else f"{count} {unit}s"
        where = " and ".join(filter(None, (", ".join(subsets[:-1]), subsets[-1])))
        raise DataError(
            f"class {code} has {has}: too few for {where}, which need at least {needed}; "
            "add images of it, leave the class out, or reduce the number of subsets"
        )
