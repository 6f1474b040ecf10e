"""HTTP limits that uvicorn lacks: on the head of a request, and on a body that arrives after the response."""

import asyncio
from http import HTTPStatus
from typing import Any, Final

# uvicorn's `http` setting takes a protocol class, and it has no limits on request heads. The class is not documented,
# so tests/serving/test_protocol.py covers each override.
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from lesionlab.results import ProblemType
from lesionlab.serving.clients import FairLimit, network_of
from lesionlab.serving.middleware.headers import HEADERS
from lesionlab.serving.problem import MEDIA_TYPE, ProblemError

MAX_HEAD: Final = 32_768
HEAD_SECONDS: Final = 15.0
# A client may go on sending after an early rejection; closing at once would often lose the response.
_MAX_UNREAD: Final = 64_000_000


class BoundedProtocol(HttpToolsProtocol):
    """Rejects heads that are too large or too slow, and bytes that are not HTTP, with a problem.

    Attributes:
        client_connections: The connections of all clients. Each takes one of the files that a process may open.
    """

    client_connections: FairLimit

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._head_bytes = 0
        self._in_head = True
        self._unread_bytes = 0
        self._head_timer: asyncio.TimerHandle | None = None
        self._counted_for: str | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the timer of the first head."""
        super().connection_made(transport)
        client = network_of(self.client[0]) if self.client else "unknown"
        if not self.client_connections.take(client, 1):
            self._reject(ProblemType.BUSY, "there are too many connections from one address")
            return
        self._counted_for = client
        self._start_head_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the timer."""
        self._stop_head_timer()
        if self._counted_for is not None:
            self.client_connections.give_back(self._counted_for, 1)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Count the bytes of an incomplete head."""
        super().data_received(data)
        if self._in_head and not self.transport.is_closing():
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD:
                self._reject(ProblemType.HEAD_TOO_LARGE, "the head of the request is too large")

    def on_message_begin(self) -> None:
        """Start a head."""
        super().on_message_begin()
        self._in_head, self._head_bytes, self._unread_bytes = True, 0, 0
        if self._head_timer is None:
            self._start_head_timer()

    def on_headers_complete(self) -> None:
        """End a head."""
        self._stop_head_timer()
        self._in_head = False
        if len(self.url) + sum(len(name) + len(value) for name, value in self.headers) > MAX_HEAD:
            self._reject(ProblemType.HEAD_TOO_LARGE, "the head of the request is too large")
            raise ValueError  # stops the parser; `send_400_response` then finds the connection closing
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Discard a body that arrives after the response, up to a limit."""
        if self.cycle.response_complete:
            self._unread_bytes += len(body)
            if self._unread_bytes > _MAX_UNREAD:
                self.transport.close()
        super().on_body(body)

    def send_400_response(self, msg: str) -> None:
        """Reject bytes that are not HTTP."""
        del msg
        if not self.transport.is_closing():
            self._reject(ProblemType.INVALID_HTTP, "this is not a valid HTTP request")

    def _reject(self, kind: ProblemType, detail: str) -> None:
        body = ProblemError(kind, detail).problem("").model_dump_json().encode()
        headers = HEADERS | {
            "Content-Type": MEDIA_TYPE,
            "Content-Length": str(len(body)),
            "Cache-Control": "no-store",
            "Connection": "close",
        }
        lines = "".join(f"{name.lower()}: {value}\r\n" for name, value in headers.items())
        head = f"HTTP/1.1 {kind.status} {HTTPStatus(kind.status).phrase}\r\n{lines}\r\n"
        self.transport.write(head.encode("latin-1") + body)
        self.transport.close()

    def _start_head_timer(self) -> None:
        self._head_timer = self.loop.call_later(HEAD_SECONDS, self.transport.close)

    def _stop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None
