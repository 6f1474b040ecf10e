"""Errors as RFC 9457 problems: one form for those of the server, of the framework and of the images."""

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
CLIENT_CLOSED: Final = 499  # nobody reads it; it is for the log and the metrics

_SENTENCES = {404: "there is nothing at this address", 405: "this address does not answer to this method"}


class ProblemError(Exception):
    """Raised where a request cannot be answered."""

    def __init__(self, status: int, detail: str, *, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = dict(headers or {})

    def problem(self, request_id: str) -> Problem:
        """Return it as a part of an answer."""
        return Problem(title=_title(self.status), status=self.status, detail=self.detail, request_id=request_id)

    def response(self, request_id: str) -> Response:
        """Return it as the whole answer."""
        body = self.problem(request_id).model_dump_json()
        return Response(body, self.status, headers=self.headers, media_type=MEDIA_TYPE)


def request_id_of(scope: Mapping[str, Any]) -> str:
    """Return the id that `Observed` gave to the request."""
    return str(scope.get("state", {}).get("request_id", ""))


def validation_detail(error: ValidationError | RequestValidationError) -> str:
    """Return what is wrong with fields in one line, without any value that was sent."""
    return "; ".join(
        "there is a field that is not known here" if fault["type"] == "extra_forbidden" else _fault(fault)
        for fault in error.errors()
    )


def use_problems(app: FastAPI) -> None:
    """Make every error of `app` a problem."""

    async def own(request: Request, error: ProblemError) -> Response:
        return error.response(request_id_of(request.scope))

    async def framework(request: Request, error: HTTPException) -> Response:
        detail = _SENTENCES.get(error.status_code, error.detail)
        wrapped = ProblemError(error.status_code, detail, headers=error.headers)
        return wrapped.response(request_id_of(request.scope))

    async def invalid(request: Request, error: RequestValidationError) -> Response:
        return ProblemError(422, validation_detail(error)).response(request_id_of(request.scope))

    async def gone(request: Request, _error: ClientDisconnect) -> Response:
        return ProblemError(CLIENT_CLOSED, "the client left").response(request_id_of(request.scope))

    handlers: dict[type[Exception], Any] = {
        ProblemError: own,
        HTTPException: framework,
        RequestValidationError: invalid,
        ClientDisconnect: gone,
    }
    for kind, handler in handlers.items():
        app.add_exception_handler(kind, handler)


def _fault(fault: Mapping[str, Any]) -> str:
    message = str(fault["msg"])
    return f"{fault['loc'][-1]}: {message[:1].lower()}{message[1:]}"


def _title(status: int) -> str:
    return "Client Closed Request" if status == CLIENT_CLOSED else HTTPStatus(status).phrase
