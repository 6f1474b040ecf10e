"""Checking a dataset: everything that is wrong with it, all at once."""

import hashlib
import os
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from lesionlab.data.dataset import scan_dataset
from lesionlab.data.manifest import ImageRecord, Manifest
from lesionlab.data.readers.columns import ColumnMapping
from lesionlab.data.scan import Problem, ProblemKind, Scan
from lesionlab.errors import ImageError
from lesionlab.images import decode_image, read_image_bytes
from lesionlab.taxonomy import CODES, LABELS


class DataReport(BaseModel):
    """What a dataset holds, and what is wrong with it.

    Attributes:
        folder: The dataset.
        layout: Name of its layout.
        images: Number of usable images; all further counts are of these.
        lesions: Number of different lesions.
        lesions_with_several_images: Number of lesions with more than one image.
        lesions_known: Whether the source tells which images show one lesion.
        diagnoses: Images by diagnosis.
        sources: Images by source.
        sizes: Images by width and height (`600x450`), the most frequent first.
        gaps: Images for which an attribute is unknown. A gap is not an error.
        errors: Number of problems by kind that forbid using the data.
        warnings: Number of problems by kind that its owner should know of.
        problems: Every single one.
        manifest_sha256: Hash of the manifest; None where errors forbid one.
    """

    model_config = ConfigDict(frozen=True)

    folder: str
    layout: str
    images: int
    lesions: int
    lesions_with_several_images: int
    lesions_known: bool
    diagnoses: dict[str, int]
    sources: dict[str, int]
    sizes: dict[str, int]
    gaps: dict[str, int]
    errors: dict[ProblemKind, int]
    warnings: dict[ProblemKind, int]
    problems: tuple[Problem, ...]
    manifest_sha256: str | None

    @property
    def ok(self) -> bool:
        """Whether the data can be used."""
        return not self.errors


def check_dataset(
    folder: Path,
    *,
    columns: ColumnMapping | None = None,
    metadata: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
    workers: int | None = None,
) -> DataReport:
    """Check a dataset; every image is decoded in full.

    Args:
        folder: Where the images are.
        columns: Which column of the metadata holds what.
        metadata: A table of images, to be read in place of what the folder's layout says.
        progress: Called with the number of images done and the number in all.
        workers: Number of threads; default: one per processor.

    Raises:
        DataError: The folder is of no known layout, or its table cannot be read at all.
    """
    scan = scan_dataset(folder, columns=columns, metadata=metadata)
    looks = _look_at_all(scan, progress, workers)
    problems = [*scan.problems, *(look.problem for look in looks if look.problem), *_copies(looks)]
    return _report(scan, [look for look in looks if look.problem is None], _in_order(problems))


@dataclass(frozen=True, slots=True)
class _Look:
    record: ImageRecord
    sha256: str | None = None
    size: tuple[int, int] | None = None
    problem: Problem | None = None


def _look_at_all(scan: Scan, progress: Callable[[int, int], None] | None, workers: int | None) -> list[_Look]:
    # Threads suffice: Pillow and hashlib let go of the interpreter's lock while they work.
    looks = []
    with ThreadPoolExecutor(workers or os.cpu_count()) as pool:
        for look in pool.map(lambda record: _look(scan.root, record), scan.records):
            looks.append(look)
            if progress is not None:
                progress(len(looks), len(scan.records))
    return looks


def _look(root: Path, record: ImageRecord) -> _Look:
    digest = None
    try:
        data = read_image_bytes(str(root / record.path))
        digest = hashlib.sha256(data).hexdigest()
        return _Look(record, digest, decode_image(data).original_size)
    except ImageError as error:
        kind = ProblemKind.TRUNCATED if "truncated" in str(error) else ProblemKind.UNREADABLE
        return _Look(record, digest, problem=Problem(kind=kind, where=record.path, detail=str(error)))


def _copies(looks: Iterable[_Look]) -> list[Problem]:
    by_digest: dict[str, list[ImageRecord]] = {}
    for look in looks:
        if look.sha256 is not None:
            by_digest.setdefault(look.sha256, []).append(look.record)
    problems = []
    for records in by_digest.values():
        if len(records) < 2:
            continue
        lesions = sorted({record.lesion_id for record in records})
        diagnoses = " and ".join(sorted({record.diagnosis for record in records}))
        kind = ProblemKind.COPY if len(lesions) == 1 else ProblemKind.LEAKING_COPY
        leak = "" if len(lesions) == 1 else "; a split may put them on both sides: a leak"
        where = ", ".join(sorted(record.image_id for record in records))
        detail = f"the same file, of lesion {', '.join(lesions)} ({diagnoses}){leak}"
        problems.append(Problem(kind=kind, where=where, detail=detail))
    return problems


def _in_order(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    order = list(ProblemKind)
    return tuple(sorted(problems, key=lambda problem: (order.index(problem.kind), problem.where)))


def _report(scan: Scan, looks: list[_Look], problems: tuple[Problem, ...]) -> DataReport:
    records = [look.record for look in looks]
    by_lesion = Counter(record.lesion_id for record in records)
    diagnoses = Counter(record.diagnosis for record in records)
    sizes = Counter("{}x{}".format(*look.size) for look in looks if look.size)
    kinds = Counter(problem.kind for problem in problems)
    errors = {kind: count for kind, count in kinds.items() if kind.is_error}
    usable = bool(records) and not errors
    return DataReport(
        folder=str(scan.root),
        layout=scan.layout,
        images=len(records),
        lesions=len(by_lesion),
        lesions_with_several_images=sum(count > 1 for count in by_lesion.values()),
        lesions_known=scan.lesions_known,
        diagnoses={code: diagnoses[code] for code in LABELS if code in CODES or diagnoses[code]},
        sources=dict(Counter(record.source for record in records).most_common()),
        sizes=dict(sizes.most_common()),
        gaps={name: sum(getattr(r, name) is None for r in records) for name in ("age", "sex", "site", "dx_type")},
        errors=errors,
        warnings={kind: count for kind, count in kinds.items() if not kind.is_error},
        problems=problems,
        manifest_sha256=Manifest(scan.root, scan.records, scan.lesions_known).sha256 if usable else None,
    )
