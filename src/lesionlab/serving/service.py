"""The components that the routes share."""

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
    """The components of one server."""

    predictor: Predictor
    settings: Settings
    concurrency: ConcurrencyLimit
    metrics: Metrics
    engine: Engine

    @classmethod
    def create(cls, predictor: Predictor, settings: Settings) -> "Service":
        """Make the components."""
        concurrency = ConcurrencyLimit(settings.queue, settings.max_queued_bytes)
        metrics = Metrics(lambda: concurrency.images)
        return cls(predictor, settings, concurrency, metrics, Engine(predictor, settings.max_pixels, metrics))


async def while_connected(request: Request, work: Coroutine[Any, Any, Value]) -> Value:
    """Return the result of a coroutine, or cancel it once the client has disconnected.

    Starlette would notice the disconnect only when it writes the response.

    The body of the request must have been read.

    Raises:
        ClientDisconnect: The client disconnected.
    """
    working = asyncio.create_task(work)
    disconnect = asyncio.create_task(_disconnected(request))
    try:
        await asyncio.wait((working, disconnect), return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise ClientDisconnect
        return working.result()
    finally:
        working.cancel()
        disconnect.cancel()


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
