"""Decisions of a reviewer: copies are left out, lesions that are one are merged, and labels are corrected."""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from lesionlab.data.manifest import ImageRecord, Manifest
from lesionlab.data.readers.table import read_table
from lesionlab.errors import DataError
from lesionlab.files import write_text
from lesionlab.taxonomy import LABELS

PAIR_COLUMNS = ("first", "second", "against", "kind", "score", "decision")
LABEL_COLUMNS = ("lesion_id", "given", "suggested", "decision")


_Line = tuple[str, dict[str, str]]  # its place, and its cells by column


class PairDecision(StrEnum):
    """Decisions about a pair of images."""

    SAME_PICTURE = "same picture"
    SAME_LESION = "same lesion"
    DIFFERENT = "different"


class LabelDecision(StrEnum):
    """Decisions about the label of a lesion."""

    KEEP = "keep"
    RELABEL = "relabel"
    EXCLUDE = "exclude"


@dataclass(frozen=True, slots=True)
class AppliedDecisions:
    """Effects of decisions on a manifest.

    Attributes:
        merged: Number of lesions that were merged into another one.
        left_out: Identifiers of copies that were left out.
        relabelled: Identifiers of images with another label.
        excluded: Identifiers of images that were left out because of their label.
        undecided: Number of lines without a decision; they change nothing.
        elsewhere: Number of decided lines with an image or lesion outside the manifest; they change nothing.
    """

    merged: int = 0
    left_out: tuple[str, ...] = ()
    relabelled: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()
    undecided: int = 0
    elsewhere: int = 0

    def __str__(self) -> str:
        return (
            f"decisions: lesions merged into others {self.merged:,}, copies left out {len(self.left_out):,}, images "
            f"relabelled {len(self.relabelled):,}, images excluded {len(self.excluded):,}, undecided "
            f"{self.undecided:,}, outside the dataset {self.elsewhere:,}"
        )


def write_decisions(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, object]]) -> None:
    """Write lines for review, with an empty column `decision` to fill in.

    Args:
        path: The file.
        columns: `PAIR_COLUMNS`, or `LABEL_COLUMNS` and others; further columns are for the reader alone.
        rows: Values by column; missing ones are empty.
    """
    out = io.StringIO()
    writer = csv.DictWriter(out, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, out.getvalue())


def apply_decisions(manifest: Manifest, paths: Iterable[Path]) -> tuple[Manifest, AppliedDecisions]:
    """Return a manifest with the decisions of files applied; image files are unchanged.

    Pairs: `same lesion` gives both images, and all images of their lesions, one lesion id: a split by lesion never
    separates them. A lesion id stands for an image of the lesion. `same picture` does so as well, and of all images of
    one picture the first is kept. Pairs with another dataset count once both are joined.

    Labels: `relabel` gives the images of the lesion that have the label `given` the label `suggested`, and `exclude`
    leaves them out. They come after the pairs, so that they hold for a merged lesion as a whole.

    Raises:
        DataError: A file cannot be read, a line has another decision, or a lesion has another label than `given`.
    """
    lines = [line for path in paths for line in _lines(path)]
    decided = [(where, row) for where, row in lines if row["decision"]]
    pairs = [(where, row) for where, row in decided if "lesion_id" not in row]
    labels = [(where, row) for where, row in decided if "lesion_id" in row]
    lesions = {record.lesion_id: record.lesion_id for record in manifest}  # each with one that it belongs to
    left_out, merged, pairs_elsewhere = _merge(manifest, lesions, pairs)
    records = [replace(r, lesion_id=_root(lesions, r.lesion_id)) for r in manifest if r.image_id not in left_out]
    new_labels, labels_elsewhere = _new_labels(records, lesions, labels)
    excluded = {image_id for image_id, label in new_labels.items() if label is None}
    kept = [record for record in records if record.image_id not in excluded]
    applied = AppliedDecisions(
        merged,
        tuple(sorted(left_out)),
        tuple(sorted(new_labels.keys() - excluded)),
        tuple(sorted(excluded)),
        undecided=len(lines) - len(decided),
        elsewhere=pairs_elsewhere + labels_elsewhere,
    )
    decided_records = tuple(_relabelled(record, new_labels) for record in kept)
    known = manifest.lesions_known or merged > 0
    return replace(manifest, records=decided_records, lesions_known=known), applied


