"""Dramatiq's messages (dramatiq/message.py, 1 and 2): JSON that names the actor; the last error is in its options."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from collectors.causes import Failure, raised
from collectors.decoding import Found, Piece, Step

KEYS = {"actor_name", "queue_name", "args", "kwargs", "message_id"}


def message(value: Any, piece: Piece) -> Found | None:
    """Recognises a message, and leaves it as it is."""
    if not (isinstance(value, dict) and value.keys() >= KEYS):
        return None
    name = str(value["actor_name"])
    options = value.get("options")
    fields = {"message_id": value["message_id"], "queue_name": value["queue_name"]}
    if isinstance(options, dict) and "retries" in options:
        fields["retries"] = options["retries"]
    return Found(Step("Dramatiq", name, fields), message_type=name)


def failure(headers: Mapping[str, Any], value: Any) -> Failure | None:
    """The traceback that the Retries middleware keeps in the options."""
    options = value.get("options") if isinstance(value, dict) and value.keys() >= KEYS else None
    trace = options.get("traceback") if isinstance(options, dict) else None
    if not isinstance(trace, str) or not trace:
        return None
    name, text = raised(trace)
    queue = str(value["queue_name"]).removesuffix(".DQ").removesuffix(".XQ")
    return Failure("Dramatiq", name, text, trace, queue=queue)
