"""BullMQ's jobs (src/classes/job.ts, 3 to 5): a hash; an adapter hands `data` over as body, the rest as headers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from collectors.causes import Failure, raised
from collectors.decoding import Found, Piece, Step

from .keeping import Apart, Told, number, seconds

FAILED = b":failed"


def job(value: Any, piece: Piece) -> Found | None:
    """Recognises a job by the fields of its hash."""
    if not ({"name", "opts", "timestamp"} <= piece.headers.keys()):
        return None
    name = _text(piece.headers["name"])
    fields = {
        key: _text(v) for key, v in piece.headers.items() if key in ("timestamp", "atm", "attemptsMade", "finishedOn")
    }
    return Found(Step("BullMQ", name, fields), message_type=name)


def failure(headers: Mapping[str, Any], value: Any) -> Failure | None:
    """The reason, and the latest of the stacks: JSON, one text for each attempt."""
    if "failedReason" not in headers:
        return None
    message = _text(headers["failedReason"])
    trace, packed = "", headers.get("stacktrace")
    try:
        stacks = packed if isinstance(packed, list) else orjson.loads(packed or b"[]")
        trace = str(stacks[-1]) if isinstance(stacks, list) and stacks else ""
    except orjson.JSONDecodeError:
        trace = _text(packed)  # not JSON: the stack itself
    return Failure("BullMQ", raised(trace)[0] if trace else "", message, trace)


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def apart(key: bytes) -> Apart | None:
    """The failed jobs of a queue: `PREFIX:QUEUE:failed` holds their ids, `PREFIX:QUEUE:ID` is a job."""
    base = key.removesuffix(FAILED)
    if base == key or b":" not in base:
        return None
    return Apart(
        "bullmq",
        queue=base + b":wait",
        hash_of=lambda id: base + b":" + id,
        told=lambda id, fields, score: _told(base, id, fields, score),
        body=b"data",
        refused="Failed jobs of BullMQ can be looked at only: its own scripts, which differ from version to version, "
        "have to put them back (Queue.retryJobs, or job.retry).",
    )


def _told(base: bytes, id: bytes, fields: Mapping[bytes, bytes], score: float) -> Told:
    """The score is when it failed, in milliseconds."""
    made = number(fields.get(b"atm") or fields.get(b"attemptsMade"))
    return Told(
        identity=id,
        origin=base + b":wait",
        enqueued_at=seconds(fields.get(b"timestamp")),
        died_at=seconds(score),
        attempts=int(made) if made is not None and made >= 0 else None,
        properties=(("job", _text(id)[:100]), ("name", _text(fields.get(b"name", b""))[:200])),
    )
