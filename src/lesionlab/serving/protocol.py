"""HTTP with bounds that uvicorn does not have: on the head of a request, and on what follows an early answer."""

import asyncio
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from lesionlab.serving.middleware.headers import HEADERS
from lesionlab.serving.problem import MEDIA_TYPE, ProblemError

MAX_HEAD: Final = 32_768
HEAD_SECONDS: Final = 15.0
# A client that is refused early may go on sending; closing at once would often cost it the answer.
_MAX_UNREAD: Final = 64_000_000


class BoundedProtocol(HttpToolsProtocol):
    """Refuses heads that are too large or too slow to come, and answers what is no HTTP with a problem."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._head_bytes = 0
        self._in_head = True
        self._unread_bytes = 0
        self._head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for a head, but not for ever."""
        super().connection_made(transport)
        self._wait_for_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._head_came()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Count what belongs to a head that has not ended."""
        super().data_received(data)
        if self._in_head and not self.transport.is_closing():
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD:
                self._refuse(431, "the head of the request is too large")

    def on_message_begin(self) -> None:
        """Begin a head."""
        super().on_message_begin()
        self._in_head, self._head_bytes, self._unread_bytes = True, 0, 0
        if self._head_timer is None:
            self._wait_for_head()

    def on_headers_complete(self) -> None:
        """End a head."""
        self._head_came()
        self._in_head = False
        if len(self.url) + sum(len(name) + len(value) for name, value in self.headers) > MAX_HEAD:
            self._refuse(431, "the head of the request is too large")
            raise ValueError  # the parser stops here, and `send_400_response` finds the answer given
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Throw away what comes after the answer, up to a bound."""
        if self.cycle.response_complete:
            self._unread_bytes += len(body)
            if self._unread_bytes > _MAX_UNREAD:
                self.transport.close()
        super().on_body(body)

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP."""
        del msg
        if not self.transport.is_closing():
            self._refuse(400, "this is not a valid HTTP request")

    def _refuse(self, status: int, detail: str) -> None:
        body = ProblemError(status, detail).problem("").model_dump_json().encode()
        headers = HEADERS | {
            "Content-Type": MEDIA_TYPE,
            "Content-Length": str(len(body)),
            "Cache-Control": "no-store",
            "Connection": "close",
        }
        lines = "".join(f"{name.lower()}: {value}\r\n" for name, value in headers.items())
        self.transport.write(STATUS_LINE[status] + lines.encode("latin-1") + b"\r\n" + body)
        self.transport.close()

    def _wait_for_head(self) -> None:
        self._head_timer = self.loop.call_later(HEAD_SECONDS, self.transport.close)

    def _head_came(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None
