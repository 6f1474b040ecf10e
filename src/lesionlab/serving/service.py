"""The components that the routes share."""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from starlette.requests import ClientDisconnect, Request

from lesionlab.prediction import Predictor
from lesionlab.results import ProblemType
from lesionlab.serving.concurrency import ConcurrencyLimit
from lesionlab.serving.engine import Engine
from lesionlab.serving.jobs import Jobs
from lesionlab.serving.metrics import Metrics
from lesionlab.serving.problem import ProblemError
from lesionlab.serving.rates import ClientRate
from lesionlab.serving.settings import Settings

Value = TypeVar("Value")


@dataclass(frozen=True)
class Service:
    """The components of one server."""

    predictor: Predictor
    settings: Settings
    concurrency: ConcurrencyLimit
    rate: ClientRate | None
    metrics: Metrics
    engine: Engine
    jobs: Jobs

    @classmethod
    def create(cls, predictor: Predictor, settings: Settings) -> "Service":
        """Make the components."""
        concurrency = ConcurrencyLimit(settings.queue, settings.max_queued_bytes)
        rate = ClientRate(settings.rate) if settings.rate else None
        metrics = Metrics(concurrency)
        engine = Engine(predictor, settings.max_pixels, metrics)
        return cls(predictor, settings, concurrency, rate, metrics, engine, Jobs(settings))

    def with_predictor(self, predictor: Predictor) -> "Service":
        """Return the components with another model, and the same limits, metrics and jobs."""
        return replace(self, predictor=predictor, engine=Engine(predictor, self.settings.max_pixels, self.metrics))

    def count_images(self, client: str, count: int) -> None:
        """Count images of a client towards its rate.

        Raises:
            ProblemError: 429, they are above the rate.
        """
        if self.rate is None or count <= 0 or self.rate.hit(client, count):
            return
        if count >= self.rate.item.amount:
            raise ProblemError(
                ProblemType.RATE_LIMITED, f"more images than {self.rate.rate} permits; send fewer per request"
            )
        raise self.rate.problem(client, "images")


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
