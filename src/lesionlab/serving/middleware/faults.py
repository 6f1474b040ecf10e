"""What nobody foresaw: the log gets all of it, the caller no inner word."""

import logging

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lesionlab.serving.problem import ProblemError, request_id_of

_log = logging.getLogger("lesionlab.serving")


class Faults:
    """Turns any exception into a problem with status 500. The framework's own would pass by the other layers."""

    def __init__(self, app: ASGIApp) -> None:
        """Stand before `app`."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request pass."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def noting(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, noting)
        except Exception:
            request_id = request_id_of(scope)
            _log.exception("request %s failed", request_id)
            if started:
                raise
            fault = ProblemError(500, "the server failed at this; its log knows more under the request id")
            await fault.response(request_id)(scope, receive, send)