def _merge(manifest: Manifest, lesions: dict[str, str], pairs: Sequence[_Line]) -> tuple[set[str], int, int]:
    """Merge lesions, in place, and return the copies to leave out with the counts of merged lesions and others."""
    records = {record.image_id: record for record in manifest}
    # A list of lesions that are one has lesion ids in place of image ids.
    names = {record.lesion_id: record.image_id for record in manifest} | {name: name for name in records}
    pictures = {name: name for name in records}
    # Of joined datasets the first one's lesion ids are kept, and with them its split.
    part_of = {
        records[name].lesion_id: turn
        for turn, part in reversed([*enumerate(manifest.parts)])
        for name in part & records.keys()
    }

    def order(lesion: str) -> tuple[int, str]:
        return part_of.get(lesion, 0), lesion

    merged = elsewhere = 0
    for where, row in pairs:
        decision = _decision(where, row, PairDecision)
        first, second = (names.get(row[column], "") for column in ("first", "second"))
        if not first or not second or (row.get("against") and not manifest.parts):
            elsewhere += 1
            continue
        if decision == PairDecision.DIFFERENT:
            continue
        low, high = sorted((_root(lesions, records[name].lesion_id) for name in (first, second)), key=order)
        merged += low != high
        lesions[high] = low
        if decision == PairDecision.SAME_PICTURE:
            pictures[_root(pictures, second)] = _root(pictures, first)
    return {name for name, kept in pictures.items() if name != kept}, merged, elsewhere


def _new_labels(
    records: Iterable[ImageRecord], lesions: Mapping[str, str], labels: Sequence[_Line]
) -> tuple[dict[str, str | None], int]:
    """Return the new label of images, None for those to exclude, and the number of lesions outside the manifest."""
    images: dict[tuple[str, str], list[str]] = {}
    for record in records:
        images.setdefault((record.labelled_id, record.diagnosis), []).append(record.image_id)
    known = lesions.keys() | {labelled for labelled, _ in images}
    found: dict[str, str | None] = {}
    elsewhere = 0
    for where, row in labels:
        decision = _decision(where, row, LabelDecision)
        name = row["lesion_id"]
        if name not in known:
            elsewhere += 1
            continue
        chosen = images.get((_root(lesions, name) if name in lesions else name, row["given"]))
        if chosen is None:
            raise DataError(
                f"{where}: no image of lesion {name} has the label {row['given']!r}; the data have changed "
                "since then, remove the line"
            )
        if decision == LabelDecision.EXCLUDE:
            found |= dict.fromkeys(chosen)
        elif decision == LabelDecision.RELABEL:
            if row["suggested"] not in LABELS:
                raise DataError(
                    f"{where}: suggested {row['suggested']!r} is none of {', '.join(LABELS)}; write the new label there"
                )
            found |= dict.fromkeys(chosen, row["suggested"])
    return found, elsewhere


def _relabelled(record: ImageRecord, labels: Mapping[str, str | None]) -> ImageRecord:
    label = labels.get(record.image_id)
    return record if label is None else replace(record, diagnosis=label, label=None)


def _decision(where: str, row: Mapping[str, str], allowed: type[StrEnum]) -> StrEnum:
    try:
        return allowed(row["decision"])
    except ValueError:
        raise DataError(f"{where}: decision {row['decision']!r} is none of {', '.join(allowed)}; correct it") from None


def _root(parents: Mapping[str, str], name: str) -> str:
    while parents[name] != name:
        name = parents[name]
    return name


def _lines(path: Path) -> Iterator[_Line]:
    """Yield the lines, with decisions in lower case."""
    table = read_table(path, may_be_empty=True)  # no pair was found
    needed = LABEL_COLUMNS if "lesion_id" in table.header else ("first", "second", "decision")
    missing = [name for name in needed if name not in table.header]
    if missing:
        raise DataError(
            f"{path}: no column {missing[0]}; use a file that 'lesionlab data duplicates' or 'label-issues' has written"
        )
    for line, cells in table.rows:
        if len(cells) != len(table.header):
            raise DataError(f"{path} line {line}: {len(cells)} cells under {len(table.header)} column names")
        row = dict(zip(table.header, cells, strict=True))
        yield f"{path} line {line}", row | {"decision": row["decision"].lower()}
