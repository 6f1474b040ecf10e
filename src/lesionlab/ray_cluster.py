"""The connection to a Ray cluster, for `--ray`."""

import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from lesionlab.errors import LesionlabError, MissingExtraError

_SECONDS_TO_CONNECT: Final = 10


@contextmanager
def ray_cluster(address: str) -> Iterator[None]:
    """Connect to a Ray cluster while the block runs.

    Args:
        address: Its address; `auto`: the one on this machine; `local`: a new one on this machine.

    Raises:
        LesionlabError: There is no cluster at the address.
        MissingExtraError: Ray is not installed.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # it reports to its authors otherwise
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    try:
        import ray
    except ImportError as error:
        raise MissingExtraError("--ray", "distributed", "ray") from error
    host, _, port = address.removeprefix("ray://").rpartition(":")
    try:
        if host and port.isdecimal():  # Ray itself tries for minutes
            socket.create_connection((host, int(port)), timeout=_SECONDS_TO_CONNECT).close()
        ray.init(address, log_to_driver=False, logging_level=logging.CRITICAL)
    except (OSError, OverflowError, RuntimeError, ValueError) as error:
        raise LesionlabError(f"--ray {address}: no connection to a Ray cluster ({one_line(error)})") from error
    try:
        yield
    finally:
        ray.shutdown()


def one_line(error: Exception) -> str:
    """Return the message of an error of Ray, which may fill pages, as one short line."""
    return " ".join(str(error).split())[:200] or type(error).__name__
