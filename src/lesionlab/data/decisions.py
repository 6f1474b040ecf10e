"""Decisions about pairs of images: copies are left out, and lesions that are one are merged."""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from lesionlab.data.manifest import Manifest
from lesionlab.data.readers.table import read_table
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
            f"decisions on duplicates: lesions merged into others {self.merged:,}, copies left out "
            f"{len(self.left_out):,}, undecided pairs {self.undecided:,}, "
            f"pairs with images outside the dataset {self.elsewhere:,}"
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
    them. `same picture` does so as well, and of all images of one picture the first is kept.

    Raises:
        DataError: The file cannot be read, or a line has another decision.
    """
    records = {record.image_id: record for record in manifest}
    lesions = {record.lesion_id: record.lesion_id for record in manifest}
    pictures = {name: name for name in records}
    merged = undecided = elsewhere = 0
    for line, row in _rows(path):
        text = row["decision"].lower()
        if not text:
            undecided += 1
            continue
        if text not in set(Decision):
            raise DataError(f"{path} line {line}: decision {text!r} is none of {', '.join(Decision)}; correct it")
        first, second = row["first"], row["second"]
        if row.get("against") or first not in records or second not in records:
            elsewhere += 1
            continue
        if text == Decision.DIFFERENT:
            continue
        low, high = sorted(_root(lesions, records[name].lesion_id) for name in (first, second))
        merged += low != high
        lesions[high] = low
        if text == Decision.SAME_PICTURE:
            pictures[_root(pictures, second)] = _root(pictures, first)
    left_out = {name for name, kept in pictures.items() if name != kept}
    kept = tuple(replace(r, lesion_id=_root(lesions, r.lesion_id)) for r in manifest if r.image_id not in left_out)
    applied = AppliedDecisions(merged, tuple(sorted(left_out)), undecided, elsewhere)
    return Manifest(manifest.root, kept, manifest.lesions_known or merged > 0), applied


def _root(parents: Mapping[str, str], name: str) -> str:
    while parents[name] != name:
        name = parents[name]
    return name


def _rows(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    table = read_table(path, may_be_empty=True)  # no pair was found
    missing = [name for name in ("first", "second", "decision") if name not in table.header]
    if missing:
        raise DataError(f"{path}: no column {missing[0]}; use a file of 'lesionlab data duplicates --out'")
    for line, cells in table.rows:
        if len(cells) != len(table.header):
            raise DataError(f"{path} line {line}: {len(cells)} cells under {len(table.header)} column names")
        yield line, dict(zip(table.header, cells, strict=True))
