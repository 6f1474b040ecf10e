"""The server's log on standard error: one line per event, for people or for programs."""

import json
import logging
import os
import queue
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from logging.handlers import QueueHandler
from typing import Final, TypeAlias

_LOGGERS: Final = ("lesionlab", "uvicorn")
_TEXT: Final = "%(asctime)s %(levelname)s %(message)s"
_STANDARD_ERROR: Final = 2
_MOST_LINES: Final = 10_000
_LAST_SECONDS: Final = 2.0

_Lines: TypeAlias = "queue.Queue[logging.LogRecord | None]"


@contextmanager
def logging_to_standard_error(*, as_json: bool) -> Iterator[None]:
    """Send what the server and uvicorn log to standard error while the block runs, and nowhere else.

    A thread writes. Where nobody reads any more, as from a pipe that is full, lines are lost and not the server.
    """
    lines: _Lines = queue.Queue(_MOST_LINES)
    writer = threading.Thread(target=_write, args=(lines,), name="lesionlab-log", daemon=True)
    writer.start()
    handler = QueueHandler(lines)
    formatter = _JsonFormatter() if as_json else logging.Formatter(_TEXT)
    formatter.converter = time.gmtime
    handler.setFormatter(formatter)
    for name in _LOGGERS:
        logger = logging.getLogger(name)
        logger.handlers = [handler]
        logger.propagate = False
    logging.getLogger("lesionlab").setLevel(logging.INFO)
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    # Of what it finds odd in an upload, that which matters arrives as a problem.
    logging.getLogger("PIL").setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        with suppress(queue.Full):
            lines.put_nowait(None)
        writer.join(_LAST_SECONDS)


def _write(lines: _Lines) -> None:
    while (record := lines.get()) is not None:
        # Not through sys.stderr: a thread that waits for a reader must not hold its lock when the process ends.
        with suppress(OSError):
            os.write(_STANDARD_ERROR, f"{record.getMessage()}\n".encode(errors="backslashreplace"))


class _JsonFormatter(logging.Formatter):
    """One JSON object per line; what was logged with a mapping keeps its names."""

    def format(self, record: logging.LogRecord) -> str:
        fields: dict[str, object] = {"time": self.formatTime(record), "level": record.levelname.lower()}
        if isinstance(record.args, Mapping):
            fields |= {"event": record.name.rpartition(".")[2], **record.args}
        else:
            fields["message"] = record.getMessage()
        if record.exc_info:
            fields["exception"] = self.formatException(record.exc_info)
        return json.dumps(fields)

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: N802 - its name
        return super().formatTime(record, datefmt or "%Y-%m-%dT%H:%M:%S") + f".{record.msecs:03.0f}Z"
