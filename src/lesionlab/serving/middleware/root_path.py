"""The path below which a reverse proxy has the server."""

from starlette.types import ASGIApp, Receive, Scope, Send


class RootPath:
    """Sets the root path of requests. The proxy may remove it from the path or not: the router accepts both."""

    def __init__(self, app: ASGIApp, root_path: str) -> None:
        self._app = app
        self._root_path = root_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        if scope["type"] == "http":
            scope["root_path"] = self._root_path
        await self._app(scope, receive, send)
