"""The web page, its modules and styles joined, and the page of the API: files of the package."""

import hashlib
import mimetypes
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from fastapi import Request, Response
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse
from starlette.staticfiles import StaticFiles

from lesionlab.serving.routes.router import Router
from lesionlab.web.bundle import PAGE, page_files

_API_PAGE: Final = PAGE.parent / "api_page"
_INDEX: Final = "index.html"
_ENTRIES: Final = ("server/main.js", "copy/worker.js")


def page_routes(folder: Path = PAGE) -> Router:
    """Return the routes of the page in `folder`, with its files under `/assets`, and of the page of the API."""
    routes = Router(include_in_schema=False, default_response_class=Response)
    _add_files(routes, folder, "/", "/assets", _joined_files)
    _add_files(routes, _API_PAGE, "/docs", "/docs", dict)
    return routes


async def redirect_to_page(request: Request) -> Response:
    """Redirect from the path prefix of a proxy without its slash, with which relative addresses would be wrong."""
    return RedirectResponse(f"{request.scope['root_path']}/")


def _joined_files() -> Mapping[str, bytes]:
    return page_files(_ENTRIES, _INDEX)


def _add_files(
    routes: Router, folder: Path, index_path: str, below: str, contents: Callable[[], Mapping[str, bytes]]
) -> None:
    """Add routes of the files in a folder, in place of which `contents` has some by path."""
    static = StaticFiles(directory=folder, check_dir=False)

    async def sent(path: str, request: Request) -> Response:
        content = contents().get(path)
        if content is None:
            response = await static.get_response(path, request.scope)
        else:
            response = _response(path, content, request)
        # The address of a joined file changes with its content. A browser revalidates its copy of another file each
        # time, and gets 304 while it is current.
        response.headers["Cache-Control"] = "max-age=31536000, immutable" if "v" in request.query_params else "no-cache"
        return response

    @routes.get(index_path)
    async def index(request: Request) -> Response:
        return await sent(_INDEX, request)

    @routes.get(f"{below}/{{path:path}}")
    async def asset(path: str, request: Request) -> Response:
        return await sent(_normalised(path), request)


def _response(path: str, content: bytes, request: Request) -> Response:
    etag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    if etag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers={"ETag": etag})
    return Response(content, media_type=mimetypes.guess_type(path)[0], headers={"ETag": etag})


def _normalised(path: str) -> str:
    if "\0" in path:
        raise HTTPException(404)
    return os.path.normpath(path)
