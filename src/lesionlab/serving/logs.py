"""The server's log on standard error: one line per event, for people or for programs."""

import json
import logging
import time
from collections.abc import Mapping
from typing import Final

_LOGGERS: Final = ("lesionlab", "uvicorn")
_TEXT: Final = "%(asctime)s %(levelname)s %(message)s"


def log_to_standard_error(*, as_json: bool) -> None:
    """Send what the server and uvicorn log to standard error, and nowhere else."""
    handler = logging.StreamHandler()
    formatter = _JsonFormatter() if as_json else logging.Formatter(_TEXT)
    formatter.converter = time.gmtime
    handler.setFormatter(formatter)
    for name in _LOGGERS:
        logger = logging.getLogger(name)
        logger.handlers = [handler]
        logger.propagate = False
    logging.getLogger("lesionlab").setLevel(logging.INFO)
    logging.getLogger("uvicorn").setLevel(logging.WARNING)


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
