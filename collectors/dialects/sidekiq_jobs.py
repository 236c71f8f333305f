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

KEYS = {"class", "args", "jid"}

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
