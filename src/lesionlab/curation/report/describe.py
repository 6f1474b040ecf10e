"""Description of a dataset: counts, measures of its images, the leak of a split by image, and the shortcut test."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Literal, get_args

import numpy as np

from lesionlab import RESEARCH_ONLY
from lesionlab.base_models import FrozenModel
from lesionlab.curation.report.leak import Leak, expected_leak
from lesionlab.curation.report.measure import ImageMeasures, measure_images
from lesionlab.curation.report.shortcuts import Shortcut, measure_shortcuts
from lesionlab.data.check import DataReport
from lesionlab.data.groups import UNKNOWN, GroupBy, group_value
from lesionlab.data.manifest import ImageRecord
from lesionlab.data.scan import ProblemKind, Scan
from lesionlab.data.stratify import shuffled
from lesionlab.errors import DataError
from lesionlab.images.skin_tone import TONES
from lesionlab.taxonomy import LABELS, TASKS, Target, Task

SAMPLE = 3000
_TRAINING_SHARES = (0.7, 0.8, 0.9)
_UNREADABLE = (ProblemKind.UNREADABLE, ProblemKind.TRUNCATED)


class Group(FrozenModel):
    """Images with one value of a property.

    Attributes:
        value: The value; `unknown` where not stated.
        images: Number of images.
        lesions: Number of lesions.
        labelled: Number of images whose label determines the target.
        positive: Number of images of the target.
    """

    value: str
    images: int
    lesions: int
    labelled: int
    positive: int

    @property
    def share(self) -> float | None:
        """Share of the target among the labelled images."""
        return self.positive / self.labelled if self.labelled else None


class Spread(FrozenModel):
    """Median of a measure, and the values that 10% of the images are below and above."""

    low: float
    median: float
    high: float


class SourceMeasures(FrozenModel):
    """Measures of the images of one source.

    Attributes:
        source: The source.
        images: Number of measured images.
        measures: `width`, `height` (pixels), `kilobytes`, `lightness`, `red` (against green), `yellow` (against blue;
            all three CIELAB), `contrast` and `sharpness` (scale of the pixel values).
    """

    source: str
    images: int
    measures: dict[str, Spread]


class DatasetDescription(FrozenModel):
    """Description of a dataset.

    Attributes:
        notice: Research and education only.
        check: Result of `lesionlab.data.check_dataset`; all other counts refer to its usable images.
        target: The finding that shares and the shortcut test refer to.
        unit: What the lesion ids identify: `lesion`; `patient`, where the data have no lesion ids; `image`, where they
            have neither.
        positive: Number of images of the target.
        labelled: Number of images whose label determines the target.
        groups: Counts by `diagnosis`, `source`, `age`, `sex`, `site`, `skin_tone` and `dx_type`; without an entry where
            no value is stated.
        skin_tone_estimated: Whether the skin tone is estimated from the margins of the measured images.
        images_per_lesion: Number of lesions by their number of images.
        leaks: Leak of a random split by image, by share of training images; empty without lesion ids.
        measured: Number of images whose pixels were measured, drawn at random.
        seed: Seed of the draw.
        sources: Measures of the images by source.
        shortcuts: The shortcut test, on the measured images whose label determines the target.
        shortcut_images: Number of these images.
    """

    notice: str = RESEARCH_ONLY
    check: DataReport
    target: Target
    unit: Literal["lesion", "patient", "image"]
    positive: int
    labelled: int
    groups: dict[str, tuple[Group, ...]]
    skin_tone_estimated: bool
    images_per_lesion: dict[int, int]
    leaks: tuple[Leak, ...]
    measured: int
    seed: int
    sources: tuple[SourceMeasures, ...]
    shortcuts: tuple[Shortcut, ...]
    shortcut_images: int


def readable_records(scan: Scan, check: DataReport) -> tuple[ImageRecord, ...]:
    """Return the records whose images can be decoded."""
    unreadable = {problem.where for problem in check.problems if problem.kind in _UNREADABLE}
    return tuple(record for record in scan.records if record.path not in unreadable)


def describe_dataset(
    scan: Scan,
    check: DataReport,
    *,
    sample: int = SAMPLE,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> DatasetDescription:
    """Describe a dataset.

    Args:
        scan: The dataset, as `lesionlab.data.scan_dataset` reads it.
        check: The result of `lesionlab.data.check_scan`.
        sample: Number of images to measure.
        seed: Seed of their draw, of the folds and of the bootstrap.
        progress: Called with the number of images measured and their total.

    Raises:
        DataError: No image can be read.
    """
    records = readable_records(scan, check)
    if not records:
        raise DataError(f"{scan.root}: no image can be read; 'lesionlab data check {scan.root}' lists the errors")
    target = _target(records)
    by_id = {record.image_id: record for record in records}
    drawn = [by_id[name] for name in shuffled(by_id, seed)[:sample]]
    found = measure_images([str(scan.root / record.path) for record in drawn], progress)
    pairs = [(record, one) for record, one in zip(drawn, found, strict=True) if one is not None]
    labelled = [(record, one) for record, one in pairs if _is_positive(record, target) is not None]
    positive = np.array([_is_positive(record, target) for record, _ in labelled], dtype=np.bool_)
    stated = [_is_positive(record, target) for record in records]
    of_lesions = Counter(Counter(record.lesion_id for record in records).values())
    estimated = all(record.skin_tone is None for record in records)
    groups = {"diagnosis": _by_diagnosis(records, target)}
    for name in get_args(GroupBy):
        groups[name] = _grouped(records, [group_value(record, name) for record in records], target)
    groups["age"] = _in_order(groups["age"])  # '0 to 29', ..., '75 and over'
    groups["skin_tone"] = _in_order(groups["skin_tone"])
    if estimated:
        tones = _grouped([r for r, _ in pairs], [one.skin_tone for _, one in pairs], target)
        groups["skin_tone"] = tuple(sorted(tones, key=lambda row: (*TONES, UNKNOWN).index(row.value)))
    known = scan.lesions_known
    return DatasetDescription(
        check=check,
        target=target,
        unit="patient" if scan.by_patient else "lesion" if known else "image",
        positive=sum(one is True for one in stated),
        labelled=sum(one is not None for one in stated),
        groups={name: rows for name, rows in groups.items() if [row.value for row in rows] != [UNKNOWN]},
        skin_tone_estimated=estimated,
        images_per_lesion=dict(sorted(of_lesions.items())),
        leaks=_leaks(of_lesions, len(records)) if known else (),
        measured=len(pairs),
        seed=seed,
        sources=_by_source(pairs),
        shortcuts=measure_shortcuts([r for r, _ in labelled], [one for _, one in labelled], positive, seed),
        shortcut_images=len(labelled),
    )


def task_of(target: Target) -> Task:
    """Return the binary task of a target."""
    return TASKS[target]


def _target(records: Sequence[ImageRecord]) -> Target:
    """Return melanoma if the labels distinguish it alone, as `melanoma or not` does; else malignancy."""
    for target in get_args(Target):
        if {_is_positive(record, target) for record in records} >= {True, False}:
            return target  # type: ignore[no-any-return] # one of the literals
    return "malignant"


def _is_positive(record: ImageRecord, target: Target) -> bool | None:
    """Return whether an image is of the target; None if its label does not determine it."""
    task = task_of(target)
    return task.index(record.diagnosis) == 1 if task.determines(record.diagnosis) else None


def _grouped(records: Sequence[ImageRecord], values: Sequence[str], target: Target) -> tuple[Group, ...]:
    """Return the groups of the images, the largest first, `unknown` last."""
    members: dict[str, list[ImageRecord]] = {}
    for record, value in zip(records, values, strict=True):
        members.setdefault(value, []).append(record)
    order = sorted(members, key=lambda value: (value == UNKNOWN, -len(members[value]), value))
    return tuple(_group(value, members[value], target) for value in order)


def _by_diagnosis(records: Sequence[ImageRecord], target: Target) -> tuple[Group, ...]:
    rows = _grouped(records, [record.diagnosis for record in records], target)
    return tuple(sorted(rows, key=lambda row: LABELS.index(row.value)))


def _in_order(rows: Sequence[Group]) -> tuple[Group, ...]:
    return tuple(sorted(rows, key=lambda row: (row.value == UNKNOWN, row.value)))


def _group(value: str, records: Sequence[ImageRecord], target: Target) -> Group:
    stated = [_is_positive(record, target) for record in records]
    return Group(
        value=value,
        images=len(records),
        lesions=len({record.lesion_id for record in records}),
        labelled=sum(one is not None for one in stated),
        positive=sum(one is True for one in stated),
    )


def _leaks(images_per_lesion: Counter[int], images: int) -> tuple[Leak, ...]:
    return tuple(
        Leak(training_share=share, test_images=expected_leak(images_per_lesion, round(share * images)))
        for share in _TRAINING_SHARES
    )


def _by_source(pairs: Sequence[tuple[ImageRecord, ImageMeasures]]) -> tuple[SourceMeasures, ...]:
    members: dict[str, list[ImageMeasures]] = {}
    for record, one in pairs:
        members.setdefault(record.source, []).append(one)
    names = ("width", "height", "kilobytes", "lightness", "red", "yellow", "contrast", "sharpness")
    found = []
    for source, measured in sorted(members.items(), key=lambda item: (-len(item[1]), item[0])):
        values = [(*one.size, one.kilobytes, *one.colour, one.contrast, one.sharpness) for one in measured]
        limits = np.quantile(values, (0.1, 0.5, 0.9), axis=0).T.tolist()
        spreads = (Spread(low=low, median=median, high=high) for low, median, high in limits)
        found.append(
            SourceMeasures(source=source, images=len(measured), measures=dict(zip(names, spreads, strict=True)))
        )
    return tuple(found)
