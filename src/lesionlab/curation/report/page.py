"""The page of a dataset: one self-contained HTML file."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from lesionlab.bundle.operating_points import NOUNS
from lesionlab.curation.report.describe import DatasetDescription, Group, SourceMeasures, readable_records
from lesionlab.curation.report.findings import IN_WORDS, counted, main_findings, overview, percent
from lesionlab.data.groups import DX_TYPES
from lesionlab.data.manifest import ImageRecord
from lesionlab.data.scan import Scan
from lesionlab.data.stratify import shuffled
from lesionlab.pages import data_uri, page_environment, thumbnail
from lesionlab.taxonomy import label_name

_SIDE = 112  # pixels of a thumbnail
_QUALITY = 72
_PER_SHEET = 8
_SOURCE_SHEETS = 6
_ROWS = 15
_SIZES = 8

_GROUPS = {
    "age": "Age",
    "sex": "Sex",
    "site": "Anatomical site",
    "skin_tone": "Skin tone",
    "dx_type": "Confirmation of the diagnosis",
}
_MEASURES = {
    "kilobytes": "File in kB",
    "lightness": "Lightness",
    "red": "Green to red",
    "yellow": "Blue to yellow",
    "contrast": "Contrast",
    "sharpness": "Sharpness",
}
_PROPERTIES = {
    "source": ("Source", "One indicator per source. Images carry their source in colour, frame and sharpness."),
    "border": (
        "Border of a thumbnail",
        "Colours of the outer ring of 16x16 pixels. It shows camera, skin and light, and parts of large lesions.",
    ),
    "file": (
        "Size and format of the file",
        "Pixels, bytes, format and JPEG quality. Bytes also depend on the detail in a picture.",
    ),
    "patient": (
        "Patient data",
        "Age, sex and site. They are related to the diagnosis; a gain over them is what the image adds.",
    ),
}
_MEANINGS = ((0.8, "strong"), (0.7, "usable"), (0.6, "weak"), (0.0, "little to use"))


@dataclass(frozen=True, slots=True)
class _Sheet:
    """Thumbnails of one class or source."""

    name: str
    images: tuple[tuple[str, str | None], ...]


def render_report(scan: Scan, data: DatasetDescription, progress: Callable[[int, int], None] | None = None) -> str:
    """Return the page of a dataset with at most some hundred thumbnails, one per lesion.

    Args:
        scan: The dataset.
        data: Its description.
        progress: Called with the number of sheets done and their total.

    Raises:
        MissingExtraError: Jinja is not installed.
    """
    environment = page_environment(percent=percent, counted=counted, label=label_name, meaning=_meaning)
    records = readable_records(scan, data.check)
    by_class, by_source = _members(records, data)
    total = len(by_class) + len(by_source)
    sheets = []
    for name, members in [*by_class.items(), *by_source.items()]:
        sheets.append(_sheet(scan, name, members))
        if progress is not None:
            progress(len(sheets), total)
    return environment.get_template("curation/report/report.html.jinja").render(
        name=scan.root.resolve().name,
        data=data,
        check=data.check,
        overview=overview(data),
        findings=main_findings(data),
        target=NOUNS[data.target],
        positives=IN_WORDS[data.target],
        groups={title: _shown(data.groups.get(name, ())) for name, title in _GROUPS.items()},
        values=DX_TYPES,
        sources=_shown(data.groups.get("source", ())),
        measured=data.sources[:_ROWS],
        size_of=_size,
        kind_of=lambda row: _kind(row, data),
        measures=_MEASURES,
        more_sources=len(data.sources) - _ROWS,
        properties=_PROPERTIES,
        class_sheets=sheets[: len(by_class)],
        source_sheets=sheets[len(by_class) :],
        sizes=list(data.check.sizes.items())[:_SIZES],
        more_sizes=len(data.check.sizes) - _SIZES,
        per_lesion=_per_lesion(data),
    )


def _members(
    records: Sequence[ImageRecord], data: DatasetDescription
) -> tuple[dict[str, list[ImageRecord]], dict[str, list[ImageRecord]]]:
    """Return the images by class, and by source if there are several, in a fixed random order."""
    by_id = {record.image_id: record for record in records}
    order = [by_id[name] for name in shuffled(by_id, data.seed)]
    classes = {
        label_name(row.value): [r for r in order if r.diagnosis == row.value] for row in data.groups["diagnosis"]
    }
    rows = data.groups.get("source", ())
    if len(rows) < 2:
        return classes, {}
    return classes, {row.value: [r for r in order if r.source == row.value] for row in rows[:_SOURCE_SHEETS]}


def _sheet(scan: Scan, name: str, members: Iterable[ImageRecord]) -> _Sheet:
    chosen: dict[str, ImageRecord] = {}
    for record in members:
        if len(chosen) < _PER_SHEET:
            chosen.setdefault(record.lesion_id, record)
    images = []
    for record in chosen.values():
        image = thumbnail(str(scan.root / record.path), _SIDE)
        images.append((record.image_id, None if image is None else data_uri(image, _QUALITY)))
    return _Sheet(name, tuple(images))


def _shown(rows: Sequence[Group]) -> list[tuple[str, Group]]:
    """Return the largest groups with their names, and the others as one."""
    shown = [(row.value, row) for row in rows[:_ROWS]]
    others = rows[_ROWS:]
    if others:
        # A lesion may have images in several groups: the number of lesions is that of the groups added.
        sums = {
            name: sum(getattr(row, name) for row in others) for name in ("images", "lesions", "labelled", "positive")
        }
        shown.append((f"{len(others):,} others", Group(value="", **sums)))
    return shown


def _kind(row: Group, data: DatasetDescription) -> str:
    """Return the kind of a diagnosis: `malignant`, `not malignant`."""
    if row.share is None:
        return f"unknown whether {data.target}"
    return data.target if row.share else f"not {data.target}"


def _per_lesion(data: DatasetDescription) -> list[tuple[str, int, float]]:
    """Return, by number of images: name, number of lesions and their share; from 5 on as one."""
    lesions = sum(data.images_per_lesion.values())
    counts: dict[str, int] = {}
    for size, count in data.images_per_lesion.items():
        name = str(size) if size < 5 else "5 or more"
        counts[name] = counts.get(name, 0) + count
    return [(name, count, count / lesions) for name, count in counts.items()]


def _size(row: SourceMeasures) -> str:
    """Return the median size, and the range if sizes differ."""
    width, height = row.measures["width"], row.measures["height"]
    text = f"{width.median:.0f}x{height.median:.0f}"
    if (width.low, height.low) == (width.high, height.high):
        return text
    return f"{text} ({width.low:.0f}x{height.low:.0f} to {width.high:.0f}x{height.high:.0f})"


def _meaning(auc: float) -> str:
    return next(text for limit, text in _MEANINGS if auc >= limit)
