"""Errors as RFC 9457 problems: one format for errors of the server, of the framework and of images."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final
from urllib.parse import quote

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from lesionlab.results import FieldError, Problem, ProblemType

MEDIA_TYPE: Final = "application/problem+json"

_DETAILS = {404: "there is nothing at this path", 405: "this path does not support this method"}
_FIELD_NAME: Final = re.compile(r"[\w.-]{1,64}", re.ASCII)


class ProblemError(Exception):
    """A request that cannot be fulfilled."""

    def __init__(
        self,
        kind: ProblemType,
        detail: str,
        *,
        errors: tuple[FieldError, ...] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.kind = kind
        self.detail = detail
        self.errors = errors
        self.headers = dict(headers or {})

    def problem(self, request_id: str) -> Problem:
        """Return the problem as a part of a response."""
        return Problem(
            type=self.kind.uri,
            title=self.kind.title,
            status=self.kind.status,
            detail=self.detail,
            request_id=request_id,
            errors=self.errors,
        )

    def response(self, request_id: str) -> Response:
        """Return the problem as a response."""
        body = self.problem(request_id).model_dump_json()
        return Response(body, self.kind.status, headers=self.headers, media_type=MEDIA_TYPE)


def internal_error() -> ProblemError:
    """Return the problem of an unexpected exception."""
    detail = "internal server error; the server's log has the details under this request id"
    return ProblemError(ProblemType.INTERNAL_ERROR, detail)


def request_id_of(scope: Mapping[str, Any]) -> str:
    """Return the identifier that `AccessLog` gave to the request."""
    return str(scope.get("state", {}).get("request_id", ""))


def field_error(name: object, detail: str) -> FieldError:
    """Return the error of a field. The name is omitted if it cannot be that of a field: it may be anything."""
    text = str(name)
    pointer = f"#/{quote(text)}" if _FIELD_NAME.fullmatch(text) else "#"
    return FieldError(pointer=pointer, detail=detail)


def unknown_fields(names: Iterable[object], known: Iterable[str]) -> tuple[FieldError, ...]:
    """Return the errors of fields that a request does not have."""
    detail = f"unknown field; known fields: {', '.join(known)}"
    return tuple(field_error(name, detail) for name in names)


def invalid_fields(errors: Iterable[FieldError]) -> ProblemError:
    """Return the problem of invalid fields, with all errors in one line."""
    errors = tuple(errors)
    lines = (f"{one.pointer.removeprefix('#').removeprefix('/')}: {one.detail}".removeprefix(": ") for one in errors)
    return ProblemError(ProblemType.INVALID_FIELDS, "; ".join(lines), errors=errors)


def validation_problem(error: ValidationError | RequestValidationError, known: Iterable[str]) -> ProblemError:
    """Return the problem of fields that failed a validation, without any value of the request."""
    known = tuple(known)
    faults = error.errors()
    unknown = [fault["loc"][-1] for fault in faults if fault["type"] == "extra_forbidden"]
    invalid = [_field_error(fault) for fault in faults if fault["type"] != "extra_forbidden"]
    return invalid_fields((*unknown_fields(unknown, known), *invalid))


def add_problem_handlers(app: FastAPI) -> None:
    """Make every error of an application a problem."""

    async def own(request: Request, error: ProblemError) -> Response:
        return error.response(request_id_of(request.scope))

    async def framework(request: Request, error: HTTPException) -> Response:
        kind = ProblemType.of_status(error.status_code)
        detail = _DETAILS.get(error.status_code, error.detail)
        return await own(request, ProblemError(kind, detail, headers=error.headers))

    async def invalid(request: Request, error: RequestValidationError) -> Response:
        return await own(request, validation_problem(error, _query_fields(request.scope["route"])))

    async def disconnected(request: Request, _error: ClientDisconnect) -> Response:
        return await own(request, ProblemError(ProblemType.CLIENT_CLOSED, "the client disconnected"))

    handlers: dict[type[Exception], Any] = {
        ProblemError: own,
        HTTPException: framework,
        RequestValidationError: invalid,
        ClientDisconnect: disconnected,
    }
    for kind, handler in handlers.items():
        app.add_exception_handler(kind, handler)


def _query_fields(route: APIRoute) -> tuple[str, ...]:
    """Return the names of a route's parameters in the query, which are fields of a model or single values."""
    parameters = route.dependant.query_params
    return tuple(
        name
        for parameter in parameters
        for name in getattr(parameter.field_info.annotation, "model_fields", (parameter.alias,))
    )


def _field_error(fault: Mapping[str, Any]) -> FieldError:
    message = str(fault["msg"])
    return field_error(fault["loc"][-1], f"{message[:1].lower()}{message[1:]}")
