"""The labelling page's server: the next lesion of a reader, the answers, adjudication, and the page's files.

It listens on this machine alone. Readers are blinded: no response names another reader's answer, answers without names
are shown for adjudication only, and the model's result and similar lesions once the reader has answered, unless
`show_prediction` is set.
"""

import io
import mimetypes
import signal
import socket
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, Final, Literal

import uvicorn
from fastapi import APIRouter, FastAPI, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import Field, ValidationError
from starlette.middleware import Middleware

from lesionlab import RESEARCH_ONLY, __version__
from lesionlab.base_models import StrictModel
from lesionlab.errors import LesionlabError, UsageError
from lesionlab.images import load_image, read_image_bytes
from lesionlab.labelling.queue import Queue
from lesionlab.labelling.store import Answer, AnswerKind, Event, EventKind, LesionStatus, State
from lesionlab.labelling.store.events import MAX_NOTE, ReaderName
from lesionlab.labelling.strategies import describe
from lesionlab.results import ProblemType
from lesionlab.results.explanation import Outline
from lesionlab.segmentation import Segmenter, lesion_outline
from lesionlab.serving.middleware import AllowedHosts, CrossSite, SecurityHeaders, ServerErrors
from lesionlab.serving.problem import ProblemError, add_problem_handlers
from lesionlab.serving.settings import LOOPBACK_NAMES
from lesionlab.taxonomy import label_name
from lesionlab.web.bundle import PAGE, page_files

_MAX_BODY: Final = 64_000
_NEAREST: Final = 5
_ENTRY, _INDEX = "label/main.js", "label/index.html"
_STATIC: Final = ("vendor/htm-preact.js", "icon.svg")
# Formats that browsers show; others are sent as PNG.
_SHOWN: Final = {b"\xff\xd8\xff": "image/jpeg", b"\x89PNG": "image/png"}

Reader = Annotated[ReaderName, Query(description="Name of the reader.")]


class Posted(StrictModel):
    """What a reader does. The id is made by the page: a repeated request changes nothing."""

    id: str = Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")
    kind: Literal["answered", "adjudicated", "undone", "noted"]
    reader: ReaderName
    lesion: str = Field(default="", max_length=255)
    answer: AnswerKind | None = None
    diagnosis: str | None = None
    seconds: float | None = Field(default=None, ge=0, le=86_400)
    event: str = Field(default="", max_length=64, description="The event to undo.")
    text: str = Field(default="", max_length=MAX_NOTE)


