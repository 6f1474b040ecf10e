"""Hiding warnings of libraries about files whose problems are checked here."""

import logging
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

_lock = threading.Lock()


@contextmanager
def warnings_hidden(package: str) -> Iterator[None]:
    """Hide the warnings and log records of a package: on large images, odd metadata and invalid values.

    Filters and log levels are global: without the lock, two threads would restore each other's and leave them changed.
    """
    logger = logging.getLogger(package)
    with _lock, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        level = logger.level
        logger.setLevel(logging.CRITICAL + 1)
        try:
            yield
        finally:
            logger.setLevel(level)
