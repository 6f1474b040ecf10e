"""Unexpected exceptions: logged in full, and reported without internal details."""

import logging

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lesionlab.serving.problem import internal_error, request_id_of

_log = logging.getLogger("lesionlab.serving")


class ServerErrors:
    """Turns any exception into a problem with status 500. The framework's handler would bypass the other middleware."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def send_and_note(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, send_and_note)
        except Exception:
            request_id = request_id_of(scope)
            _log.exception("request %s failed", request_id)
            if started:
                raise
            await internal_error().response(request_id)(scope, receive, send)
