"""Making a split: by lesion, in the same proportions for every diagnosis, the same on every machine."""

import hashlib
import math
from collections import Counter
from collections.abc import Iterable, Mapping

from lesionlab.data.manifest import ImageRecord, Manifest
from lesionlab.data.split import TEST, TRAIN, VALIDATION, Split, fold_name
from lesionlab.errors import DataError, UsageError
from lesionlab.taxonomy import CODES, LABELS


def make_split(
    manifest: Manifest,
    *,
    validation: float = 0.15,
    test: float = 0.15,
    seed: int = 0,
    folds: int | None = None,
    by_image: bool = False,
) -> Split:
    """Split a manifest by lesion, stratified by diagnosis.

    All images of a lesion go to one part. Each diagnosis is cut on its own, so that every part has its share
    of the lesions of each, to within one lesion, and at least one. A lesion with several diagnoses goes with
    its most frequent one.

    Args:
        manifest: The images.
        validation: Share of each diagnosis' lesions for validation, 0 for none; without meaning with folds.
        test: Share of each diagnosis' lesions for the test, 0 for none.
        seed: Another seed gives another split.
        folds: Number of folds to deal out what the test leaves. Without a test part each fold is the test
            once, which takes three folds at least.
        by_image: Split images instead of lesions. Images of one lesion then stand on both sides, so every
            figure is too good; it serves only to repeat published figures that were obtained in this way.

    Raises:
        DataError: A diagnosis has too few lesions to stand in every part.
        UsageError: The shares or the number of folds make no sense.
    """
    shares = _shares(validation, test, folds)
    strata = _strata(manifest, by_image=by_image)
    part_of: dict[str, str] = {}
    dealt = 0
    for code, members in strata.items():
        if not members:
            continue
        _require(code, len(members), shares, folds, unit="image" if by_image else "lesion")
        ordered = shuffled(members, seed)
        if folds is None:
            counts = quotas(len(ordered), shares)
            names = [name for name, count in counts.items() for _ in range(count)]
        else:
            held_out = quotas(len(ordered), shares, keep=folds).get(TEST, 0)
            # Dealing goes on where the last diagnosis stopped: were each to begin at the first fold, that
            # fold would have all the odd lesions.
            rest = range(dealt, dealt + len(ordered) - held_out)
            names = [TEST] * held_out + [fold_name(turn % folds) for turn in rest]
            dealt += len(rest)
        part_of |= dict(zip(ordered, names, strict=True))
    return Split(
        unit="image" if by_image else "lesion",
        seed=seed,
        fractions={TEST: test} if folds is not None else {VALIDATION: validation, TEST: test},
        folds=folds,
        manifest_sha256=manifest.sha256,
        lesions_known=manifest.lesions_known,
        assignment={record.image_id: part_of[_unit(record, by_image=by_image)] for record in manifest},
    )


def _shares(validation: float, test: float, folds: int | None) -> dict[str, float]:
    for name, share in ((VALIDATION, validation), (TEST, test)):
        if not 0 <= share < 1:
            raise UsageError(f"{name} is {share}: a share is at least 0 and less than 1")
    if folds is not None:
        least = 2 if test else 3
        if folds < least:
            why = "" if test else " when no test part is held out (one for the test, one for validation, the rest)"
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


def shuffled(members: Iterable[str], seed: int) -> list[str]:
    """Return names in an order that looks random and is the same everywhere for one seed."""
    # A hash in place of a random generator: the order of a lesion depends on its own name and the seed alone,
    # not on the order of the rows, nor on a library's version, nor on which other lesions there are.
    return sorted(members, key=lambda unit: hashlib.sha256(f"{seed}:{unit}".encode()).digest())


def quotas(count: int, shares: Mapping[str, float], keep: int = 1) -> dict[str, int]:
    """Return how many of `count` each part gets: its share rounded by largest remainder, none left empty.

    Args:
        count: Number of things to deal out, at least one for each part.
        shares: Share of each part; they sum to 1.
        keep: The least number that must stay for training.
    """
    counts = {name: math.floor(count * share) for name, share in shares.items()}
    by_remainder = sorted(shares, key=lambda name: counts[name] - count * shares[name])
    for name in by_remainder[: count - sum(counts.values())]:
        counts[name] += 1
    least = {name: keep if name == TRAIN else 1 for name in shares}
    for name in shares:
        while counts[name] < least[name]:
            richest = max(shares, key=lambda other: counts[other] - least[other])
            counts[richest] -= 1
            counts[name] += 1
    return counts


def _require(code: str, count: int, shares: Mapping[str, float], folds: int | None, unit: str) -> None:
    parts = [name for name in (TRAIN, VALIDATION, TEST) if name in shares]
    needed = len(parts)
    if folds is not None:
        needed = folds + (TEST in shares)
        parts = [f"each of {folds} folds", *([TEST] if TEST in shares else [])]
    if count < needed:
        has = f"{count} {unit}" if count == 1 else f"{count} {unit}s"
        where = " and ".join(filter(None, (", ".join(parts[:-1]), parts[-1])))
        raise DataError(
            f"class {code} has {has}: cannot stand in {where}, which takes at least {needed}; "
            "add images of it, leave the class out, or ask for fewer parts"
        )