@dataclass(frozen=True)
class LabelService:
    """Responses of the server.

    Attributes:
        queue: The queue of lesions.
        show_prediction: Whether readers see the model's result before they answer.
    """

    queue: Queue
    show_prediction: bool = False

    def session(self) -> dict[str, Any]:
        """Return what the page shows throughout."""
        lesions = self.queue.lesions
        return {
            "version": __version__,
            "notice": RESEARCH_ONLY,
            "dataset": lesions.manifest.root.resolve().name,
            "model": lesions.model,
            "strategy": self.queue.strategy,
            "description": describe(self.queue.strategy),
            "readings": self.queue.store.state().wanted,
            "show_prediction": self.show_prediction,
            "diagnoses": [{"code": code, "name": lesions.task.name_of(code)} for code in lesions.task.classes],
        }

    def next(self, reader: str) -> dict[str, Any]:
        """Return the next lesion of a reader, None at the end, with the reader's progress."""
        lesion = self.queue.next(reader)
        with self.queue.store.reading() as state:
            status = Counter(state.statuses.values())
            progress = {
                "read": state.read[reader],
                "lesions": len(self.queue.lesions.ids),
                "done": status[LesionStatus.AGREED] + status[LesionStatus.ADJUDICATED],
                "disagreed": status[LesionStatus.DISAGREED],
            }
            last = state.last_of(reader)
            return {
                "view": None if lesion is None else self._view(state, lesion, reader),
                "progress": progress,
                "last": None if last is None else self._last(last, reader, state),
            }

    def adjudication(self, reader: str) -> dict[str, Any]:
        """Return a lesion on which readers disagree, None without one, and its answers without names."""
        with self.queue.store.reading() as state:
            waiting = [
                name
                for name, status in state.statuses.items()
                if status is LesionStatus.DISAGREED and name in self.queue.lesions.images
            ]
            if not waiting:
                return {"view": None, "waiting": 0}
            values = sorted(_in_words(one.answer) for one in state.readings(waiting[0]))
            view = self._view(state, waiting[0], reader) | {"answers": values}
            return {"view": view, "waiting": len(waiting)}

    def post(self, posted: Posted) -> dict[str, Any]:
        """Store what a reader does, once.

        Raises:
            UsageError: It cannot follow what was stored before, or another event has the same id.
        """
        if posted.lesion and posted.lesion not in self.queue.lesions.images:
            raise UsageError(f"there is no lesion {posted.lesion}")
        state = self.queue.store.state()
        stored = state.events.get(posted.id)
        event = self._event(posted, state, stored)
        state = self.queue.store.append(event)
        shown = event.kind is EventKind.ANSWERED
        return {"stored": event.id, "prediction": self._prediction(event.lesion) if shown else None}

    def image(self, name: str) -> tuple[bytes, str] | None:
        """Return an image of the dataset as a browser shows it, with its media type; None for an unknown one."""
        lesions = self.queue.lesions
        record = lesions.record_of.get(name)
        if record is None:
            return None
        location = lesions.manifest.location(record)
        data = read_image_bytes(location)
        for start, kind in _SHOWN.items():
            if data.startswith(start):
                return data, kind
        stream = io.BytesIO()
        load_image(location).image.save(stream, "PNG")
        return stream.getvalue(), "image/png"

    def outline(self, name: str) -> Outline | None:
        """Return the outline of the lesion in an image; None for an unknown image, or where no lesion is found.

        Raises:
            LesionlabError: The image or the segmentation model of the package cannot be read.
        """
        record = self.queue.lesions.record_of.get(name)
        if record is None:
            return None
        (probability,) = self._segmenter.segment([self.queue.lesions.manifest.location(record)])
        return lesion_outline(probability, threshold=self._segmenter.info.threshold)

    @cached_property
    def _segmenter(self) -> Segmenter:
        return Segmenter.load()

    def _view(self, state: State, lesion: str, reader: str) -> dict[str, Any]:
        images = self.queue.lesions.images[lesion]
        may_see = self.show_prediction or state.has_answered(lesion, reader)
        return {
            "lesion": lesion,
            "images": [{"name": one.image_id, "type": one.image_type} for one in images],
            "note": state.note(lesion, reader),
            **self._hidden(state, lesion, visible=may_see),
        }

    def _last(self, event: Event, reader: str, state: State) -> dict[str, Any]:
        shown = state.has_answered(event.lesion, reader)
        return {
            "event": event.id,
            "lesion": event.lesion,
            "answer": _in_words(event.answer),
            **self._hidden(state, event.lesion, visible=shown),
        }

    def _hidden(self, state: State, lesion: str, *, visible: bool) -> dict[str, Any]:
        """Return what would influence a reader: the model's result, and similar lesions with a final diagnosis."""
        if not visible:
            return {"prediction": None, "nearest": []}
        lesions = self.queue.lesions
        nearest = [
            {"image": lesions.images[other][0].image_id, "name": label_name(diagnosis), "similarity": round(value, 2)}
            for other, diagnosis, value in lesions.nearest_labelled(state, lesion, _NEAREST)
        ]
        return {"prediction": self._prediction(lesion), "nearest": nearest}

    def _prediction(self, lesion: str) -> list[dict[str, Any]]:
        lesions = self.queue.lesions
        shares = lesions.probabilities[lesions.row_of[lesion]]
        order = shares.argsort()[::-1]
        return [{"name": lesions.task.names[code], "probability": round(float(shares[code]), 4)} for code in order]

    def _event(self, posted: Posted, state: State, stored: Event | None) -> Event:
        if posted.kind == "undone":
            content: dict[str, Any] = {"event": posted.event}
        elif posted.kind == "noted":
            content = {"text": posted.text}
        else:
            # Of a repeated request: the reader has seen the result after the first one.
            shown = self.show_prediction or state.has_answered(posted.lesion, posted.reader)
            if stored is not None and stored.kind == posted.kind:
                shown = stored.answer.prediction_shown
            answer = Answer(
                kind=posted.answer or AnswerKind.DIAGNOSIS,
                diagnosis=posted.diagnosis,
                seconds=posted.seconds,
                prediction_shown=shown,
            )
            content = answer.model_dump(mode="json")
        return Event(
            id=posted.id, kind=EventKind(posted.kind), reader=posted.reader, lesion=posted.lesion, content=content
        )


