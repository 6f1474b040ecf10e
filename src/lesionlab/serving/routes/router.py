"""A router whose GET routes meet RFC 9110: HEAD requests and validators."""

import hashlib
from collections.abc import Callable
from typing import Any, TypeVar

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])


class Router(APIRouter):
    """Routes of which each that supports GET supports HEAD, which the description omits."""

    def get(self, path: str, **options: Any) -> Callable[[Endpoint], Endpoint]:
        """Return a decorator that adds a route for GET and HEAD."""
        add_get = super().get(path, **options)
        # uvicorn sends the header of a response to HEAD alone.
        add_head = self.head(path, **options | {"include_in_schema": False})

        def add(endpoint: Endpoint) -> Endpoint:
            return add_head(add_get(endpoint))

        return add


def current(request: Request, body: bytes, media_type: str = "application/json") -> Response:
    """Return a representation that rarely changes: 304 without body to a client that has it."""
    # Weak, since compression changes the bytes.
    tag = hashlib.sha256(body).hexdigest()[:32]
    headers = {"ETag": f'W/"{tag}"', "Cache-Control": "private, no-cache"}
    kept = request.headers.get("If-None-Match", "").split(",")
    if any(one.strip().removeprefix("W/") in ("*", f'"{tag}"') for one in kept):
        return Response(status_code=304, headers=headers)
    return Response(body, headers=headers, media_type=media_type)
