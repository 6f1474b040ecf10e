"""Exports of Label Studio and CVAT are imported as answers."""

import json
from pathlib import Path
from typing import Any

import pytest

from lesionlab.data import Manifest
from lesionlab.errors import DataError
from lesionlab.labelling.exchange import read_labels
from lesionlab.labelling.store import Event


def answers(events: list[Event]) -> list[tuple[str | None, str, str, float | None]]:
    return [(one.reader, one.lesion, one.answer.value, one.answer.seconds) for one in events]


def chosen(*choices: str, who: object = 1, **more: Any) -> dict[str, Any]:
    results = [{"type": "choices", "from_name": "dx", "value": {"choices": [choice]}} for choice in choices]
    box = {"type": "rectanglelabels", "from_name": "box", "value": {"x": 1, "rectanglelabels": ["lesion"]}}
    return {"completed_by": who, "result": [box, *results], "was_cancelled": False, "lead_time": 4.5, **more}


def write_tasks(path: Path, *tasks: dict[str, Any]) -> Path:
    path.write_text(json.dumps(tasks), encoding="utf-8")
    return path


def test_label_studio(phantoms: Manifest, tmp_path: Path) -> None:
    a, b, c = list({record.lesion_id: record for record in phantoms}.values())[:3]
    path = write_tasks(
        tmp_path / "project.json",
        {
            "id": 7,
            "data": {"site": "back", "image": f"/data/upload/1/0a1b2c3d-{a.image_id}.jpg"},
            "annotations": [chosen("Melanoma"), chosen("nv", who={"id": 2, "email": "anna@clinic.example"})],
        },
        {
            "id": 8,
            "data": {"image": f"/data/local-files/?d=part%201/{b.image_id}.jpg"},
            "annotations": [chosen(was_cancelled=True)],
        },
        {"id": 9, "data": {"image": f"s3://bucket/{c.image_id}.jpg?X-Amz-Signature=0"}, "annotations": []},
    )
    events = read_labels(path, phantoms)
    assert answers(events) == [
        ("annotator 1", a.lesion_id, "mel", 4.5),
        ("anna@clinic.example", a.lesion_id, "nv", 4.5),
        ("annotator 1", b.lesion_id, "skip", 4.5),
    ]
    assert [event.id for event in read_labels(path, phantoms)] == [event.id for event in events]


def test_label_studio_in_its_short_form(phantoms: Manifest, tmp_path: Path) -> None:
    a, b = list({record.lesion_id: record for record in phantoms}.values())[:2]
    more = {"created_at": "2026-01-01", "annotation_id": 3, "lead_time": 2.0, "site": "back", "age": 40}
    path = write_tasks(
        tmp_path / "project.json",
        {"id": 1, "image": f"/data/upload/{a.image_id}.jpg", "choice": "bcc", "annotator": 4, **more},
        {"id": 2, "image": f"/data/upload/{b.image_id}.jpg", "dx": {"choices": ["df"]}, "annotator": 4, **more},
    )
    assert answers(read_labels(path, phantoms)) == [
        ("annotator 4", a.lesion_id, "bcc", 2.0),
        ("annotator 4", b.lesion_id, "df", 2.0),
    ]


def test_cvat(phantoms: Manifest, tmp_path: Path) -> None:
    a, b = list({record.lesion_id: record for record in phantoms}.values())[:2]
    path = tmp_path / "annotations.xml"
    path.write_text(
        f"""<?xml version="1.0" encoding="utf-8"?>
<annotations><version>1.1</version>
  <meta><task><owner><username>admin</username></owner><assignee><username>anna</username></assignee></task></meta>
  <image id="0" name="part 1/{a.image_id}.jpg" width="64" height="48">
    <box label="lesion" xtl="1" ytl="1" xbr="9" ybr="9"/><tag label="Melanocytic nevus" source="manual"/>
  </image>
  <image id="1" name="{b.image_id}.jpg" width="64" height="48"/>
</annotations>""",
        encoding="utf-8",
    )
    assert answers(read_labels(path, phantoms)) == [("anna", a.lesion_id, "nv", None)]
    path.write_text(path.read_text().replace("assignee", "segment"))
    assert read_labels(path, phantoms, "Bert")[0].reader == "Bert"


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("p.json", "{", "export the project as JSON again"),
        ("p.json", '{"tasks": []}', "this is no list of tasks"),
        ("p.json", '[{"id": 5, "data": {"image": "x.jpg"}, "annotations": [TWO]}]', "task 5: .* here mel, nv"),
        ("p.json", '[{"id": 5, "data": {"image": "x.jpg"}, "annotations": [NONE]}]', "task 5: .* here none"),
        ("p.json", '[{"id": 5, "data": {"image": "x.jpg"}, "annotations": [ONE]}]', "task 5: no image .* 'x.jpg'|'x'"),
        ("p.json", '[{"id": 5, "data": {}, "annotations": [ONE]}]', "task 5: the task has no image"),
        ("p.json", '[{"id": 5, "data": {"image": "x.jpg"}, "annotations": ["mel"]}]', "task 5: it has another form"),
        ("p.json", '[{"id": 5, "data": null, "annotations": [ONE]}]', "task 5: it has another form"),
        ("p.json", '[{"id": 5, "image": "x.jpg", "annotator": 1}]', "task 5: .* here none"),
        ("a.xml", "<annotations>", "export the task as CVAT for images again"),
        ("a.xml", "<annotation/>", "this is no export of CVAT"),
        (
            "a.xml",
            '<annotations><image id="3" name="x.jpg"><tag label="nv"/><tag label="mel"/></image></annotations>',
            "image 3: an image has one tag, here nv, mel",
        ),
    ],
)
def test_wrong_exports_are_explained(phantoms: Manifest, tmp_path: Path, name: str, text: str, message: str) -> None:
    for word, annotation in {"TWO": chosen("mel", "nv"), "NONE": chosen(), "ONE": chosen("mel")}.items():
        text = text.replace(word, json.dumps(annotation))
    (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=message):
        read_labels(tmp_path / name, phantoms, "Anna")
