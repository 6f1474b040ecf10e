"""Is it alive, is it ready, what has it done."""

from typing import Literal

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4
from pydantic import BaseModel

from lesionlab.serving.problem import ProblemError
from lesionlab.serving.routes.described import problems
from lesionlab.serving.service import Service


class Alive(BaseModel):
    """The process lives."""

    status: Literal["ok"] = "ok"


class Ready(BaseModel):
    """The model answers."""

    status: Literal["ready"] = "ready"


def health_routes(service: Service) -> APIRouter:
    """Return the routes for whoever watches over the server."""
    routes = APIRouter(tags=["health"])

    @routes.get("/healthz", responses=problems(421))
    async def alive() -> Alive:
        """Answer while the process lives."""
        return Alive()

    @routes.get("/readyz", responses=problems(421, 503))
    async def ready() -> Ready:
        """Answer 200 while the model answers and the server is not stopping."""
        if not service.engine.alive or service.places.closed:
            raise ProblemError(503, "the model does not answer now", headers={"Retry-After": "1"})
        return Ready()

    @routes.get(
        "/metrics", response_class=Response, responses=problems(401, 421) | {200: {"content": {"text/plain": {}}}}
    )
    async def metrics() -> Response:
        """Tell Prometheus what was done."""
        return Response(service.metrics.text(), media_type=CONTENT_TYPE_PLAIN_0_0_4)

    return routes
