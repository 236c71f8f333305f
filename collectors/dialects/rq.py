"""RQ's jobs (rq/job.py, rq/results.py, 1 and 2): a hash whose fields an adapter hands over as headers.

`data` is a compressed pickle by default and is never loaded; `description` is the call as text. Why a job failed stands
in `exc_string` of its latest result (zlib in base64), in older versions in `exc_info` of the job (zlib).
"""

from __future__ import annotations

import binascii
import zlib
from collections.abc import Mapping
from typing import Any

from collectors.causes import Failure, raised
from collectors.decoding import MISSING, Found, Piece, Step

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
