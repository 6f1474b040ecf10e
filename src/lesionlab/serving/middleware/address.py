"""Whom a request calls, and who sends it: the header `Host`, and the rate of each client address."""

import ipaddress
import math
import re
import time
from typing import Final

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from lesionlab.serving.problem import ProblemError, request_id_of

_MOST_COUNTS: Final = 20_000
_COUNTED: Final = "/v1/"
_HOST: Final = re.compile(r"(\[[0-9a-f:.]+\]|[^:\[\]]+)(?::\d+)?")


class KnownHost:
    """Refuses requests that call the server by a name that is not its own (DNS rebinding)."""

    def __init__(self, app: ASGIApp, allowed: tuple[str, ...]) -> None:
        """Stand before `app`; no names: let all pass."""
        self._app = app
        self._allowed = frozenset(name.lower() for name in allowed)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request pass, or answer 421."""
        if scope["type"] == "http" and self._allowed and _host(scope) not in self._allowed:
            refusal = ProblemError(421, "the server is not known by this name; --allowed-host adds one")
            await refusal.response(request_id_of(scope))(scope, receive, send)
            return
        await self._app(scope, receive, send)


class WithinRate:
    """Refuses requests of an address that sends too many. What it remembers is bounded."""

    def __init__(self, app: ASGIApp, rate: str | None) -> None:
        """Stand before `app`, at most `rate` requests per address, such as `60/minute`; None: let all pass."""
        self._app = app
        self._rate = rate
        if rate is not None:
            import limits

            self._item = limits.parse(rate)
            self._storage = limits.storage.MemoryStorage()
            self._limiter = limits.strategies.SlidingWindowCounterRateLimiter(self._storage)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request pass, or answer 429."""
        if scope["type"] == "http" and self._rate is not None and scope["path"].startswith(_COUNTED):
            who = self._who(scope)
            if not self._limiter.hit(self._item, who):
                reset = self._limiter.get_window_stats(self._item, who).reset_time
                seconds = max(1, math.ceil(reset - time.time()))
                refusal = ProblemError(
                    429,
                    f"more than {self._rate} from one address; try again in {seconds} s",
                    headers={"Retry-After": str(seconds)},
                )
                await refusal.response(request_id_of(scope))(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _who(self, scope: Scope) -> str:
        who = _network(scope["client"][0]) if scope.get("client") else "unknown"
        known = self._limiter.get_window_stats(self._item, who).remaining < self._item.amount
        # So many addresses at once are an attack. New ones share one count until old ones are forgotten.
        return who if known or len(self._storage.storage) < _MOST_COUNTS else "the rest"


def _host(scope: Scope) -> str:
    match = _HOST.fullmatch(Headers(scope=scope).get("host", "").lower())
    return match[1] if match else ""


def _network(client: str) -> str:
    """Return the address; of an IPv6 address the first half, since a single customer has all of the other."""
    try:
        address = ipaddress.ip_address(client)
    except ValueError:
        return client
    if address.version == 4:
        return client
    return str(ipaddress.IPv6Network((int(address) >> 64 << 64, 64)))
