"""The web page, and the page of the API: static files of the package."""

import os
from importlib.resources import files
from pathlib import Path
from typing import Final

from fastapi import Request, Response
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse
from starlette.staticfiles import StaticFiles

from lesionlab.serving.routes.router import Router

_WEB: Final = Path(str(files("lesionlab") / "web"))
PAGE: Final = _WEB / "page"
_API_PAGE: Final = _WEB / "api_page"
_INDEX: Final = "index.html"


def page_routes(folder: Path = PAGE) -> Router:
    """Return the routes of the page in `folder`, with its files under `/assets`, and of the page of the API."""
    routes = Router(include_in_schema=False, default_response_class=Response)
    _add_files(routes, folder, "/", "/assets")
    _add_files(routes, _API_PAGE, "/docs", "/docs")
    return routes


async def redirect_to_page(request: Request) -> Response:
    """Redirect from the path prefix of a proxy without its slash, with which relative addresses would be wrong."""
    return RedirectResponse(f"{request.scope['root_path']}/")


def _add_files(routes: Router, folder: Path, index_path: str, below: str) -> None:
    static = StaticFiles(directory=folder, check_dir=False)

    async def sent(path: str, request: Request) -> Response:
        response = await static.get_response(path, request.scope)
        # A browser revalidates its copy each time and gets 304 while it is current.
        response.headers["Cache-Control"] = "no-cache"
        return response

    @routes.get(index_path)
    async def index(request: Request) -> Response:
        return await sent(_INDEX, request)

    @routes.get(f"{below}/{{path:path}}")
    async def asset(path: str, request: Request) -> Response:
        return await sent(_normalised(path), request)


def _normalised(path: str) -> str:
    if "\0" in path:
        raise HTTPException(404)
    return os.path.normpath(path)
