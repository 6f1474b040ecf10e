"""The API key."""

import hashlib
import secrets
from typing import Final

from pydantic import SecretStr
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from lesionlab.serving.problem import ProblemError, request_id_of

HEADER: Final = "X-API-Key"
# The page asks for the key and sends it with each question; the page itself is no secret.
_OPEN: Final = frozenset({"/", "/healthz", "/readyz"})
_OPEN_BELOW: Final = "/assets/"


class HasKey:
    """Refuses requests without the key."""

    def __init__(self, app: ASGIApp, key: SecretStr | None) -> None:
        """Stand before `app`; no key: let all pass."""
        self._app = app
        self._digest = None if key is None else _digest(key.get_secret_value().encode())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request pass, or answer 401."""
        if scope["type"] == "http" and self._digest is not None and not _is_open(scope["path"]):
            given = Headers(scope=scope).get(HEADER, "").encode("latin-1")
            # Digests have one length: the time of the comparison tells nothing of the key.
            if not secrets.compare_digest(_digest(given), self._digest):
                refusal = ProblemError(
                    401, f"the API key is missing or wrong; send it as {HEADER}", headers={"WWW-Authenticate": HEADER}
                )
                await refusal.response(request_id_of(scope))(scope, receive, send)
                return
        await self._app(scope, receive, send)


def _is_open(path: str) -> bool:
    return path in _OPEN or path.startswith(_OPEN_BELOW)


def _digest(text: bytes) -> bytes:
    return hashlib.sha256(text).digest()
