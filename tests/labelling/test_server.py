"""The page's server: blinding, undo, adjudication, repeated and foreign requests."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from lesionlab.bundle import Bundle
from lesionlab.data import Manifest
from lesionlab.labelling.lesions import LesionSet
from lesionlab.labelling.queue import Queue, open_labelling
from lesionlab.labelling.server import LabelService, create_label_app
from lesionlab.labelling.store import LabelStore, LesionStatus

Post = Callable[..., Any]


@pytest.fixture(scope="module")
def lesions(phantoms: Manifest, tiny_whole_bundle: Path) -> LesionSet:
    return LesionSet.of(phantoms, Bundle.load(tiny_whole_bundle))


@pytest.fixture
def service(lesions: LesionSet) -> Iterator[LabelService]:
    with LabelStore("sqlite://") as store:
        open_labelling(store, lesions.manifest, 2)
        yield LabelService(Queue(lesions, store, "hybrid", 10))


@pytest.fixture
def client(service: LabelService) -> Iterator[TestClient]:
    with TestClient(create_label_app(service), base_url="http://127.0.0.1:8010") as opened:
        yield opened


@pytest.fixture
def post(client: TestClient) -> Post:
    count = iter(range(1000))

    def send(reader: str, lesion: str = "", **values: object) -> Any:
        values = {"id": f"id{next(count)}", "kind": "answered", "reader": reader, "lesion": lesion, **values}
        return client.post("/api/events", json=values)

    return send


def next_of(client: TestClient, reader: str) -> Any:
    return client.get("/api/next", params={"reader": reader}).json()


def test_two_blinded_readers_and_an_adjudication(client: TestClient, post: Post, service: LabelService) -> None:
    first = next_of(client, "Anna")["view"]
    assert first["prediction"] is None
    answered = post("Anna", first["lesion"], diagnosis="mel", seconds=2.5)
    assert answered.status_code == 200
    assert answered.json()["prediction"][0].keys() == {"name", "probability"}
    second = client.get("/api/next", params={"reader": "Bert"})
    assert second.json()["view"]["lesion"] == first["lesion"]
    assert second.json()["view"]["prediction"] is None
    assert "Melanoma" not in second.text
    assert client.get("/api/adjudication", params={"reader": "Cora"}).json()["view"] is None
    assert post("Bert", first["lesion"], diagnosis="nv").status_code == 200
    waiting = client.get("/api/adjudication", params={"reader": "Cora"}).json()
    assert waiting["view"]["answers"] == ["Melanocytic nevus", "Melanoma"]
    assert "Anna" not in str(waiting)
    assert post("Cora", first["lesion"], kind="adjudicated", diagnosis="mel").status_code == 200
    state = service.queue.store.state()
    assert state.status(first["lesion"]) is LesionStatus.ADJUDICATED
    assert [r.answer.seconds for r in state.readings(first["lesion"])] == [2.5, None]
    assert next_of(client, "Anna")["progress"] == {"read": 1, "lesions": len(service.queue.lesions.ids), "done": 1, "disagreed": 0}  # fmt: skip # noqa: E501


def test_undo_shows_the_lesion_again_and_remembers_the_seen_result(
    client: TestClient, post: Post, service: LabelService
) -> None:
    lesion = next_of(client, "Anna")["view"]["lesion"]
    post("Anna", lesion, answer="cannot tell")
    after = next_of(client, "Anna")
    assert after["view"]["lesion"] != lesion
    assert after["last"]["answer"] == "cannot tell"
    assert post("Anna", kind="undone", event=after["last"]["event"]).status_code == 200
    again = next_of(client, "Anna")["view"]
    assert again["lesion"] == lesion
    assert again["prediction"] is not None
    post("Anna", lesion, diagnosis="nv")
    (reading,) = service.queue.store.state().readings(lesion)
    assert reading.answer.prediction_shown


def test_a_repeated_request_is_stored_once(client: TestClient, post: Post, service: LabelService) -> None:
    lesion = next_of(client, "Anna")["view"]["lesion"]
    for _ in range(3):
        assert post("Anna", lesion, id="same", diagnosis="nv").json()["stored"] == "same"
    other = post("Anna", lesion, id="same", diagnosis="mel")
    assert (other.status_code, "another content" in other.json()["detail"]) == (422, True)
    assert len(service.queue.store.state().readings(lesion)) == 1
    assert post("Anna", lesion, kind="noted", text="hair").status_code == 200
    assert service.queue.store.state().note(lesion, "Anna") == "hair"


@pytest.mark.parametrize(
    ("values", "status"),
    [
        ({"lesion": "none", "diagnosis": "nv"}, 422),
        ({"diagnosis": "flea"}, 422),
        ({}, 422),
        ({"diagnosis": "nv", "colour": "red"}, 422),
        ({"answer": "skip", "kind": "adjudicated"}, 422),
        ({"kind": "undone", "event": "none"}, 422),
        ({"text": "x" * 100_000, "kind": "noted"}, 413),
    ],
)
def test_wrong_requests_change_nothing(
    client: TestClient, post: Post, service: LabelService, values: dict[str, object], status: int
) -> None:
    lesion = next_of(client, "Anna")["view"]["lesion"]
    before = len(service.queue.store.state().events)
    done = post("Anna", **{"lesion": lesion, **values})
    assert (done.status_code, done.json()["status"]) == (status, status)
    assert len(service.queue.store.state().events) == before


def test_other_sites_and_hosts_are_rejected(client: TestClient) -> None:
    body = {"id": "x", "kind": "noted", "reader": "Anna", "lesion": "L", "text": ""}
    assert client.post("/api/events", json=body, headers={"Origin": "https://evil.example"}).status_code == 403
    assert client.post("/api/events", json=body, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
    assert client.get("/api/session", headers={"Host": "evil.example"}).status_code == 421
    assert client.get("/api/next", params={"reader": "a\nb"}).status_code == 422
    assert client.post("/api/events", content=b"no JSON").status_code == 422


def test_page_and_images(client: TestClient, service: LabelService) -> None:
    index = client.get("/")
    assert "assets/label/main.js?v=" in index.text
    assert "frame-ancestors 'none'" in index.headers["content-security-policy"]
    for path in ("label/main.js", "page.css", "vendor/htm-preact.js", "icon.svg"):
        assert client.get(f"/assets/{path}").status_code == 200
    assert client.get("/assets/../server.py").status_code == 404
    record = service.queue.lesions.manifest.records[0]
    image = client.get("/api/image", params={"name": record.image_id})
    assert image.headers["content-type"] in ("image/jpeg", "image/png")
    assert image.content == Path(service.queue.lesions.manifest.location(record)).read_bytes()
    assert client.get("/api/image", params={"name": "../x"}).status_code == 404
    session = client.get("/api/session").json()
    assert "not a diagnosis" in session["notice"]
    assert len(session["diagnoses"]) == 7


def test_outline_of_an_image(
    client: TestClient, service: LabelService, tiny_segmentation: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LESIONLAB_SEGMENTATION", str(tiny_segmentation))
    name = next(iter(service.queue.lesions.record_of))
    outline = client.get("/api/outline", params={"name": name}).json()["outline"]
    assert len(outline) > 8
    assert all(0 <= x <= 1 and 0 <= y <= 1 for x, y in outline)
    assert client.get("/api/outline", params={"name": "none"}).json() == {"outline": None}


def test_similar_labelled_lesions_are_shown_after_the_answer(
    client: TestClient, post: Post, service: LabelService
) -> None:
    lesions = service.queue.lesions
    named, other, own = lesions.ids[:3]
    for reader in ("Anna", "Bert"):
        post(reader, named, diagnosis="mel")
        post(reader, other, answer="cannot tell")
    assert next_of(client, "Cora")["view"]["nearest"] == []
    post("Cora", own, diagnosis="nv")
    (nearest,) = next_of(client, "Cora")["last"]["nearest"]
    assert nearest["name"] == "Melanoma"
    assert nearest["image"] == lesions.images[named][0].image_id
    assert -1 <= nearest["similarity"] <= 1
    found = lesions.nearest_labelled(service.queue.store.state(), named, 5)
    assert found == []  # not the lesion itself


def test_prediction_can_be_shown(client: TestClient, service: LabelService) -> None:
    shown = LabelService(service.queue, show_prediction=True)
    with TestClient(create_label_app(shown), base_url="http://localhost") as opened:
        view = next_of(opened, "Anna")["view"]
        assert sum(one["probability"] for one in view["prediction"]) == pytest.approx(1, abs=0.01)
        event = {"id": "x", "kind": "answered", "reader": "Anna", "lesion": view["lesion"], "diagnosis": "nv"}
        opened.post("/api/events", json=event)
    assert service.queue.store.state().readings(view["lesion"])[0].answer.prediction_shown
