"""Running the application: the socket, uvicorn, and an end that loses no answer."""

import asyncio
import signal
import socket
import sys
import time
import warnings
from collections.abc import Callable
from typing import Final

import uvicorn
from fastapi import FastAPI

from lesionlab.errors import LesionlabError
from lesionlab.serving.concurrency import ConcurrencyLimit
from lesionlab.serving.protocol import BoundedProtocol

# Together below the 30 that container engines give: for the answers, then for writing them.
_GRACE_SECONDS: Final = 24
_WRITING_SECONDS: Final = 4
_BACKLOG: Final = 1024


def bind(host: str, port: int) -> socket.socket:
    """Return a socket bound to an address, not yet listening.

    Args:
        host: Address or name of this machine.
        port: Port; 0: any that is free.

    Raises:
        LesionlabError: The address is not of this machine, or the port is in use or not allowed.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        bound = socket.socket(family, kind, protocol)
    except OSError as error:
        raise LesionlabError(f"{host} is no address of this machine ({error.strerror}); see --host") from error
    try:
        if sys.platform != "win32":
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a restart need not wait for old connections
        bound.bind(address)
        bound.set_inheritable(True)
    except OSError as error:
        bound.close()
        raise LesionlabError(
            f"cannot listen on {host}, port {port}: {error.strerror}; see --host and --port"
        ) from error
    return bound


def run(app: FastAPI, bound: socket.socket, announce: Callable[[], None]) -> None:
    """Serve until SIGTERM or SIGINT, then finish what is in the house and leave with code 0.

    Args:
        app: What `create_app` made.
        bound: What `bind` made.
        announce: Called once the server listens and the model has answered.
    """
    # Pillow warns of odd metadata; what matters of it arrives as a problem.
    warnings.filterwarnings("ignore", module=r"PIL\.")
    for number in (signal.SIGTERM, signal.SIGINT):
        # uvicorn takes the signals over while it runs, and raises them again when it has ended.
        signal.signal(number, lambda *_: sys.exit(0))
    server_for(app, announce).run([bound])


def server_for(app: FastAPI, announce: Callable[[], None] = lambda: None) -> uvicorn.Server:
    """Return the server that `run` runs, for whoever runs it in a thread."""
    config = uvicorn.Config(
        app,
        http=BoundedProtocol,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        proxy_headers=False,  # whom a header names as client is for a proxy to say, and any caller can
        server_header=False,
        backlog=_BACKLOG,
        timeout_graceful_shutdown=_WRITING_SECONDS,
    )
    return _Server(config, app.state.service.places, announce)


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, places: ConcurrencyLimit, announce: Callable[[], None]) -> None:
        super().__init__(config)
        self._places = places
        self._announce = announce

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._announce()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        # Who comes now is told that the server is stopping, as long as others wait for their answers.
        self._places.close()
        patience = time.monotonic() + _GRACE_SECONDS
        # No event tells of a second Ctrl-C, which ends the patience.
        while self._places.images and not self.force_exit and time.monotonic() < patience:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        await super().shutdown(sockets)
