"""The ASGI application: middleware and routes."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final

from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import GZipMiddleware
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from lesionlab import RESEARCH_ONLY, __version__
from lesionlab.prediction import Predictor
from lesionlab.results import BatchItem, ModelName
from lesionlab.serving.items import predict_item
from lesionlab.serving.middleware import (
    AccessLog,
    AllowedHosts,
    ApiKey,
    CrossSite,
    RateLimit,
    RootPath,
    SecurityHeaders,
    ServerErrors,
)
from lesionlab.serving.parameters import SettingParameters
from lesionlab.serving.problem import add_problem_handlers
from lesionlab.serving.routes import (
    batch_routes,
    description_routes,
    health_routes,
    image_routes,
    job_routes,
    lesion_routes,
    model_routes,
    page_routes,
    redirect_to_page,
)
from lesionlab.serving.routes.openapi import complete_description
from lesionlab.serving.service import Service
from lesionlab.serving.settings import Settings

_MIN_COMPRESSED: Final = 1_000  # bytes
_COMPRESSION: Final = 5  # of 9; higher levels take longer and save little


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
        app.state.service.jobs.close()
        await app.state.service.engine.stop()  # the present one, see `reload`

    app = FastAPI(
        title="lesionlab",
        description=f"Classifies dermoscopic images of skin lesions. {RESEARCH_ONLY}",
        version=__version__,
        # The framework's pages load scripts from other hosts; see `description_routes` and `page_routes`.
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
        generate_unique_id_function=_operation_id,
        lifespan=lifespan,
        middleware=[
            *_proxies(settings),
            Middleware(RootPath, settings.root_path),
            Middleware(AccessLog, service.metrics),
            Middleware(SecurityHeaders),
            Middleware(GZipMiddleware, minimum_size=_MIN_COMPRESSED, compresslevel=_COMPRESSION),
            Middleware(AllowedHosts, settings.allowed_hosts),
            *_cross_origin(settings),
            Middleware(CrossSite, settings.cors_origins),
            Middleware(RateLimit, service.rate),
            Middleware(ApiKey, settings.api_key),
            Middleware(ServerErrors),
        ],
    )
    app.state.service = service

    async def predict(index: int, data: bytes, request_id: str, job: str, parameters: SettingParameters) -> BatchItem:
        return await predict_item(service, index, data, request_id, parameters, group=job)

    service.jobs.use(predict, ModelName.of(service.predictor.info))
    add_problem_handlers(app)
    for routes in (image_routes, batch_routes, lesion_routes, job_routes, model_routes, health_routes):
        app.include_router(routes(service))
    app.include_router(description_routes(app))
    app.include_router(page_routes())
    app.add_api_route("", redirect_to_page, include_in_schema=False)
    complete_description(app)
    return app


def _operation_id(route: APIRoute) -> str:
    return route.name


def _proxies(settings: Settings) -> list[Middleware]:
    if not settings.trusted_proxies:
        return []
    return [Middleware(ProxyHeadersMiddleware, trusted_hosts=list(settings.trusted_proxies))]


def _cross_origin(settings: Settings) -> list[Middleware]:
    if not settings.cors_origins:
        return []
    return [
        Middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=["GET", "HEAD", "POST", "DELETE"],
            allow_headers=["Authorization", "Content-Type", "traceparent", "X-API-Key", "X-Request-ID"],
            expose_headers=["ETag", "Location", "RateLimit", "RateLimit-Policy", "Retry-After", "X-Request-ID"],
        )
    ]
