"""The identity of a client, and how clients share what the server has."""

import ipaddress
from collections import Counter
from collections.abc import MutableMapping
from typing import Any


def client_of(scope: MutableMapping[str, Any]) -> str:
    """Return the client of a request: an IPv4 address, or the /64 network of an IPv6 address, usually one customer."""
    return network_of(scope["client"][0]) if scope.get("client") else "unknown"


def network_of(host: str) -> str:
    """Return the client with an address."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if address.version == 4:
        return host
    return str(ipaddress.IPv6Network((int(address) >> 64 << 64, 64)))


class FairLimit:
    """A limit on a resource that clients share. A client may hold at most as much as is left for all others.

    One client thus gets half of the total, two a third each, and something is always free for the next. This is the
    dynamic threshold of shared-memory switches (Choudhury and Hahne, IEEE/ACM Trans. Networking 6, 130, 1998). For use
    from the event loop only.

    Attributes:
        total: The limit.
        used: The amount that all clients hold.
    """

    def __init__(self, total: int) -> None:
        self.total = total
        self.used = 0
        self._held: Counter[str] = Counter()

    def allows(self, client: str, amount: int, *, times_free: int = 1) -> bool:
        """Return whether a client may take an amount: what it then holds is at most `times_free` times what is free.

        A client that holds nothing may take all that is free.
        """
        free, held = self.total - self.used - amount, self._held[client]
        return free >= 0 and (held == 0 or held + amount <= times_free * free)

    def take(self, client: str, amount: int, *, times_free: int = 1) -> bool:
        """Take an amount if the client may; return whether it did."""
        if not self.allows(client, amount, times_free=times_free):
            return False
        self.used += amount
        self._held[client] += amount
        return True

    def give_back(self, client: str, amount: int) -> None:
        """Return an amount taken before."""
        self.used -= amount
        self._held[client] -= amount
        if not self._held[client]:
            del self._held[client]
