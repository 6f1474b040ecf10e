"""A file server on this machine that behaves well or badly, as a test says."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True)
class Fault:
    """A response other than the whole file.

    Attributes:
        status: A status to send instead of the file.
        headers: Headers of that response.
        cut_after: Number of bytes after which the connection is closed.
        extra_length: Bytes that the stated length has beyond the content.
        delay: Seconds to wait in the middle of the content.
    """

    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    cut_after: int | None = None
    extra_length: int = 0
    delay: float = 0


@dataclass
class Served:
    """A file and how it is served.

    Attributes:
        content: Its bytes.
        etag: Its ETag.
        last_modified: Its date.
        ranges: Whether parts of it are sent: to a matching `If-Range`, always (`"always"`), or never.
        content_type: Its type.
        transfer: With its length, in chunks, or until the connection ends.
        faults: The responses to the first requests.
    """

    content: bytes = b""
    etag: str | None = '"1"'
    last_modified: str | None = None
    ranges: bool | str = True
    content_type: str = "application/octet-stream"
    transfer: str = "length"
    faults: list[Fault] = field(default_factory=list)


class FileServer:
    """The server; `url` is its address, `requests` are the paths and headers that it has received."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.files: dict[str, Served] = {}
        self.requests: list[tuple[str, dict[str, str]]] = []

    def ranges(self, path: str) -> list[str | None]:
        """Return the header `Range` of each request for a path."""
        return [headers.get("Range") for requested, headers in self.requests if requested.partition("?")[0] == path]


@contextmanager
def running_server() -> Iterator[FileServer]:
    """Run a server on a free port."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    files = FileServer(f"http://127.0.0.1:{server.server_port}")
    server.RequestHandlerClass = type("Handler", (_Handler,), {"files": files})
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield files
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    files: FileServer

    def do_GET(self) -> None:
        self.files.requests.append((self.path, dict(self.headers)))
        served = self.files.files.get(self.path) or self.files.files.get(self.path.partition("?")[0])
        if served is None:
            self._status(404, {})
            return
        fault = served.faults.pop(0) if served.faults else Fault()
        if fault.status is not None:
            self._status(fault.status, fault.headers)
        else:
            self._file(served, fault)

    def log_message(self, *_: object) -> None:
        pass

    def _status(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": "0", **headers}.items():
            self.send_header(name, value)
        self.end_headers()

    def _file(self, served: Served, fault: Fault) -> None:
        start, size = self._start(served), len(served.content)
        if start is not None and start >= size:
            self._status(416, {"Content-Range": f"bytes */{size}"})
            return
        self.send_response(200 if start is None else 206)
        body = served.content[start or 0 :]
        if start is not None:
            self.send_header("Content-Range", f"bytes {start}-{size - 1}/{size}")
        for name, value in (("ETag", served.etag), ("Last-Modified", served.last_modified)):
            if value is not None:
                self.send_header(name, value)
        self.send_header("Content-Type", served.content_type)
        if served.transfer == "length":
            self.send_header("Content-Length", str(len(body) + fault.extra_length))
        elif served.transfer == "chunked":
            self.send_header("Transfer-Encoding", "chunked")
            body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
        self.end_headers()
        with suppress(ConnectionError):  # the client has given up
            self._send(body, fault)

    def _send(self, body: bytes, fault: Fault) -> None:
        body = body[: fault.cut_after]
        self.wfile.write(body[: len(body) // 2])
        if fault.delay:
            self.wfile.flush()
            time.sleep(fault.delay)
        self.wfile.write(body[len(body) // 2 :])

    def _start(self, served: Served) -> int | None:
        asked = self.headers.get("Range")
        if asked is None or not served.ranges:
            return None
        fresh = self.headers.get("If-Range") in (served.etag, served.last_modified)
        return int(asked.removeprefix("bytes=").rstrip("-")) if fresh or served.ranges == "always" else None
