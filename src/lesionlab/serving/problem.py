"""Errors as RFC 9457 problems: one format for errors of the server, of the framework and of images."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from lesionlab.results import Problem

MEDIA_TYPE: Final = "application/problem+json"
CLIENT_CLOSED: Final = 499  # never received; it appears in the log and the metrics

_DETAILS = {404: "there is nothing at this path", 405: "this path does not support this method"}


class ProblemError(Exception):
    """A request that cannot be fulfilled."""

    def __init__(self, status: int, detail: str, *, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = dict(headers or {})

    def problem(self, request_id: str) -> Problem:
        """Return the problem as a part of a response."""
        title = "Client Closed Request" if self.status == CLIENT_CLOSED else HTTPStatus(self.status).phrase
        return Problem(title=title, status=self.status, detail=self.detail, request_id=request_id)

    def response(self, request_id: str) -> Response:
        """Return the problem as a response."""
        body = self.problem(request_id).model_dump_json()
        return Response(body, self.status, headers=self.headers, media_type=MEDIA_TYPE)


def request_id_of(scope: Mapping[str, Any]) -> str:
    """Return the identifier that `AccessLog` gave to the request."""
    return str(scope.get("state", {}).get("request_id", ""))


def validation_detail(error: ValidationError | RequestValidationError) -> str:
    """Return the errors of fields in one line, without any value of the request."""
    return "; ".join(
        "there is an unknown field" if fault["type"] == "extra_forbidden" else _field_error(fault)
        for fault in error.errors()
    )


def add_problem_handlers(app: FastAPI) -> None:
    """Make every error of an application a problem."""

    async def own(request: Request, error: ProblemError) -> Response:
        return error.response(request_id_of(request.scope))

    async def framework(request: Request, error: HTTPException) -> Response:
        detail = _DETAILS.get(error.status_code, error.detail)
        return await own(request, ProblemError(error.status_code, detail, headers=error.headers))

    async def invalid(request: Request, error: RequestValidationError) -> Response:
        return await own(request, ProblemError(422, validation_detail(error)))

    async def disconnected(request: Request, _error: ClientDisconnect) -> Response:
        return await own(request, ProblemError(CLIENT_CLOSED, "the client disconnected"))

    handlers: dict[type[Exception], Any] = {
        ProblemError: own,
        HTTPException: framework,
        RequestValidationError: invalid,
        ClientDisconnect: disconnected,
    }
    for kind, handler in handlers.items():
        app.add_exception_handler(kind, handler)


def _field_error(fault: Mapping[str, Any]) -> str:
    message = str(fault["msg"])
    return f"{fault['loc'][-1]}: {message[:1].lower()}{message[1:]}"
