"""Checking a dataset: all problems in one report."""

import os
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from lesionlab.base_models import FrozenModel
from lesionlab.data.dataset import scan_dataset
from lesionlab.data.manifest import ImageRecord, Manifest
from lesionlab.data.readers.columns import ColumnMapping
from lesionlab.data.scan import DataProblem, ProblemKind, Scan
from lesionlab.errors import ImageError
from lesionlab.images import load_image
from lesionlab.images.perceptual_hash import BITS, has_structure, near_copies, perceptual_hash, pixel_hash
from lesionlab.taxonomy import CODES, LABELS


class DataReport(FrozenModel):
    """Contents and problems of a dataset.

    Attributes:
        folder: The dataset.
        layout: Name of its layout.
        images: Number of usable images; all other counts refer to these.
        lesions: Number of lesions.
        lesions_with_several_images: Number of lesions with more than one image.
        lesions_known: Whether the source has lesion ids.
        diagnoses: Number of images by diagnosis.
        subsets: Number of images by given subset; empty if the data come without a split.
        sources: Number of images by source.
        sizes: Number of images by width and height (`600x450`), the most frequent first.
        gaps: Number of images without a value, by attribute. Missing values are not errors.
        errors: Number of problems by kind that prevent using the data.
        warnings: Number of other problems by kind.
        left_out: The other files, counted by kind, with a remedy for images that are not read; empty if there are none.
        problems: All problems.
        manifest_sha256: Hash of the manifest; None if there are errors.
    """

    folder: str
    layout: str
    images: int
    lesions: int
    lesions_with_several_images: int
    lesions_known: bool
    diagnoses: dict[str, int]
    subsets: dict[str, int]
    sources: dict[str, int]
    sizes: dict[str, int]
    gaps: dict[str, int]
    errors: dict[ProblemKind, int]
    warnings: dict[ProblemKind, int]
    left_out: str
    problems: tuple[DataProblem, ...]
    manifest_sha256: str | None

    @property
    def ok(self) -> bool:
        """Whether the data can be used."""
        return not self.errors


def check_dataset(
    folder: Path,
    *,
    columns: ColumnMapping | None = None,
    metadata: Path | Sequence[Path] | None = None,
    unknown: Literal["error", "keep"] = "error",
    progress: Callable[[int, int], None] | None = None,
    workers: int | None = None,
) -> DataReport:
    """Check a dataset; every image is decoded completely.

    Args:
        folder: Folder of the images.
        columns: Mapping of the metadata's columns.
        metadata: Tables to read instead of the folder's own metadata (see `read_dataset`).
        unknown: What becomes of diagnoses of unknown spelling (see `read_dataset`).
        progress: Called with the number of images done and their total.
        workers: Number of threads; default: one per processor.

    Raises:
        DataError: The layout of the folder is unknown, or its table cannot be read.
    """
    return check_scan(scan_dataset(folder, columns=columns, metadata=metadata, unknown=unknown), progress, workers)


def check_scan(
    scan: Scan, progress: Callable[[int, int], None] | None = None, workers: int | None = None
) -> DataReport:
    """Check a dataset whose metadata have been read; see `check_dataset`."""
    checks = _check_images(scan, progress, workers)
    problems = [
        *scan.problems,
        *(check.problem for check in checks if check.problem),
        *_copies(checks),
        *_near_copies(checks),
    ]
    return _report(scan, [check for check in checks if check.problem is None], _in_order(problems))


@dataclass(frozen=True, slots=True)
class _ImageCheck:
    record: ImageRecord
    pixels: str | None = None
    perceptual: np.ndarray | None = None
    size: tuple[int, int] | None = None
    problem: DataProblem | None = None


def _check_images(scan: Scan, progress: Callable[[int, int], None] | None, workers: int | None) -> list[_ImageCheck]:
    # Threads are sufficient, since Pillow and hashlib release the global interpreter lock.
    checks = []
    with ThreadPoolExecutor(workers or os.cpu_count()) as pool:
        for check in pool.map(lambda record: _check_image(scan.root, record), scan.records):
            checks.append(check)
            if progress is not None:
                progress(len(checks), len(scan.records))
    return checks


def _check_image(root: Path, record: ImageRecord) -> _ImageCheck:
    try:
        decoded = load_image(root / record.path)
        perceptual = perceptual_hash(decoded.image) if has_structure(decoded.image) else None
        return _ImageCheck(record, pixel_hash(decoded.image), perceptual, decoded.original_size)
    except ImageError as error:
        kind = ProblemKind.TRUNCATED if "truncated" in str(error) else ProblemKind.UNREADABLE
        return _ImageCheck(record, problem=DataProblem(kind=kind, where=record.path, detail=str(error)))


def _copies(checks: Iterable[_ImageCheck]) -> list[DataProblem]:
    by_digest: dict[str, list[ImageRecord]] = {}
    for check in checks:
        if check.pixels is not None:
            by_digest.setdefault(check.pixels, []).append(check.record)
    problems = []
    for records in by_digest.values():
        if len(records) < 2:
            continue
        lesions = sorted({record.lesion_id for record in records})
        diagnoses = " and ".join(sorted({record.diagnosis for record in records}))
        kind = ProblemKind.COPY if len(lesions) == 1 else ProblemKind.LEAKING_COPY
        leak = "" if len(lesions) == 1 else "; a split may separate them: a leak"
        where = ", ".join(sorted(record.image_id for record in records))
        detail = f"the same pixels, of lesion {', '.join(lesions)} ({diagnoses}){leak}"
        problems.append(DataProblem(kind=kind, where=where, detail=detail))
    return problems


def _near_copies(checks: Iterable[_ImageCheck]) -> list[DataProblem]:
    """Return pairs of images of different lesions with similar perceptual hashes and different pixels."""
    found = [check for check in checks if check.perceptual is not None]
    problems = []
    for i, j, differing in near_copies(np.array([check.perceptual for check in found], dtype=np.uint8)):
        a, b = found[i], found[j]
        if a.pixels == b.pixels or a.record.lesion_id == b.record.lesion_id:
            continue
        detail = (
            f"lesions {a.record.lesion_id} ({a.record.diagnosis}) and {b.record.lesion_id} ({b.record.diagnosis}), "
            f"{differing} of {BITS} bits of the perceptual hash differ; a split may separate them"
        )
        where = f"{a.record.image_id}, {b.record.image_id}"
        problems.append(DataProblem(kind=ProblemKind.NEAR_COPY, where=where, detail=detail))
    return problems


def _in_order(problems: Iterable[DataProblem]) -> tuple[DataProblem, ...]:
    order = list(ProblemKind)
    return tuple(sorted(problems, key=lambda problem: (order.index(problem.kind), problem.where)))


def _report(scan: Scan, checks: list[_ImageCheck], problems: tuple[DataProblem, ...]) -> DataReport:
    records = [check.record for check in checks]
    by_lesion = Counter(record.lesion_id for record in records)
    diagnoses = Counter(record.diagnosis for record in records)
    sizes = Counter("{}x{}".format(*check.size) for check in checks if check.size)
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
        subsets=dict(Counter(record.subset for record in records if record.subset is not None)),
        sources=dict(Counter(record.source for record in records).most_common()),
        sizes=dict(sizes.most_common()),
        gaps={name: sum(getattr(r, name) is None for r in records) for name in ("age", "sex", "site", "dx_type")},
        errors=errors,
        warnings={kind: count for kind, count in kinds.items() if not kind.is_error},
        left_out=str(scan.left_out),
        problems=problems,
        manifest_sha256=Manifest(scan.root, scan.records, scan.lesions_known).sha256 if usable else None,
    )
