"""Health checks and metrics."""

from typing import Literal

from fastapi import Response
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4

from lesionlab.base_models import FrozenModel
from lesionlab.results import ProblemType
from lesionlab.serving.problem import ProblemError
from lesionlab.serving.routes.openapi import KEY, KEY_PROBLEMS, PUBLIC_PROBLEMS, problems
from lesionlab.serving.routes.router import Router
from lesionlab.serving.service import Service


class Alive(FrozenModel):
    """The process is running."""

    status: Literal["ok"] = "ok"


class Ready(FrozenModel):
    """The model is ready."""

    status: Literal["ready"] = "ready"


def health_routes(service: Service) -> Router:
    """Return the routes for monitoring."""
    routes = Router(tags=["health"])

    @routes.get("/healthz", responses=problems(*PUBLIC_PROBLEMS))
    async def alive() -> Alive:
        """Return 200 while the process is running."""
        return Alive()

    @routes.get("/readyz", responses=problems(*PUBLIC_PROBLEMS, ProblemType.NOT_READY))
    async def ready() -> Ready:
        """Return 200 while the model is ready and the server is not stopping."""
        if not service.engine.running or service.concurrency.closed:
            raise ProblemError(ProblemType.NOT_READY, "the model is not ready", headers={"Retry-After": "1"})
        return Ready()

    @routes.get(
        "/metrics",
        response_class=Response,
        responses=problems(*KEY_PROBLEMS) | {200: {"content": {"text/plain": {}}}},
        dependencies=KEY,
    )
    async def metrics() -> Response:
        """Return the metrics in Prometheus' text format."""
        return Response(service.metrics.text(), media_type=CONTENT_TYPE_PLAIN_0_0_4)

    return routes