def create_label_app(service: LabelService) -> FastAPI:
    """Return the server as an ASGI application."""
    app = FastAPI(
        title="lesionlab label",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        middleware=[
            Middleware(SecurityHeaders),
            Middleware(AllowedHosts, LOOPBACK_NAMES),
            Middleware(CrossSite),
            Middleware(ServerErrors),
        ],
    )
    add_problem_handlers(app)

    async def unusable(_request: Request, error: Exception) -> Response:
        kind = ProblemType.INVALID_FIELDS if isinstance(error, UsageError) else ProblemType.INTERNAL_ERROR
        return ProblemError(kind, str(error)).response("")

    app.add_exception_handler(LesionlabError, unusable)
    app.include_router(_api(service))
    app.include_router(_images(service))
    app.include_router(_page())
    return app


def run_label_server(app: FastAPI, bound: socket.socket, announce: Callable[[], None]) -> None:
    """Serve until SIGTERM or SIGINT, then complete the requests in progress.

    Args:
        app: The application.
        bound: Its socket.
        announce: Called once the server listens.
    """

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            if self.started:
                announce()

    for number in (signal.SIGTERM, signal.SIGINT):
        # uvicorn handles the signals while it runs, and raises them again after its shutdown.
        signal.signal(number, lambda *_: sys.exit(0))
    options: dict[str, Any] = {"ws": "none", "log_config": None, "access_log": False, "timeout_graceful_shutdown": 4}
    Server(uvicorn.Config(app, proxy_headers=False, server_header=False, **options)).run([bound])


def _api(service: LabelService) -> APIRouter:
    routes = APIRouter(prefix="/api")

    @routes.get("/session")
    def session() -> dict[str, Any]:
        return service.session()

    @routes.get("/next")
    def following(reader: Reader) -> dict[str, Any]:
        return service.next(reader)

    @routes.get("/adjudication")
    def adjudication(reader: Reader) -> dict[str, Any]:
        return service.adjudication(reader)

    @routes.post("/events")
    async def events(request: Request) -> dict[str, Any]:
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > _MAX_BODY:
                raise ProblemError(ProblemType.TOO_LARGE, f"the request has more than {_MAX_BODY:,} bytes")
        try:
            posted = Posted.model_validate_json(bytes(body))
            return await run_in_threadpool(service.post, posted)
        except ValidationError as error:
            faults = (f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors())
            detail = "; ".join(fault.removeprefix(": ") for fault in faults)
            raise ProblemError(ProblemType.INVALID_FIELDS, detail) from error

    return routes


def _images(service: LabelService) -> APIRouter:
    routes = APIRouter(prefix="/api")

    @routes.get("/image")
    def image(name: str) -> Response:
        found = service.image(name)
        if found is None:
            raise ProblemError(ProblemType.NOT_FOUND, f"there is no image {name}")
        return Response(found[0], media_type=found[1], headers={"Cache-Control": "private, max-age=3600"})

    @routes.get("/outline")
    def outline(name: str) -> dict[str, Any]:
        return {"outline": service.outline(name)}

    return routes


def _page() -> APIRouter:
    routes = APIRouter(default_response_class=Response)

    @routes.get("/")
    def index() -> Response:
        return _file("index.html")

    @routes.get("/assets/{path:path}")
    def asset(path: str) -> Response:
        return _file(path)

    return routes


def _file(path: str) -> Response:
    content = page_files((_ENTRY,), _INDEX).get(path)
    if content is None and path in _STATIC:
        content = (PAGE / path).read_bytes()
    if content is None:
        raise ProblemError(ProblemType.NOT_FOUND, "there is nothing at this path")
    return Response(content, media_type=mimetypes.guess_type(path)[0], headers={"Cache-Control": "no-cache"})


def _in_words(answer: Answer) -> str:
    return str(answer.kind) if answer.diagnosis is None else label_name(answer.diagnosis)
