"""Sidekiq's jobs (sidekiq/lib/sidekiq/job_retry.rb, 6 to 8): JSON that names the class, and how it failed last.

ActiveJob wraps its own job into the first argument; `wrapped` names it. `error_backtrace` is JSON,
compressed, in base64.
"""

from __future__ import annotations

import binascii
import zlib
from collections.abc import Mapping
from typing import Any

import orjson

from collectors.causes import Failure
from collectors.decoding import Found, Piece, Step

from . import splice
from .keeping import Entrance, Told, number, seconds

KEYS = {"class", "args", "jid"}
#: What a job remembers of its failures.
FAILURE = ("failed_at", "retried_at", "error_class", "error_message", "error_backtrace")

#: Bytes of a backtrace that are read.
MOST = 256 * 1024


def job(value: Any, piece: Piece) -> Found | None:
    """Recognises a job, unwraps the name of an ActiveJob, and leaves the rest as it is."""
    if not (isinstance(value, dict) and value.keys() >= KEYS):
        return None
    name = str(value.get("wrapped") or _active_job(value["args"]) or value["class"])
    fields = {key: value[key] for key in ("jid", "queue", "retry_count", "failed_at") if key in value}
    return Found(Step("Sidekiq", name, fields), message_type=name)


def failure(headers: Mapping[str, Any], value: Any) -> Failure | None:
    """Class, message and, where the job asked for one, backtrace of its last failure."""
    if not (isinstance(value, dict) and value.keys() >= KEYS and value.get("error_class")):
        return None
    return Failure(
        "Sidekiq",
        str(value["error_class"]),
        str(value.get("error_message") or ""),
        _backtrace(value.get("error_backtrace")),
        queue=str(value.get("queue") or ""),
    )


def _active_job(args: Any) -> str:
    first = args[0] if isinstance(args, list) and args else None
    return str(first.get("job_class") or "") if isinstance(first, dict) else ""


def _backtrace(packed: Any) -> str:
    """The frames, one in a line; "" when there are none, or they are damaged or beyond `MOST`."""
    if isinstance(packed, str):
        try:
            packed = orjson.loads(zlib.decompressobj().decompress(binascii.a2b_base64(packed), MOST))
        except (binascii.Error, zlib.error, ValueError):
            return ""  # cut by somebody: class and message are enough
    return "\n".join(str(line) for line in packed[:500]) if isinstance(packed, list) else ""


class SidekiqReturning:
    """A dead job on its way back: as `SortedEntry#retry` does it, but in one step, and without Sidekiq's middleware."""

    dialect = "sidekiq"
    options: Mapping[str, str] = {
        "sidekiq_forget": "Sidekiq: forget how often and why a job failed, so that it has all its tries again."
    }

    def told(self, raw: bytes, key: bytes) -> Told | None:
        if b'"jid"' not in raw or (fields := splice.read(raw)) is None or not fields.keys() >= KEYS:
            return None
        queue = fields.get("queue")
        namespace = key.removesuffix(b"dead") if key.endswith(b"dead") else b""
        retries = number(fields.get("retry_count"))
        shown = [(name, str(fields[name])) for name in ("jid", "class", "queue") if isinstance(fields.get(name), str)]
        return Told(
            identity=orjson.dumps((fields["jid"], fields["class"], fields["args"])),
            origin=namespace + b"queue:" + queue.encode() if isinstance(queue, str) else b"",
            enqueued_at=seconds(fields.get("created_at") or fields.get("enqueued_at")),
            died_at=seconds(fields.get("retried_at") or fields.get("failed_at")),
            attempts=int(retries) + 1 if retries is not None and retries >= 0 else None,
            properties=tuple(shown),
        )

    def again(self, raw: bytes, to: bytes, now: float, options: frozenset[str]) -> bytes:
        if b"queue:" not in to:
            return raw
        fields = splice.read(raw)
        if fields is None:
            raise ValueError("no job of Sidekiq")
        milliseconds = (number(fields.get("enqueued_at") or fields.get("created_at")) or 0) > 1e11
        changes: dict[str, str | None] = {
            "at": None,
            "enqueued_at": str(int(now * 1000)) if milliseconds else repr(now),
        }
        count = number(fields.get("retry_count"))
        if "sidekiq_forget" in options:
            changes |= dict.fromkeys((*FAILURE, "retry_count"), None)
        elif count is not None:
            changes["retry_count"] = str(int(count) - 1)
        return splice.changed(raw, changes)

    def entrance(self, raw: bytes, queue: bytes, steps: frozenset[bytes]) -> Entrance:
        """The list, and the set in which Sidekiq keeps the names of its queues."""
        namespace, found, name = queue.rpartition(b"queue:")
        return Entrance(queue, namespace + b"queues", name) if found else Entrance(queue)
