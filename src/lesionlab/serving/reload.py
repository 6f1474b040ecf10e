"""Replacement of the model while the server runs."""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable
from typing import Final

from fastapi import FastAPI
from starlette.types import Receive, Scope, Send

from lesionlab.errors import LesionlabError
from lesionlab.prediction import Predictor
from lesionlab.serving.app import app_of

_POLL_SECONDS: Final = 0.1
_WATCH_SECONDS: Final = 1.0
_log = logging.getLogger("lesionlab.serving.model")


class ReloadableApp:
    """The application of the present model; requests in progress are completed with the one that they began with."""

    def __init__(self, app: FastAPI, load: Callable[[], Predictor]) -> None:
        """Wrap an application; `load` returns the next model."""
        self._first = self._present = app
        self._load = load
        self._requests: Counter[FastAPI] = Counter()
        self._one_at_a_time = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        if scope["type"] == "lifespan":
            await self._first(scope, receive, send)
            return
        app = self._present
        self._requests[app] += 1
        try:
            await app(scope, receive, send)
        finally:
            self._requests[app] -= 1

    async def reload(self) -> None:
        """Load the model again and use it for further requests. An error is logged, and the present model stays."""
        async with self._one_at_a_time:
            service = self._first.state.service
            try:
                service = service.with_predictor(await asyncio.to_thread(self._load))
                await service.engine.start()
            except LesionlabError as error:
                _log.error("the model was not reloaded: %s", error)
                return
            previous, self._present = self._present, app_of(service)
            stopping = self._first.state.service.engine
            self._first.state.service = service
            _log.info("the model was reloaded: %s", service.predictor.info.identity)
            while self._requests[previous] or stopping.pending:  # noqa: ASYNC110 - rare, and the counter changes often
                await asyncio.sleep(_POLL_SECONDS)
            del self._requests[previous]
            await stopping.stop()

    async def watch(self, changed: Callable[[], bool]) -> None:
        """Load the model again whenever it has changed, until the task is cancelled."""
        while True:
            await asyncio.sleep(_WATCH_SECONDS)
            if changed():
                await self.reload()
