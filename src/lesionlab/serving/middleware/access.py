"""Access checks: the host name, the request rate and the API key."""

import hashlib
import ipaddress
import math
import re
import secrets
import time
from typing import Final

from pydantic import SecretStr
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from lesionlab.serving.problem import ProblemError, request_id_of

_MAX_COUNTERS: Final = 20_000
_RATE_LIMITED: Final = "/v1/"
_HOST: Final = re.compile(r"(\[[0-9a-f:.]+\]|[^:\[\]]+)(?::\d+)?")
_KEY_HEADER: Final = "X-API-Key"
# The page is public: it takes the key from its user and sends it with its requests.
_PUBLIC: Final = frozenset({"/", "/healthz", "/readyz"})
_PUBLIC_BELOW: Final = "/assets/"


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
        """Return 421 for another host name."""
        match = _HOST.fullmatch(Headers(scope=scope).get("host", "").lower())
        if not self._allowed or (match and match[1] in self._allowed):
            return None
        return ProblemError(421, "the server does not serve this host name; --allowed-host adds one")


class RateLimit(_Check):
    """Limits the requests per client address. The number of counters is bounded."""

    def __init__(self, app: ASGIApp, rate: str | None) -> None:
        """Wrap `app`, with a rate such as `60/minute`; None: no limit."""
        super().__init__(app)
        self._rate = rate
        if rate is not None:
            import limits

            self._item = limits.parse(rate)
            self._storage = limits.storage.MemoryStorage()
            self._limiter = limits.strategies.SlidingWindowCounterRateLimiter(self._storage)

    def problem(self, scope: Scope) -> ProblemError | None:
        """Return 429 above the rate."""
        if self._rate is None or not scope["path"].startswith(_RATE_LIMITED):
            return None
        counter = self._counter(scope)
        if self._limiter.hit(self._item, counter):
            return None
        reset = self._limiter.get_window_stats(self._item, counter).reset_time
        seconds = max(1, math.ceil(reset - time.time()))
        detail = f"more than {self._rate} from one address; try again in {seconds} s"
        return ProblemError(429, detail, headers={"Retry-After": str(seconds)})

    def _counter(self, scope: Scope) -> str:
        name = _network(scope["client"][0]) if scope.get("client") else "unknown"
        counted = self._limiter.get_window_stats(self._item, name).remaining < self._item.amount
        # So many addresses at once are an attack. New ones share a counter until old ones expire.
        return name if counted or len(self._storage.storage) < _MAX_COUNTERS else "others"


class ApiKey(_Check):
    """Rejects requests without the API key."""

    def __init__(self, app: ASGIApp, key: SecretStr | None) -> None:
        """Wrap `app`; without a key, all requests pass."""
        super().__init__(app)
        self._digest = None if key is None else _digest(key.get_secret_value().encode())

    def problem(self, scope: Scope) -> ProblemError | None:
        """Return 401 for a missing or wrong key."""
        path = scope["path"]
        if self._digest is None or path in _PUBLIC or path.startswith(_PUBLIC_BELOW):
            return None
        # Digests have equal lengths, so the time of the comparison does not depend on the key.
        if secrets.compare_digest(_digest(Headers(scope=scope).get(_KEY_HEADER, "").encode("latin-1")), self._digest):
            return None
        detail = f"the API key is missing or wrong; send it as {_KEY_HEADER}"
        return ProblemError(401, detail, headers={"WWW-Authenticate": _KEY_HEADER})


def _network(client: str) -> str:
    """Return an IPv4 address, or the /64 network of an IPv6 address, which belongs to one customer."""
    try:
        address = ipaddress.ip_address(client)
    except ValueError:
        return client
    if address.version == 4:
        return client
    return str(ipaddress.IPv6Network((int(address) >> 64 << 64, 64)))


def _digest(text: bytes) -> bytes:
    return hashlib.sha256(text).digest()
