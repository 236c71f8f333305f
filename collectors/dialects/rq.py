"""RQ's jobs (rq/job.py, rq/results.py, 1 and 2): a hash whose fields an adapter hands over as headers.

`data` is a compressed pickle by default and is never loaded; `description` is the call as text. Why a job failed stands
in `exc_string` of its latest result (zlib in base64), in older versions in `exc_info` of the job (zlib).
"""

from __future__ import annotations

import binascii
import zlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from collectors.causes import Failure, raised
from collectors.decoding import MISSING, Found, Piece, Step

from .keeping import Apart, Told, Way, moment

#: Seconds for which a failed job is kept, unless it was told otherwise.
KEPT = 365 * 86_400
PREFIX, FAILED, QUEUE, QUEUES = b"rq:", b"rq:failed:", b"rq:queue:", b"rq:queues"

#: Bytes of a traceback that are read.
MOST = 256 * 1024


def job(value: Any, piece: Piece) -> Found | None:
    """Recognises a job by the fields of its hash; without a readable body its description is what is shown."""
    headers = piece.headers
    if not ({"description", "origin", "created_at"} <= headers.keys() and {"timeout", "status"} & headers.keys()):
        return None
    called = _text(headers["description"])
    name = called.partition("(")[0]
    fields = {key: _text(headers[key]) for key in ("origin", "status", "enqueued_at", "ended_at") if key in headers}
    shown = {"call": called} if value is MISSING else MISSING
    return Found(Step("RQ", name, fields), value=shown, message_type=name)


def failure(headers: Mapping[str, Any], value: Any) -> Failure | None:
    """The traceback of a job, from its result or from itself."""
    if "origin" not in headers:
        return None
    trace = _unpacked(headers.get("exc_string"), in_base64=True) or _unpacked(headers.get("exc_info"))
    if not trace:
        return None
    name, text = raised(trace)
    return Failure("RQ", name, text, trace, queue=_text(headers["origin"]))


def apart(key: bytes) -> Apart | None:
    """The failed jobs of a queue: `rq:failed:NAME` holds their ids, `rq:job:ID` is a job."""
    name = key.removeprefix(FAILED)
    if name == key or not name:
        return None
    return Apart(
        "rq",
        queue=QUEUE + name,
        hash_of=lambda id: PREFIX + b"job:" + id,
        told=_told,
        body=b"data",
        results=lambda id: PREFIX + b"results:" + id,
        back=lambda id, body, to, now: _way(key, id, to, now),
        score=lambda now: now + KEPT,
    )


#: The id goes into the queue first, then the job is said to wait there, and only then it is no failed one any more.
#: A failed job expires; one that waits must not.
BACK = """
if not redis.call('ZSCORE', KEYS[1], ARGV[1]) then return 0 end
if redis.call('EXISTS', KEYS[2]) == 0 then return 'the job itself has expired' end
local pushed = redis.pcall('RPUSH', KEYS[3], ARGV[1])
if type(pushed) == 'table' then return pushed.err end
redis.call('SADD', KEYS[4], KEYS[3])
redis.call('HSET', KEYS[2], 'status', 'queued', 'enqueued_at', ARGV[2], 'origin', ARGV[3])
redis.call('HDEL', KEYS[2], 'started_at', 'ended_at')
redis.call('PERSIST', KEYS[2])
redis.call('ZREM', KEYS[1], ARGV[1])
return 1
"""


def _way(key: bytes, id: bytes, to: bytes, now: float) -> Way:
    if not to.startswith(QUEUE):
        raise ValueError("A job of RQ can only go back to a queue of RQ (rq:queue:NAME).")
    at = datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ").encode()
    return Way(BACK, (key, PREFIX + b"job:" + id, to, QUEUES), (id, at, to.removeprefix(QUEUE)))


def _told(id: bytes, fields: Mapping[bytes, bytes], score: float) -> Told:
    """The score of a failed job is when it expires."""
    origin = fields.get(b"origin", b"")
    return Told(
        identity=id,
        origin=QUEUE + origin if origin else b"",
        enqueued_at=moment(fields.get(b"created_at")),
        died_at=moment(fields.get(b"ended_at")),
        expires_at=score if score > 0 else None,
        properties=(("job", _text(id)[:100]), ("description", _text(fields.get(b"description", b""))[:200])),
    )


def _unpacked(packed: Any, in_base64: bool = False) -> str:
    """Text that may be compressed, or not (both were written by some version); "" when it cannot be read."""
    if not packed:
        return ""
    data = packed if isinstance(packed, bytes) else str(packed).encode("utf-8", "replace")
    try:
        data = binascii.a2b_base64(data) if in_base64 else data
        return zlib.decompressobj().decompress(data, MOST).decode("utf-8", "replace")
    except (binascii.Error, zlib.error):
        return _text(packed) if _text(packed).isascii() and "\n" in _text(packed) else ""


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
