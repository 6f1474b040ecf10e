"""Health checks and metrics."""

from typing import Literal

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4

from lesionlab.base_models import FrozenModel
from lesionlab.serving.problem import ProblemError
from lesionlab.serving.routes.openapi import problems
from lesionlab.serving.service import Service


class Alive(FrozenModel):
    """The process is running."""

    status: Literal["ok"] = "ok"


class Ready(FrozenModel):
    """The model is ready."""

    status: Literal["ready"] = "ready"


def health_routes(service: Service) -> APIRouter:
    """Return the routes for monitoring."""
    routes = APIRouter(tags=["health"])

    @routes.head("/healthz", include_in_schema=False)
    @routes.get("/healthz", responses=problems(421))
    async def alive() -> Alive:
        """Return 200 while the process is running."""
        return Alive()

    @routes.head("/readyz", include_in_schema=False)
    @routes.get("/readyz", responses=problems(421, 503))
    async def ready() -> Ready:
        """Return 200 while the model is ready and the server is not stopping."""
        if not service.engine.running or service.concurrency.closed:
            raise ProblemError(503, "the model is not ready", headers={"Retry-After": "1"})
        return Ready()

    @routes.head("/metrics", include_in_schema=False)
    @routes.get(
        "/metrics", response_class=Response, responses=problems(401, 421) | {200: {"content": {"text/plain": {}}}}
    )
    async def metrics() -> Response:
        """Return the metrics in Prometheus' text format."""
        return Response(service.metrics.text(), media_type=CONTENT_TYPE_PLAIN_0_0_4)

    return routes
