"""Exports of annotation tools as rows of a table: Label Studio (JSON, JSON-MIN) and CVAT (CVAT for images, XML)."""

import json
import re
from collections.abc import Container, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, Final
from urllib.parse import parse_qs, unquote, urlsplit
from xml.etree import ElementTree as ET

from lesionlab.data.readers.names import path_id, without_suffix
from lesionlab.errors import DataError
from lesionlab.taxonomy import parse_diagnosis

Row = Mapping[str, str]
COLUMNS: Final = ("image_id", "diagnosis", "reader", "answer", "seconds")
_SKIPPED: Final = "skip"
# Label Studio puts it before the name of an uploaded file.
_UPLOADED: Final = re.compile(r"^[0-9a-f]{8}-")


def annotation_rows(path: Path, images: Container[str]) -> list[tuple[str, Row]] | None:
    """Return the place and the cells of each annotated image of an export; None for a file that is none.

    Images without an annotation have no row, and boxes and other shapes are passed over.

    Args:
        path: The file; `.json` is Label Studio's, `.xml` CVAT's.
        images: The identifiers of the dataset's images.

    Raises:
        DataError: The file cannot be read, or an annotation has no label or several.
    """
    reader = {".json": _label_studio, ".xml": _cvat}.get(path.suffix.lower())
    return None if reader is None else list(reader(path, images))


def _label_studio(path: Path, images: Container[str]) -> Iterator[tuple[str, Row]]:
    try:
        tasks = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: {error}; export the project as JSON again") from error
    if not isinstance(tasks, list) or not all(isinstance(task, dict) for task in tasks):
        raise DataError(f"{path}: this is no list of tasks; export the project of Label Studio as JSON or JSON-MIN")
    for number, task in enumerate(tasks, start=1):
        where = f"{path} task {task.get('id', number)}"
        try:
            yield from _task(where, task, images)
        except (AttributeError, TypeError) as error:
            raise DataError(f"{where}: it has another form than Label Studio's; export the project again") from error


def _task(where: str, task: Mapping[str, Any], images: Container[str]) -> Iterator[tuple[str, Row]]:
    if "annotations" not in task:
        # JSON-MIN has the labels among the data of the task.
        found = [value["choices"] if isinstance(value, dict) else [value] for value in task.values() if value]
        chosen = [label for labels in found for label in labels if isinstance(label, str) and parse_diagnosis(label)]
        yield where, _row(where, _image(where, task, images), chosen, task, task.get("annotator"))
        return
    for annotation in task["annotations"]:
        results = annotation.get("result") or ()
        chosen = [choice for result in results for choice in (result.get("value") or {}).get("choices", ())]
        image = _image(where, task["data"], images)
        yield where, _row(where, image, chosen, annotation, annotation.get("completed_by"))


def _row(where: str, image: str, chosen: list[str], annotation: Mapping[str, Any], who: object) -> Row:
    skipped = bool(annotation.get("was_cancelled"))
    if not skipped and len(chosen) != 1:
        listed = ", ".join(chosen) or "none"
        raise DataError(f"{where}: an annotation has one choice, here {listed}; correct it and export again")
    reader = who.get("email") or who.get("id") if isinstance(who, dict) else who
    return {
        "image_id": image,
        "diagnosis": "" if skipped else chosen[0],
        "reader": f"annotator {reader}" if isinstance(reader, int) else str(reader or ""),
        "answer": _SKIPPED if skipped else "",
        "seconds": str(annotation.get("lead_time") or ""),
    }


def _image(where: str, data: Mapping[str, Any], images: Container[str]) -> str:
    """Return the image of a task: the value of its data that names one of the dataset, else the first one."""
    names = [name for value in data.values() if isinstance(value, str) for name in _names(_path(value))]
    if not names:
        raise DataError(f"{where}: the task has no image")
    return next((name for name in names if name in images), names[0])


def _path(address: str) -> str:
    """Return the path in an address, of a file that was uploaded, or is stored elsewhere."""
    parts = urlsplit(address)
    return parse_qs(parts.query).get("d", [unquote(parts.path)])[0]


def _names(path: str) -> Iterator[str]:
    """Yield the identifiers that a path may stand for."""
    name = without_suffix(PurePosixPath(path).name)
    yield from (name, _UPLOADED.sub("", name), path_id(path))


def _cvat(path: Path, images: Container[str]) -> Iterator[tuple[str, Row]]:
    try:
        # Entities of other files are not loaded, and the parser limits the expansion of others.
        root = ET.parse(path).getroot()  # noqa: S314
    except (OSError, ET.ParseError) as error:
        raise DataError(f"{path}: {error}; export the task as CVAT for images again") from error
    if root.tag != "annotations":
        raise DataError(f"{path}: this is no export of CVAT; choose the format CVAT for images")
    assigned = (element.findtext("username") for element in root.iterfind("meta//assignee"))
    reader = next((name for name in assigned if name), "")
    for image in root.iterfind("image"):
        labels = [tag.get("label", "") for tag in image.iterfind("tag")]
        if not labels:
            continue
        where = f"{path} image {image.get('id')}"
        if len(labels) > 1:
            raise DataError(f"{where}: an image has one tag, here {', '.join(labels)}; correct it and export again")
        names = list(_names(image.get("name", "")))
        known = next((name for name in names if name in images), names[0])
        yield where, {"image_id": known, "diagnosis": labels[0], "reader": reader}
