"""Decisions about pairs of images: copies are left out, and lesions that are one are merged."""

import csv
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from lesionlab.data.manifest import Manifest
from lesionlab.errors import DataError
from lesionlab.files import write_text

COLUMNS = ("first", "second", "against", "kind", "score", "decision")


class Decision(StrEnum):
    """Decisions about a pair."""

    SAME_PICTURE = "same picture"
    SAME_LESION = "same lesion"
    DIFFERENT = "different"


@dataclass(frozen=True, slots=True)
class AppliedDecisions:
    """Effects of decisions on a manifest.

    Attributes:
        merged: Number of lesions that were merged into another one.
        left_out: Identifiers of copies that were left out.
        undecided: Number of pairs without a decision; they change nothing.
        elsewhere: Number of decided pairs with an image outside the manifest; they change nothing.
    """

    merged: int
    left_out: tuple[str, ...]
    undecided: int
    elsewhere: int

    def __str__(self) -> str:
        return (
            f"decisions on duplicates: {self.merged:,} lesions merged into others, {len(self.left_out):,} copies left "
            f"out, {self.undecided:,} pairs undecided, {self.elsewhere:,} pairs with images outside the dataset"
        )


def write_decisions(path: Path, rows: Iterable[Mapping[str, object]]) -> None:
    """Write pairs for review, with an empty column `decision` to fill in."""
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, out.getvalue())


def apply_decisions(manifest: Manifest, path: Path) -> tuple[Manifest, AppliedDecisions]:
    """Return a manifest with the decisions of a file applied; image files are unchanged.

    `same lesion` gives both images, and all images of their lesions, one lesion id: a split by lesion never separates
    them. `same picture` does so as well, and leaves the second image out.

    Raises:
        DataError: The file cannot be read, or a line has another decision.
    """
    records = {record.image_id: record for record in manifest}
    parents = {record.lesion_id: record.lesion_id for record in manifest}

    def root(lesion: str) -> str:
        while parents[lesion] != lesion:
            lesion = parents[lesion]
        return lesion

    left_out: set[str] = set()
    merged = undecided = elsewhere = 0
    for line, row in _rows(path):
        text = (row["decision"] or "").strip().lower()
        if not text:
            undecided += 1
            continue
        if text not in set(Decision):
            raise DataError(f"{path} line {line}: decision {text!r} is none of {', '.join(Decision)}; correct it")
        first, second = row["first"] or "", row["second"] or ""
        if (row.get("against") or "").strip() or first not in records or second not in records:
            elsewhere += 1
            continue
        if text == Decision.DIFFERENT:
            continue
        low, high = sorted((root(records[first].lesion_id), root(records[second].lesion_id)))
        merged += low != high
        parents[high] = low
        if text == Decision.SAME_PICTURE and first not in left_out:
            left_out.add(second)
    kept = tuple(replace(r, lesion_id=root(r.lesion_id)) for r in manifest if r.image_id not in left_out)
    applied = AppliedDecisions(merged, tuple(sorted(left_out)), undecided, elsewhere)
    return Manifest(manifest.root, kept, manifest.lesions_known or merged > 0), applied


def _rows(path: Path) -> Iterable[tuple[int, dict[str, str | None]]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream)
            missing = [name for name in ("first", "second", "decision") if name not in (reader.fieldnames or ())]
            if missing:
                raise DataError(f"{path}: no column {missing[0]}; use a file of 'lesionlab data duplicates --out'")
            return [(reader.line_num, row) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: the decisions cannot be read ({error}); save them as CSV in UTF-8") from error
