"""The HTTP server: the socket, uvicorn, and a shutdown that completes the requests in progress."""

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
from lesionlab.prediction import Predictor
from lesionlab.serving.clients import FairLimit
from lesionlab.serving.concurrency import ConcurrencyLimit
from lesionlab.serving.protocol import BoundedProtocol
from lesionlab.serving.reload import ReloadableApp

# Together below the 30 s of container engines: for the requests in progress, then for writing their responses.
_GRACE_SECONDS: Final = 24
_WRITING_SECONDS: Final = 4
_BACKLOG: Final = 1024
_MAX_CONNECTIONS: Final = 4096
_OTHER_FILES: Final = 64
_TASKS: Final[set[asyncio.Task[None]]] = set()


def bind(host: str, port: int) -> socket.socket:
    """Return a socket bound to an address or name of this machine, not yet listening; port 0: any free port.

    Raises:
        LesionlabError: The address does not belong to this machine, or the port is in use or not permitted.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        bound = socket.socket(family, kind, protocol)
    except OSError as error:
        raise LesionlabError(f"{host} is not an address of this machine ({error.strerror}); see --host") from error
    try:
        if sys.platform != "win32":
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a restart does not wait for old connections
        bound.bind(address)
        bound.set_inheritable(True)
    except OSError as error:
        bound.close()
        raise LesionlabError(
            f"cannot listen on {host}, port {port}: {error.strerror}; see --host and --port"
        ) from error
    return bound


def run(
    app: FastAPI,
    bound: socket.socket,
    announce: Callable[[], None],
    load: Callable[[], Predictor],
    changed: Callable[[], bool] | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT, then complete the requests in progress and exit with code 0.

    SIGHUP loads the model again without losing a request.

    Args:
        app: The application.
        bound: Its socket.
        announce: Called once the server listens and the model is warmed up.
        load: Returns the model after SIGHUP.
        changed: Returns whether there is another model, which is then loaded as after SIGHUP.
    """
    # Pillow warns about unusual metadata; errors that matter are reported as problems.
    warnings.filterwarnings("ignore", module=r"PIL\.")
    for number in (signal.SIGTERM, signal.SIGINT):
        # uvicorn handles the signals while it runs, and raises them again after its shutdown.
        signal.signal(number, lambda *_: sys.exit(0))
    reloadable = ReloadableApp(app, load)

    def ready() -> None:
        loop = asyncio.get_running_loop()
        if changed is not None:
            _keep(loop.create_task(reloadable.watch(changed)))
        if sys.platform != "win32":
            loop.add_signal_handler(signal.SIGHUP, lambda: _keep(loop.create_task(reloadable.reload())))
        announce()

    server_for(app, ready, reloadable).run([bound])


def server_for(
    app: FastAPI, announce: Callable[[], None] = lambda: None, reloadable: ReloadableApp | None = None
) -> uvicorn.Server:
    """Return the server of `run`, to be run in a thread."""

    class Protocol(BoundedProtocol):
        client_connections = FairLimit(_max_connections())

    config = uvicorn.Config(
        reloadable or app,
        http=Protocol,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        proxy_headers=False,  # without a proxy, any client can forge them
        server_header=False,
        backlog=_BACKLOG,
        timeout_graceful_shutdown=_WRITING_SECONDS,
    )
    return _Server(config, app.state.service.concurrency, announce)


def _max_connections() -> int:
    """Return how many connections the process may hold, after raising its limit of open files if that is permitted."""
    if sys.platform == "win32":
        return _MAX_CONNECTIONS
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MAX_CONNECTIONS + _OTHER_FILES
    if 0 <= soft < wanted:
        soft = wanted if hard < 0 else min(hard, wanted)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return _MAX_CONNECTIONS if soft < 0 else max(1, min(_MAX_CONNECTIONS, soft - _OTHER_FILES))


def _keep(task: asyncio.Task[None]) -> None:
    # The event loop holds only weak references to tasks.
    _TASKS.add(task)
    task.add_done_callback(_TASKS.discard)


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, concurrency: ConcurrencyLimit, announce: Callable[[], None]) -> None:
        super().__init__(config)
        self._concurrency = concurrency
        self._announce = announce

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._announce()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        # New requests get HTTP 503 while those in progress are completed.
        self._concurrency.close()
        deadline = time.monotonic() + _GRACE_SECONDS
        # Polling, since uvicorn has no event for a second Ctrl-C, which ends the wait.
        while self._concurrency.requests and not self.force_exit and time.monotonic() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        await super().shutdown(sockets)
