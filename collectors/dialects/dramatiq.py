"""Dramatiq's messages (dramatiq/message.py, 1 and 2): JSON that names the actor; the last error is in its options."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from collectors.causes import Failure, raised
from collectors.decoding import Found, Piece, Step

from . import splice
from .keeping import Apart, Told, Way, number, seconds

DEAD, DELAYED, MESSAGES = b".XQ", b".DQ", b".msgs"
#: Seconds after which Dramatiq drops a dead message, unless it was told otherwise.
KEPT = 7 * 86_400

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


def apart(key: bytes) -> Apart | None:
    """The dead messages of a queue: `QUEUE.XQ` holds their ids, the hash `QUEUE.XQ.msgs` the messages."""
    queue = key.removesuffix(DEAD)
    if queue == key or not queue:
        return None
    namespace = queue.rpartition(b":")[0]
    return Apart(
        "dramatiq",
        queue=queue,
        hash_of=lambda id: key + MESSAGES,
        told=partial(_told, namespace),
        back=partial(_way, key),
        score=lambda now: now * 1000,
    )


#: The message first, then its id, and only then it is taken from the dead.
BACK = """
if not redis.call('ZSCORE', KEYS[1], ARGV[1]) then return 0 end
if not redis.call('HGET', KEYS[2], ARGV[1]) then return 'the message itself is not there any more' end
local kept = redis.pcall('HSET', KEYS[3], ARGV[1], ARGV[2])
if type(kept) == 'table' then return kept.err end
local pushed = redis.pcall('RPUSH', KEYS[4], ARGV[1])
if type(pushed) == 'table' then redis.call('HDEL', KEYS[3], ARGV[1]) return pushed.err end
redis.call('ZREM', KEYS[1], ARGV[1])
redis.call('HDEL', KEYS[2], ARGV[1])
return 1
"""


def _way(key: bytes, id: bytes, body: bytes, to: bytes, now: float) -> Way:
    """With all its tries again, and without the traceback of the last one."""
    if to.endswith((DEAD, DELAYED)):
        raise ValueError("A message of Dramatiq can only go back to its queue, not among delayed or dead ones.")
    fields = splice.read(body)
    if fields is not None and fields.keys() >= KEYS:
        name = splice.quoted(to.rpartition(b":")[2])
        options = {"retries": "0", "traceback": None, "requeue_timestamp": None}
        body = splice.changed(body, {"queue_name": name, "options": options})
    return Way(BACK, (key, key + MESSAGES, to + MESSAGES, to), (id, body))


def _told(namespace: bytes, id: bytes, fields: Mapping[bytes, bytes], score: float) -> Told:
    """The score is when it died, in milliseconds."""
    message = splice.read(fields.get(b"", b"")) or {}
    options = message.get("options")
    retries = number(options.get("retries")) if isinstance(options, dict) else None
    queue = message.get("queue_name")
    died = seconds(score)
    name = queue.removesuffix(".DQ").removesuffix(".XQ").encode() if isinstance(queue, str) else b""
    return Told(
        identity=id,
        origin=(namespace + b":" if namespace else b"") + name if name else b"",
        enqueued_at=seconds(message.get("message_timestamp")),
        died_at=died,
        expires_at=died + KEPT if died else None,
        attempts=int(retries) + 1 if retries is not None and retries >= 0 else None,
        properties=tuple((k, message[k]) for k in ("actor_name", "message_id") if isinstance(message.get(k), str)),
    )
