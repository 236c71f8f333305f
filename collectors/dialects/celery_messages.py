"""What Celery and kombu put into a message, and where Celery writes down why a task failed.

kombu's envelope on Redis, SQS and other virtual transports (kombu/transport/virtual/base.py): JSON of `body`,
`content-type`, `content-encoding`, `headers`, `properties`, the body often in base64. Celery's protocol 2 has the task
in the headers and `[args, kwargs, embed]` as body; protocol 1 has everything in the body (celery/docs/internals).
Failures stand in results (`celery-task-meta-ID`) and in `task-failed` events. No exception is ever built from them.
"""

from __future__ import annotations

import binascii
from collections.abc import Mapping
from typing import Any

from collectors.causes import Failure, raised
from collectors.decoding import MISSING, Found, Piece, Step

#: What of a task's headers tells a person something.
SHOWN = ("id", "task", "retries", "eta", "expires", "origin", "root_id", "parent_id", "group", "timelimit", "stamps")
RESULT = {"status", "result", "traceback"}
EVENT_FAILURES = ("task-failed", "task-retried", "task-rejected")


def envelope(value: Any, piece: Piece) -> Found | None:
    """kombu's envelope: what it declares about the body holds for the next decoders."""
    if not (isinstance(value, dict) and {"body", "content-type", "properties"} <= value.keys()):
        return None
    properties = value["properties"] if isinstance(value["properties"], dict) else {}
    headers = value.get("headers") if isinstance(value.get("headers"), dict) else {}
    body = value["body"]
    if not isinstance(body, str):
        return Found(Step("kombu"), value=body)
    data, packed = body.encode("utf-8", "replace"), ""
    if properties.get("body_encoding") == "base64":
        try:
            data, packed = binascii.a2b_base64(data), "base64"
        except binascii.Error:
            packed = "base64, damaged"
    content_type, encoding = _text(value["content-type"]), _text(value.get("content-encoding"))
    inner = Piece(data, content_type, encoding, {**piece.headers, **(headers or {})}, piece.cut, inner=True)
    info = properties.get("delivery_info")
    return Found(Step("kombu", packed, info if isinstance(info, dict) else {}), inner)


def task_2(value: Any, piece: Piece) -> Found | None:
    """Protocol 2. A body that is never loaded (pickle) is shown by the texts of its arguments in the headers."""
    headers = piece.headers
    if not (headers.get("task") and headers.get("id")):
        return None
    name, fields = _text(headers["task"]), {key: headers[key] for key in SHOWN if headers.get(key) is not None}
    step = Step("Celery 2", name, fields)
    if isinstance(value, list) and len(value) == 3 and isinstance(value[1], dict):
        embed = {k: v for k, v in value[2].items() if v} if isinstance(value[2], dict) else value[2]
        shown = {"args": value[0], "kwargs": value[1], **({"embed": embed} if embed else {})}
        return Found(step, value=shown, message_type=name)
    if value is MISSING and headers.get("argsrepr") is not None:
        shown = {"args": _text(headers["argsrepr"]), "kwargs": _text(headers.get("kwargsrepr"))}
        return Found(
            step, value=shown, message_type=name, notes=("Arguments as the sender wrote them into the headers.",)
        )
    return Found(step, message_type=name)


def task_1(value: Any, piece: Piece) -> Found | None:
    """Protocol 1."""
    if not (isinstance(value, dict) and {"task", "id", "args", "kwargs"} <= value.keys()):
        return None
    name, fields = _text(value["task"]), {key: value[key] for key in SHOWN if value.get(key) is not None}
    shown = {"args": value["args"], "kwargs": value["kwargs"]}
    return Found(Step("Celery 1", name, fields), value=shown, message_type=name)


def result(value: Any, piece: Piece) -> Found | None:
    """A task's result as the result backends keep it: recognised, and left as it is."""
    if not (isinstance(value, dict) and RESULT | {"task_id"} <= value.keys()):
        return None
    name = _text(value.get("name"))
    return Found(Step("Celery result", _text(value["status"])), message_type=name)


def failure(headers: Mapping[str, Any], value: Any) -> Failure | None:
    """Why a task failed: from its result, or from an event of its worker."""
    if isinstance(value, list):  # workers send several events in one body
        value = next((item for item in value if isinstance(item, dict) and item.get("type") in EVENT_FAILURES), None)
    if not isinstance(value, dict):
        return None
    if value.keys() >= RESULT and isinstance(told := value["result"], dict) and "exc_type" in told:
        module = _text(told.get("exc_module"))
        name = _text(told["exc_type"])
        message = told.get("exc_message")
        parts = message if isinstance(message, list | tuple) else [message]
        return Failure(
            "Celery",
            f"{module}.{name}" if module and module != "builtins" else name,
            ", ".join(_text(part) for part in parts),
            _text(value["traceback"]),
            queue=_text(value.get("queue")),
        )
    if value.get("type") in EVENT_FAILURES and isinstance(value.get("exception"), str):
        trace = _text(value.get("traceback"))
        name, message = raised(trace)
        shown, _, argument = value["exception"].partition("(")  # as repr() gives it: CardDeclined('no funds')
        return Failure("Celery", name or shown, message or argument.rstrip(")").strip("'\""), trace)
    return None


def _text(value: Any) -> str:
    return "" if value is None or isinstance(value, dict | list) else str(value)
