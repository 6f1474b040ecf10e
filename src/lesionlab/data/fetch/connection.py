"""Connections: HTTPS only, and each failure as one that may pass or one that will not."""

import http.client
import re
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import IO, Any
from urllib.parse import urlsplit

from lesionlab import __version__
from lesionlab.errors import DownloadError

Response = http.client.HTTPResponse | urllib.error.HTTPError

NO_SUCH_RANGE = HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE
_EXPECTED = frozenset((HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT, NO_SUCH_RANGE))
_TRANSIENT = frozenset((408, 425, 429, 500, 502, 503, 504))
_LONGEST_RETRY_AFTER = 900.0
_LOOPBACK = frozenset(("127.0.0.1", "::1", "localhost"))
_CHUNK = 1 << 20


class TransientError(Exception):
    """A failure that may pass: a broken connection, an overloaded server.

    Args:
        reason: Description.
        wait: Seconds until the next attempt, where the server states them.
    """

    def __init__(self, reason: str, wait: float | None = None) -> None:
        super().__init__(reason)
        self.wait = wait


@contextmanager
def open_url(url: str, headers: Mapping[str, str], timeout: float) -> Iterator[Response]:
    """Open an address: HTTPS, or HTTP on this machine. Redirects are followed within these.

    Args:
        url: The address.
        headers: Headers of the request.
        timeout: Seconds to wait for a connection and for each further block of bytes.

    Yields:
        The response: with the content, a part of it, or the statement that it has no such part (416).

    Raises:
        TransientError: The server cannot be reached or is overloaded.
        DownloadError: The server does not send the file.
    """
    _check_scheme(url)
    request = urllib.request.Request(url, headers={**_HEADERS, **headers})  # noqa: S310 - checked in the line above
    response: Response
    try:
        response = _OPENER.open(request, timeout=timeout)
    except urllib.error.HTTPError as error:
        response = error
    except (OSError, http.client.HTTPException) as error:
        raise _connection_error(url, error, timeout) from error
    with response:
        if response.status not in _EXPECTED:
            raise _status_error(url, response)
        yield response


def read_blocks(response: Response, timeout: float) -> Iterator[bytes]:
    """Yield the content of a response as it arrives.

    Raises:
        TransientError: The connection broke off.
    """
    while True:
        try:
            # One `recv` at most: `read` would wait until a whole block has come.
            block = response.read1(_CHUNK)
        except (OSError, http.client.HTTPException) as error:
            raise _connection_error(response.url, error, timeout) from error
        if not block:
            return
        yield block


def content_range(response: Response) -> tuple[int, int | None]:
    """Return the position of a response's first byte in the file (-1 if it is unknown) and the file's stated size."""
    if response.status == HTTPStatus.OK:
        length = response.headers.get("Content-Length", "")
        return 0, int(length) if length.isdigit() else None
    found = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", "").strip())
    if not found:
        return -1, None
    return int(found[1]), None if found[2] == "*" else int(found[2])


class _SafeRedirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects within HTTPS; the standard handler also follows them to HTTP and FTP."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        try:
            _check_scheme(newurl)
        except DownloadError:
            fp.close()
            raise
        return super().redirect_request(req, fp, code, msg, headers, newurl)


_OPENER = urllib.request.build_opener(_SafeRedirects)
_HEADERS = {"User-Agent": f"lesionlab/{__version__}", "Accept-Encoding": "identity"}


def _check_scheme(url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
        raise DownloadError(f"{url}: only https addresses are read")


def _status_error(url: str, response: Response) -> Exception:
    code = response.status or 0
    status = f"HTTP {code} {http.client.responses.get(code, '')}".rstrip()
    if code in _TRANSIENT:
        wait = _retry_after(response.headers.get("Retry-After"))
        if wait is not None and wait > _LONGEST_RETRY_AFTER:
            return DownloadError(f"{url}: {status}: the server asks to wait {wait / 60:.0f} minutes; continue then")
        return TransientError(status, wait)
    if 300 <= code < 400:
        return DownloadError(f"{url}: {status}: the server redirects in a circle or to an address that is not read")
    return DownloadError(f"{url}: {status}; the file may have moved: see the page of the dataset", code)


def _connection_error(url: str, error: Exception, timeout: float) -> Exception:
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(reason, ssl.SSLCertVerificationError):
        return DownloadError(f"{url}: the certificate of the server is not valid ({reason.verify_message})")
    if isinstance(reason, TimeoutError):
        return TransientError(f"no data for {timeout:g} s")
    if isinstance(reason, http.client.IncompleteRead):
        return TransientError("the connection ended early")
    text = (reason.strerror if isinstance(reason, OSError) else None) or str(reason) or type(reason).__name__
    return TransientError(f"connection failed ({text})")


def _retry_after(text: str | None) -> float | None:
    if not text:
        return None
    if text.strip().isdigit():
        return float(text)
    try:
        return max((parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds(), 0)
    except (TypeError, ValueError):
        return None
