"""The page: files of the package, sent as they are."""

from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from starlette.responses import FileResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from lesionlab.serving.problem import ProblemError

PAGE: Final = Path(str(files("lesionlab") / "page"))
_INDEX: Final = "index.html"
# They may be kept, and are asked for again each time: the answer is 304 while they are the same.
_KEPT: Final = {"Cache-Control": "no-cache"}


def page_routes(folder: Path = PAGE) -> list[BaseRoute]:
    """Return the routes of the page in `folder`."""

    async def index(_request: Any) -> Response:
        if not (folder / _INDEX).is_file():
            raise ProblemError(404, "this installation has no page; the API stands under /v1")
        return FileResponse(folder / _INDEX, headers=_KEPT)

    return [
        Route("/", index, methods=["GET"]),
        Mount("/assets", _Assets(directory=folder, check_dir=False), name="assets"),
    ]


class _Assets(StaticFiles):
    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        response = super().file_response(*args, **kwargs)
        response.headers.update(_KEPT)
        return response
