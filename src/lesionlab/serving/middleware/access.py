"""Access checks: the host name, requests of other sites, the rate and the API key."""

import hashlib
import re
import secrets
from typing import Final

from pydantic import SecretStr
from starlette._utils import get_route_path  # the path by which the router decides
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lesionlab.results import ProblemType
from lesionlab.serving.clients import client_of
from lesionlab.serving.problem import ProblemError, request_id_of
from lesionlab.serving.rates import ClientRate

_RATE_LIMITED: Final = "/v1/"
_FAILED_KEYS: Final = "20/minute"
_HOST: Final = re.compile(r"(\[[0-9a-f:.]+\]|[^:\[\]]+)(?::\d+)?")
_KEY_HEADER: Final = "X-API-Key"
_READING: Final = frozenset({"GET", "HEAD", "OPTIONS"})
# The pages are public: they take the key from their user and send it with their requests.
_PUBLIC: Final = frozenset({"", "/", "/docs", "/healthz", "/openapi.json", "/readyz"})
_PUBLIC_BELOW: Final = ("/assets/", "/docs/")


class _Check:
    """Passes a request on unless `problem` finds one."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or respond with the problem."""
        problem = self.problem(scope) if scope["type"] == "http" else None
        if problem is None:
            await self._app(scope, receive, send)
        else:
            await problem.response(request_id_of(scope))(scope, receive, send)

    def problem(self, scope: Scope) -> ProblemError | None:
        """Return the reason to reject a request, or None."""
        raise NotImplementedError


class AllowedHosts(_Check):
    """Rejects requests for other host names, against DNS rebinding."""

    def __init__(self, app: ASGIApp, allowed: tuple[str, ...]) -> None:
        """Wrap `app`; without names, all requests pass."""
        super().__init__(app)
        self._allowed = frozenset(name.lower() for name in allowed)

    def problem(self, scope: Scope) -> ProblemError | None:
        """Return 421 for another host name, 400 for several."""
        hosts = Headers(scope=scope).getlist("host")
        if len(hosts) > 1:  # a proxy may have checked another one
            return ProblemError(ProblemType.INVALID_HTTP, "there is more than one Host header")
        match = _HOST.fullmatch("".join(hosts).lower())
        if not self._allowed or (match and match[1] in self._allowed):
            return None
        return ProblemError(
            ProblemType.UNKNOWN_HOST, "the server does not serve this host name; --allowed-host adds one"
        )


class CrossSite(_Check):
    """Rejects requests that a page of another site makes a browser send, such as a form with an image.

    The rule is that of Go's `http.CrossOriginProtection`: browsers state the relation of the sites in `Sec-Fetch-Site`,
    and older ones at least the `Origin`. Programs send neither.
    """

    def __init__(self, app: ASGIApp, trusted: tuple[str, ...] = ()) -> None:
        """Wrap `app`; requests of the trusted origins pass, or, with `*`, of all."""
        super().__init__(app)
        self._trusted = frozenset(trusted)

    def problem(self, scope: Scope) -> ProblemError | None:
        """Return 403 for a request of another site that is not just reading."""
        if scope["method"] in _READING:
            return None
        headers = Headers(scope=scope)
        site, origin = headers.get("sec-fetch-site"), headers.get("origin")
        if site is None:
            same = origin is None or origin.partition("://")[2] == headers.get("host")
        else:
            same = site in ("same-origin", "none")
        if same or origin in self._trusted or "*" in self._trusted:
            return None
        return ProblemError(ProblemType.CROSS_SITE, "requests from pages of other sites are not accepted")


class RateLimit(_Check):
    """Limits the requests per client. A request with several images counts more once it has been read."""

    def __init__(self, app: ASGIApp, rate: ClientRate | None) -> None:
        """Wrap `app`; None: no limit."""
        super().__init__(app)
        self._rate = rate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with the state of the rate in its response, or respond with the problem."""
        rate = self._rate
        if rate is None or scope["type"] != "http" or not get_route_path(scope).startswith(_RATE_LIMITED):
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(rate.headers(client_of(scope)))
            await send(message)

        await super().__call__(scope, receive, send_with_headers)

    def problem(self, scope: Scope) -> ProblemError | None:
        """Return 429 above the rate."""
        client = client_of(scope)
        return (
            None if self._rate is None or self._rate.hit(client) else self._rate.problem(client, "images or requests")
        )


class ApiKey(_Check):
    """Rejects requests without the API key."""

    def __init__(self, app: ASGIApp, key: SecretStr | None) -> None:
        """Wrap `app`; without a key, all requests pass."""
        super().__init__(app)
        self._digest = None if key is None else _digest(key.get_secret_value().encode())
        self._failed = None if key is None else ClientRate(_FAILED_KEYS)

    def problem(self, scope: Scope) -> ProblemError | None:
        """Return 401 for a missing or wrong key, and 429 for any key of a client with too many wrong ones."""
        path, client = get_route_path(scope), client_of(scope)
        if self._digest is None or self._failed is None or path in _PUBLIC or path.startswith(_PUBLIC_BELOW):
            return None
        if self._failed.is_reached(client):
            return self._failed.problem(client, "wrong API keys")
        given = _sent_key(Headers(scope=scope))
        # Digests have equal lengths, so the time of the comparison does not depend on the key.
        if secrets.compare_digest(_digest(given.encode("latin-1")), self._digest):
            return None
        if given:
            self._failed.hit(client)
        detail = f"the API key is missing or wrong; send it as {_KEY_HEADER} or as a bearer token"
        return ProblemError(ProblemType.KEY_REQUIRED, detail, headers={"WWW-Authenticate": 'Bearer realm="lesionlab"'})


def _sent_key(headers: Headers) -> str:
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return headers.get(_KEY_HEADER) or (token.strip() if scheme.lower() == "bearer" else "")


def _digest(text: bytes) -> bytes:
    return hashlib.sha256(text).digest()
