"""The server's log on standard error: one line per event, as text or as JSON."""

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
_MAX_LINES: Final = 10_000
_FLUSH_SECONDS: Final = 2.0

_Lines: TypeAlias = "queue.Queue[logging.LogRecord | None]"


@contextmanager
def logging_to_standard_error(*, as_json: bool) -> Iterator[None]:
    """Log the server and uvicorn to standard error only, while the block runs.

    A thread writes the lines. Where standard error is blocked, such as a full pipe, lines are lost and the server goes
    on.
    """
    lines: _Lines = queue.Queue(_MAX_LINES)
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
    # Errors in uploads that matter are reported as problems.
    logging.getLogger("PIL").setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        with suppress(queue.Full):
            lines.put_nowait(None)
        writer.join(_FLUSH_SECONDS)


def _write(lines: _Lines) -> None:
    while (record := lines.get()) is not None:
        # Not through sys.stderr: a blocked thread would hold its lock when the process ends.
        with suppress(OSError):
            os.write(_STANDARD_ERROR, f"{record.getMessage()}\n".encode(errors="backslashreplace"))


class _JsonFormatter(logging.Formatter):
    """One JSON object per line; the keys of a logged mapping become its fields."""

    def format(self, record: logging.LogRecord) -> str:
        fields: dict[str, object] = {"time": self.formatTime(record), "level": record.levelname.lower()}
        if isinstance(record.args, Mapping):
            fields |= {"event": record.name.rpartition(".")[2], **record.args}
        else:
            fields["message"] = record.getMessage()
        if record.exc_info:
            fields["exception"] = self.formatException(record.exc_info)
        return json.dumps(fields)

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: N802 - overrides the library's method
        return super().formatTime(record, datefmt or "%Y-%m-%dT%H:%M:%S") + f".{record.msecs:03.0f}Z"
