"""The web page: static files of the package."""

import os
from importlib.resources import files
from pathlib import Path
from typing import Final

from fastapi import APIRouter, Request, Response
from starlette.exceptions import HTTPException
from starlette.staticfiles import StaticFiles

PAGE: Final = Path(str(files("lesionlab") / "web" / "page"))
_INDEX: Final = "index.html"
_METHODS: Final = ["GET", "HEAD"]


def page_routes(folder: Path = PAGE) -> APIRouter:
    """Return the routes of the page in `folder`: its index at the root, all its files under `/assets`."""
    routes = APIRouter(include_in_schema=False, default_response_class=Response)
    static = StaticFiles(directory=folder, check_dir=False)

    async def sent(path: str, request: Request) -> Response:
        response = await static.get_response(path, request.scope)
        # A browser revalidates its copy each time and gets 304 while it is current.
        response.headers["Cache-Control"] = "no-cache"
        return response

    @routes.api_route("/", methods=_METHODS)
    async def index(request: Request) -> Response:
        return await sent(_INDEX, request)

    @routes.api_route("/assets/{path:path}", methods=_METHODS)
    async def asset(path: str, request: Request) -> Response:
        return await sent(_normalised(path), request)

    return routes


def _normalised(path: str) -> str:
    if "\0" in path:
        raise HTTPException(404)
    return os.path.normpath(path)
