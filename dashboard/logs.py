"""Log lines as JSON, one object a line (`WEIR_LOG_FORMAT=json`); and what strangers send, in one line."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime


class JSONFormatter(logging.Formatter):
    """time, level, logger, message, and the traceback as one field."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line)


class Brief(logging.Filter):
    """A request that is refused as it came (a wrong host name, a form that is too large) is no bug of Weir's: a
    traceback says nothing, and strangers must not fill the log."""

    def filter(self, record: logging.LogRecord) -> bool:
        if record.name.startswith("django.security."):
            record.exc_info = record.exc_text = None
        return True
