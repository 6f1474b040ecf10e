"""Request identifiers, the access log and request metrics. None of them holds request content."""

import logging
import re
import secrets
import time
import uuid
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lesionlab.results import ProblemType
from lesionlab.serving.metrics import Metrics

_VALID_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
_TRACE: Final = re.compile(r"00-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-([0-9a-f]{2})")
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_LINE: Final = "%(method)s %(route)s %(status)d %(milliseconds).1f ms %(bytes)d bytes %(request_id)s"
_log = logging.getLogger("lesionlab.serving.access")


class AccessLog:
    """Gives each request an identifier, logs it and counts it."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        request_id = _request_id(scope)
        trace = _TRACE.fullmatch(Headers(scope=scope).get("traceparent", ""))
        scope.setdefault("state", {})["request_id"] = request_id
        status, sent = ProblemType.CLIENT_CLOSED.status, 0

        async def send_and_note(message: Message) -> None:
            nonlocal status, sent
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers["X-Request-ID"] = request_id
                if trace is not None:
                    headers["traceresponse"] = f"00-{trace[1]}-{secrets.token_hex(8)}-{trace[2]}"
            sent += len(message.get("body", b""))
            await send(message)

        try:
            await self._app(scope, receive, send_and_note)
        finally:
            seconds = time.perf_counter() - began
            route = _route(scope)
            method = scope["method"] if scope["method"] in _METHODS else "other"
            self._metrics.count_request(route, method, status, seconds)
            fields = {
                "method": method,
                "route": route,
                "status": status,
                "milliseconds": round(1000 * seconds, 1),
                "bytes": sent,
                "request_id": request_id,
            }
            line = _LINE
            if trace is not None:
                fields["trace_id"] = trace[1]
                line += " trace %(trace_id)s"
            _log.info(line, fields)


def _request_id(scope: Scope) -> str:
    given = Headers(scope=scope).get("x-request-id", "")
    return given if _VALID_ID.fullmatch(given) else uuid.uuid4().hex


def _route(scope: Scope) -> str:
    """Return the template of the route, since the path itself is request content."""
    path = getattr(scope.get("route"), "path", None)
    return path if isinstance(path, str) else "none"
