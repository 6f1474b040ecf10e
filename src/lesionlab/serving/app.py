"""The application: what every request passes, and the addresses behind it."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from starlette.middleware import Middleware

from lesionlab import RESEARCH_ONLY, __version__
from lesionlab.prediction import Predictor
from lesionlab.serving import middleware as passing
from lesionlab.serving.problem import use_problems
from lesionlab.serving.routes import batch_routes, health_routes, image_routes, model_routes, page_routes
from lesionlab.serving.service import Service
from lesionlab.serving.settings import Settings


def create_app(predictor: Predictor, settings: Settings | None = None) -> FastAPI:
    """Return the server of a model as an ASGI application.

    Its `state.service` holds the parts, for whoever runs it.

    Args:
        predictor: The model.
        settings: Limits, key and names; default: `Settings()`.
    """
    settings = settings or Settings()
    service = Service.make(predictor, settings)

    @asynccontextmanager
    async def living(_app: FastAPI) -> AsyncGenerator[None]:
        await service.engine.start()
        yield
        await service.engine.stop()

    app = FastAPI(
        title="lesionlab",
        description=f"Classifies dermoscopic images of skin lesions. {RESEARCH_ONLY}",
        version=__version__,
        # Their pages load scripts from other hosts.
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=living,
        middleware=[
            Middleware(passing.Observed, service.metrics),
            Middleware(passing.StrictHeaders),
            Middleware(passing.KnownHost, settings.allowed_hosts),
            Middleware(passing.WithinRate, settings.rate),
            Middleware(passing.HasKey, settings.api_key),
            Middleware(passing.Faults),
        ],
    )
    app.state.service = service
    use_problems(app)
    for routes in (image_routes, batch_routes, model_routes, health_routes):
        app.include_router(routes(service))
    app.include_router(page_routes())
    return app
