"""Rates of events per client, such as images or failed keys."""

import math
import time
from typing import Final

from lesionlab.results import ProblemType
from lesionlab.serving.problem import ProblemError

_MAX_COUNTERS: Final = 20_000


class ClientRate:
    """Limits the events of each client in a period. The number of counters is bounded."""

    def __init__(self, rate: str) -> None:
        """Parse a rate such as `60/minute`.

        Raises:
            ValueError: It is not a rate.
        """
        import limits

        self.rate = rate
        self.item = limits.parse(rate)
        self._storage = limits.storage.MemoryStorage()
        self._limiter = limits.strategies.SlidingWindowCounterRateLimiter(self._storage)

    def hit(self, client: str, count: int = 1) -> bool:
        """Count events; return whether they are within the rate. Events above the rate are not counted."""
        return self._limiter.hit(self.item, self._counter(client), cost=count)

    def is_reached(self, client: str) -> bool:
        """Return whether the next event would be above the rate."""
        return not self._limiter.test(self.item, self._counter(client))

    def headers(self, client: str) -> dict[str, str]:
        """Return the fields `RateLimit` and `RateLimit-Policy` (IETF draft-ietf-httpapi-ratelimit-headers-10)."""
        stats = self._limiter.get_window_stats(self.item, self._counter(client))
        seconds = max(0, math.ceil(stats.reset_time - time.time()))
        return {
            "RateLimit-Policy": f'"default";q={self.item.amount};w={self.item.get_expiry()}',
            "RateLimit": f'"default";r={max(0, stats.remaining)};t={seconds}',
        }

    def problem(self, client: str, events: str) -> ProblemError:
        """Return the problem of a client above the rate, with the time until it may try again."""
        reset = self._limiter.get_window_stats(self.item, self._counter(client)).reset_time
        seconds = max(1, math.ceil(reset - time.time()))
        detail = f"more than {self.rate} {events} from one address; try again in {seconds} s"
        return ProblemError(ProblemType.RATE_LIMITED, detail, headers={"Retry-After": str(seconds)})

    def _counter(self, client: str) -> str:
        counted = self._limiter.get_window_stats(self.item, client).remaining < self.item.amount
        # So many addresses at once are an attack. New ones share a counter until old ones expire.
        return client if counted or len(self._storage.storage) < _MAX_COUNTERS else "others"
