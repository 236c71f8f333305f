"""Letters as pages, the API, exports and the terminal show them: rows of the index, and one letter read whole.

Everything in a letter was written by somebody else: texts are made visible, trees are bounded, and masks hold.
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Mapping, Sequence
from typing import Any

from collectors.causes.cause import REASONS
from collectors.decoding import tree, visible
from collectors.letters import Death
from collectors.letters import Letter as Seen

from ..directory import dead_letter_pairs
from ..models import Cause, Letter, Place, Queue
from ..snapshot import iso
from . import bodies, contents
from .masking import Masking
from .reading import Read, read

#: Characters of a body that a list shows, and that one letter shows.
PREVIEW, SHOWN = 240, 64 * 1024
#: Bytes of a body that are given with a letter; all that is kept is downloaded.
MOST_OF_RAW = 64 * 1024


def rows(ids: Sequence[int], previews: bool, masking: Masking, now: float | None = None) -> list[dict[str, Any]]:
    """Letters by their ids, in this order, a query for each table and none for each letter."""
    now = time.time() if now is None else now
    found: dict[int, Letter] = {}
    for at in range(0, len(ids), 500):
        rows = Letter.objects.filter(pk__in=list(ids[at : at + 500])).select_related("cause")
        found.update({row.pk: row for row in rows})
    names = _queues({row.queue_id for row in found.values()})
    kept = bodies.find(list(found), now) if previews else {}
    read = dict(Place.objects.filter(queue__in=names).values_list("queue_id", "complete_at"))
    out = []
    for id in (id for id in ids if id in found):
        row = row_of(found[id], names, kept.get(id), masking, read.get(found[id].queue_id))
        out.append(row | ({"body_kept": id in kept} if previews else {}))
    return out


def _queues(ids: set[int]) -> dict[int, Queue]:
    return {queue.pk: queue for queue in Queue.objects.filter(pk__in=ids).select_related("broker")}


def row_of(
    row: Letter, queues: Mapping[int, Queue], kept: Seen | None, masking: Masking, read_at: float | None = None
) -> dict[str, Any]:
    """One letter as a row; `preview` is the beginning of what is kept of it, null when nothing is shown.

    `read_at`: when its queue was last read through, which saw it if it is not gone.
    """
    queue = queues[row.queue_id]
    return {
        "id": row.pk,
        "key": visible(row.key),
        "queue_id": row.queue_id,
        "queue": queue.name,
        "broker": queue.broker.name,
        "cause": cause_of(row.cause),
        "type": row.type,
        "count": row.count,
        "size_bytes": row.size,
        "enqueued_at": time_of(row.enqueued_at),
        "died_at": time_of(row.died_at),
        "attempts": row.attempts,
        "replayed": row.replayed,
        "first_seen": time_of(row.first_seen),
        "last_seen": time_of(max(row.last_seen, read_at or 0.0) if row.gone_at is None else row.last_seen),
        "expires_at": time_of(row.expires_at),
        "gone_at": time_of(row.gone_at),
        "place": visible(row.place),
        "preview": None if kept is None else preview(read(kept, masking, queue.name)),
    }


def cause_of(cause: Cause) -> dict[str, Any]:
    """A cause in a row."""
    return {"id": cause.pk, "fingerprint": cause.fingerprint, "title": cause.title, "message": cause.message}


def preview(one: Read) -> str:
    """The beginning of a body, in one line."""
    text = contents.body_text(one.masked) or one.masked.hidden
    shown = visible(" ".join(text[: 2 * PREVIEW].split()))
    return shown if len(shown) <= PREVIEW else shown[: PREVIEW - 1] + "…"


def whole(row: Letter, kept: Seen | None, masking: Masking) -> dict[str, Any]:
    """One letter with what is in it, as far as it is kept and may be shown."""
    queue = row.queue
    told = row_of(row, {queue.pk: queue}, None, masking) | {"body_kept": kept is not None}
    if kept is None:
        return told | {"hidden": "What is in it is no longer kept here; look into its queue to see it again."} | _EMPTY
    one = read(kept, masking, queue.name)
    return told | inside(one) | {"history": history(kept.deaths), "path": path(kept, queue)}


_EMPTY: dict[str, Any] = {
    "headers": {}, "properties": [], "decoded": None, "body": None, "body_encoding": None, "history": [], "path": [],
}  # fmt: skip


def inside(one: Read) -> dict[str, Any]:
    """What is in a letter: layers, value or text, headers, properties, and the raw body."""
    letter, masked = one.letter, one.masked
    grown = tree(masked.value) if masked.structured else None
    text = visible(masked.text[: SHOWN + 1])
    notes = [*one.decoded.notes]
    if not letter.whole:
        notes.insert(0, f"Kept: the first {len(letter.body):,} of {letter.size:,} bytes.")
    if len(text) > SHOWN:
        text, notes = text[: SHOWN - 1] + "…", [*notes, f"Shown: the first {SHOWN:,} characters."]
    if grown is not None and grown.left_out:
        notes.append(grown.left_out)
    raw = raw_body(letter, masked.touched)
    return {
        "headers": shown_headers(masked.headers),
        "properties": [[visible(label), visible(value)] for label, value in letter.properties],
        "content_type": visible(letter.content_type) or None,
        "content_encoding": visible(letter.content_encoding) or None,
        "decoded": {
            "steps": [
                {"name": visible(name), "detail": visible(detail), "fields": tree(fields).value}
                for name, detail, fields in masked.steps
            ],
            "structured": masked.structured,
            "value": grown.value if grown is not None else None,
            "text": None if masked.structured else text,
            "type": one.type or None,
            "notes": [visible(note) for note in notes],
        },
        "hidden": masked.hidden or raw[2] or None,
        "body": raw[0],
        "body_encoding": raw[1],
    }


def shown_headers(headers: Mapping[str, Any]) -> dict[str, Any]:
    """Headers as a bounded tree."""
    grown: dict[str, Any] = tree(dict(headers)).value
    return grown


def raw_body(letter: Seen, masked: bool) -> tuple[str | None, str | None, str]:
    """The body as it is, "text" or "base64", and why it is not there."""
    if masked:
        return None, None, "The raw body is not shown: a rule masks a part of it."
    data = letter.body[:MOST_OF_RAW]
    cut = "" if len(data) == letter.size else f"Of the raw body the first {len(data):,} of {letter.size:,} bytes."
    try:
        return data.decode(), "text", cut
    except UnicodeDecodeError:
        return base64.b64encode(data).decode(), "base64", cut


_WORDS = {
    "rejected": "rejected by a consumer",
    "expired": "expired",
    "maxlen": "pushed out of the full queue",
    "delivery_limit": "delivered too often",
    "maxReceiveCount": "received too often",
}
assert set(_WORDS) <= set(REASONS)


def history(deaths: Sequence[Death]) -> list[dict[str, Any]]:
    """The deaths of a letter, the latest first, each with a sentence."""
    return [
        {
            "queue": visible(death.queue),
            "reason": visible(death.reason),
            "count": death.count,
            "at": time_of(death.at),
            "exchange": visible(death.exchange) or None,
            "routing_keys": [visible(key) for key in death.routing_keys],
            "sentence": _sentence(death),
        }
        for death in deaths
    ]


def _sentence(death: Death) -> str:
    what = _WORDS.get(death.reason, f"given up ({death.reason})" if death.reason else "given up")
    times = "once" if death.count == 1 else f"{death.count:,} times"
    since = f", first at {time_of(death.at)}" if death.at and death.count > 1 else f" at {time_of(death.at)}"
    known = f"; known from {death.via}, not from the letter itself" if death.via else ""
    return visible(f"{what} in {death.queue}, {times}{since if death.at else ''}{known}")


def path(letter: Seen, queue: Queue) -> list[str]:
    """The way of a letter, from where it was sent to where it lies: "payments.capture ×5".

    Where it does not tell, the queue whose dead letters arrive there stands for it, if there is one alone.
    """
    steps: list[str] = []
    if not letter.deaths:
        pairs, _ = dead_letter_pairs(queue.broker_id)
        sources = [source for source, target in pairs if target == queue.pk]
        steps += Queue.objects.filter(pk__in=sources).values_list("name", flat=True) if len(sources) == 1 else []
    first = letter.deaths[-1] if letter.deaths else None
    if first is not None and first.exchange:
        steps.append(f"{first.exchange} ({', '.join(first.routing_keys)})" if first.routing_keys else first.exchange)
    steps += [death.queue + (f" ×{death.count}" if death.count > 1 else "") for death in reversed(letter.deaths)]
    return [visible(step) for step in [*steps, queue.name]]


def time_of(at: float | None) -> str | None:
    """Epoch seconds as ISO 8601; what is no time of this world is unknown."""
    if at is None or not 0 < at < 32_503_680_000:
        return None
    return iso(at)


def line(row: Mapping[str, Any]) -> bytes:
    """A letter as a line of NDJSON. ASCII alone: nothing in it can speak to a terminal or turn the direction."""
    return json.dumps(row, separators=(",", ":")).replace("\x7f", "\\u007f").encode() + b"\n"
