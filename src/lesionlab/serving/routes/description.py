"""The OpenAPI description, as JSON and as a page."""

import json

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response

from lesionlab.serving.routes.router import Router, current


def description_routes(app: FastAPI) -> Router:
    """Return the route of the description of `app`. It is public: programs read it before they have a key."""
    routes = Router(include_in_schema=False)

    @routes.get("/openapi.json")
    async def description(request: Request) -> Response:
        schema = app.openapi()
        prefix = request.scope.get("root_path", "")
        return current(request, json.dumps(schema | {"servers": [{"url": prefix or "/"}]}).encode())

    return routes
