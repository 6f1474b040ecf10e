"""The ASGI application: middleware and routes."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from starlette.middleware import Middleware

from lesionlab import RESEARCH_ONLY, __version__
from lesionlab.prediction import Predictor
from lesionlab.serving.middleware import (
    AccessLog,
    AllowedHosts,
    ApiKey,
    CrossSite,
    RateLimit,
    SecurityHeaders,
    ServerErrors,
)
from lesionlab.serving.problem import add_problem_handlers
from lesionlab.serving.routes import batch_routes, health_routes, image_routes, model_routes, page_routes
from lesionlab.serving.service import Service
from lesionlab.serving.settings import Settings


def create_app(predictor: Predictor, settings: Settings | None = None) -> FastAPI:
    """Return the server of a model as an ASGI application; its `state.service` holds the components of the server."""
    return app_of(Service.create(predictor, settings or Settings()))


def app_of(service: Service) -> FastAPI:
    """Return the application of the components of a server."""
    settings = service.settings

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
        await service.engine.start()
        yield
        await app.state.service.engine.stop()  # the present one, see `reload`

    app = FastAPI(
        title="lesionlab",
        description=f"Classifies dermoscopic images of skin lesions. {RESEARCH_ONLY}",
        version=__version__,
        # These pages load scripts from other hosts.
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=lifespan,
        middleware=[
            Middleware(AccessLog, service.metrics),
            Middleware(SecurityHeaders),
            Middleware(AllowedHosts, settings.allowed_hosts),
            Middleware(CrossSite),
            Middleware(RateLimit, service.rate),
            Middleware(ApiKey, settings.api_key),
            Middleware(ServerErrors),
        ],
    )
    app.state.service = service
    add_problem_handlers(app)
    for routes in (image_routes, batch_routes, model_routes, health_routes):
        app.include_router(routes(service))
    app.include_router(page_routes())
    return app
