"""What the routes share: one model, its engine, its limits and its counters."""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

from starlette.requests import ClientDisconnect, Request

from lesionlab.prediction import Predictor
from lesionlab.serving.concurrency import ConcurrencyLimit
from lesionlab.serving.engine import Engine
from lesionlab.serving.metrics import Metrics
from lesionlab.serving.settings import Settings

Value = TypeVar("Value")


@dataclass(frozen=True)
class Service:
    """The parts of one server."""

    predictor: Predictor
    settings: Settings
    places: ConcurrencyLimit
    metrics: Metrics
    engine: Engine

    @classmethod
    def make(cls, predictor: Predictor, settings: Settings) -> "Service":
        """Put the parts together."""
        places = ConcurrencyLimit(settings.queue, settings.max_bytes_in_house)
        metrics = Metrics(lambda: places.images)
        return cls(predictor, settings, places, metrics, Engine(predictor, settings.max_pixels, metrics))


async def while_connected(request: Request, answer: Coroutine[Any, Any, Value]) -> Value:
    """Return the answer, or cancel it once the client has left: nobody else would notice before it is written.

    The body of the request must have been read.

    Raises:
        ClientDisconnect: The client left.
    """
    answering = asyncio.create_task(answer)
    leaving = asyncio.create_task(_left(request))
    try:
        await asyncio.wait((answering, leaving), return_when=asyncio.FIRST_COMPLETED)
        if not answering.done():
            raise ClientDisconnect
        return answering.result()
    finally:
        answering.cancel()
        leaving.cancel()


async def _left(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
