"""The queues page and the page of one queue. Both paint their first figures without the live connection."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from threading import Lock
from typing import Any

import numpy as np
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.safestring import SafeString, mark_safe
from django.views.decorators.http import require_GET

from .. import broker_deeds, notes, queue_deeds, saved_views
from ..access import require
from ..alerts import desk
from ..alerts.incidents import sentence
from ..brokers import MANAGED_ELSEWHERE
from ..charts import RANGES
from ..fleet import Fleet
from ..live.feed import fleet
from ..live.frames import Frames
from ..live.others import KINDS, OtherView
from ..live.view import BadView, QueuesView, QueueView, View, queues_view
from ..models import Broker, DeadLetterMark, Incident, Queue, Relation
from ..samples import generated_until

#: Rows that come with the page itself: more than a window shows.
FIRST_ROWS = 60
NOTES_SHOWN = 8

#: The columns of the table, as static/js/cells.js fills them; a name with a sort is a button.
COLUMNS = (
    {"name": "state", "title": "State", "sort": "state", "left": True},
    {"name": "queue", "title": "Queue", "sort": "name", "left": True},
    {"name": "broker", "title": "Broker", "sort": "broker", "left": True},
    {"name": "depth", "title": "Depth", "sort": "depth"},
    {"name": "spark", "title": "Last 30 min", "left": True},
    {"name": "inflight", "title": "In flight", "sort": "in_flight"},
    {"name": "in", "title": "In /s", "sort": "in_rate"},
    {"name": "out", "title": "Out /s", "sort": "out_rate"},
    {"name": "net", "title": "Balance", "sort": "balance"},
    {"name": "lag", "title": "Lag", "sort": "lag"},
    {"name": "clears", "title": "Clears in", "sort": "clears"},
    {"name": "consumers", "title": "Consumers", "sort": "consumers"},
    {"name": "dead", "title": "Dead", "sort": "dead"},
)
#: The ES modules that the queues page imports, to be fetched at once instead of one after another.
MODULES = tuple(
    f"js/{name}.js"
    for name in ("alarm", "attention", "cells", "filterbox", "format", "live", "marks", "spark", "summary", "table")
)

#: What pages share: of one snapshot, orders, sums and rows are worked out once. Belongs to the fleet beside it.
_frames: tuple[Fleet, Frames] | None = None
_lock = Lock()

_RELATION_WORDS = {
    "dead_letters": ("Dead letters go to", "Dead letters come from"),
    "retries": ("Retries wait in", "Retries for"),
    "feeds": ("Feeds", "Fed by"),
}
_IN_SCRIPT = str.maketrans({"<": "\\u003C", ">": "\\u003E", "&": "\\u0026"})


@require_GET
@require("see")
def queues(request: HttpRequest) -> HttpResponse:
    """Every queue, those that need attention first. `filter`, `sort` and `offset` are as in the live view."""
    brokers = list(Broker.objects.all())
    context = {
        "nav": "queues",
        "brokers": [broker.name for broker in brokers],
        "demo": any(broker.managed_by == Broker.Managed.DEMO for broker in brokers),
        "may_add": request.principal.can("change_brokers"),
        "may": {
            deed: request.principal.can(deed)
            for deed in ("mark_queues", "share_views", "delete_queues", "tend_incidents", "replay")
        },
        "views": saved_views.visible_to(request.principal),
        "columns": COLUMNS,
        "modules": MODULES,
        "boot": _boot(request.GET),
    }
    return render(request, "queues/list.html", context)


@require_GET
@require("see")
def queue(request: HttpRequest, id: int) -> HttpResponse:
    """One queue: its state in words, its charts, its figures of now, its broker's settings and relations."""
    row = Queue.objects.select_related("broker").filter(pk=id).first()
    if row is None:
        return render(request, "queues/unknown.html", {"nav": "queues", "id": id}, status=404)
    ranges = [name for name, seconds in RANGES.items() if seconds <= settings.WEIR_RETENTION_HOUR]
    asked = request.GET.get("range", "")
    context = {
        "nav": "queues",
        "queue": row,
        "ranges": ranges,
        "span": _span(request),
        "range": asked if asked in ranges else _usual_range(row, ranges),
        "relations": _relations(row),
        "may": {
            deed: request.principal.can(deed)
            for deed in ("mark_queues", "delete_queues", "change_brokers", "change_rules")
        },
        **_alerts(row),
        "ignored": broker_deeds.is_ignored(row),
        "elsewhere": MANAGED_ELSEWHERE.get(row.broker.managed_by),
        "hidden": queue_deeds.is_hidden(row),
        "why_hidden": row.why_hidden if row.hidden_by_hand is None else f"by {row.hidden_by}",
        "tags": _tags(row),
        "letters": _letters(row),
        "notes": notes.about(row)[:NOTES_SHOWN],
        "generated": _generated(row),
        "boot": first_frame(QueueView(row.id)),
    }
    return render(request, "queues/detail.html", context)


def _letters(row: Queue) -> dict[str, Any]:
    """Whether dead letters lie in the queue, or go from it to another, and what people said of that."""
    mark = DeadLetterMark.objects.filter(queue=row).prefetch_related("sources").first()
    snapshot = fleet().snapshot()
    at = snapshot.index(row.pk)
    entry = None if at is None else snapshot.entries[at]
    holds = entry is not None and (entry.holds_dead_letters or np.isfinite(snapshot.column("dead_letters")[at]))
    lies_in = row.pk if holds and not (entry and entry.dead_letter_queue_id) else entry and entry.dead_letter_queue_id
    return {"mark": mark, "sources": [one.name for one in mark.sources.all()] if mark else [], "lies_in": lies_in}


def _generated(row: Queue) -> datetime | None:
    """Until when the queue's history was made up, for the demo."""
    until = generated_until(row.broker_id)
    return datetime.fromtimestamp(until, UTC) if until else None


def _span(request: HttpRequest) -> dict[str, Any] | None:
    """The time that the charts are to show, where a link says one: `start` and `end` in epoch seconds."""
    start, end = (request.GET.get(name, "") for name in ("start", "end"))
    if not (start.isdecimal() and end.isdecimal() and 0 < int(start) < int(end) < 1e11):
        return None
    return {"start": int(start), "end": int(end), "at": datetime.fromtimestamp((int(start) + int(end)) / 2, UTC)}


def _alerts(row: Queue) -> dict[str, Any]:
    """What is open about a queue, and the rules that watch it and are content."""
    open_ = list(Incident.objects.filter(desk.OPEN & desk.about(row.pk)))
    firing = {one.rule_id for one in open_}
    rules = [rule for rule, _ in desk.rules_about(row.pk, fleet().snapshot()) if rule.pk not in firing]
    return {"open_incidents": open_, "alert_rules": [(rule, sentence(rule)) for rule in rules[:20]]}


def _usual_range(row: Queue, ranges: list[str]) -> str:
    """An hour, or a quarter of one while the queue is young."""
    young = (timezone.now() - row.first_seen).total_seconds() < RANGES["15m"]
    return "1h" if "1h" in ranges and not young else "15m"


def _boot(asked: Mapping[str, str]) -> SafeString:
    """For the page's script: {"frame": the first one, "error": what is wrong with the address, or null}."""
    offset = asked.get("offset", "")
    message = {
        "view": "queues",
        "filter": asked.get("filter", ""),
        "sort": asked.get("sort", ""),
        "offset": int(offset) if offset.isdecimal() else 0,
        "limit": FIRST_ROWS,
    }
    error = None
    try:
        view = queues_view(message)
    except BadView as wrong:
        view = QueuesView(limit=FIRST_ROWS)
        error = {"message": str(wrong), "field": wrong.field, "position": wrong.position}
    return in_script('{"frame":' + first_frame_text(view) + ',"error":' + json.dumps(error) + "}")


def first_frame(view: View) -> SafeString:
    """The first frame of a view, for a page's script."""
    return in_script(first_frame_text(view))


def first_frame_text(view: View) -> str:
    """The frame that the live connection would send first, as JSON."""
    global _frames
    known, now = fleet(), time.time()
    snapshot = known.snapshot(now)
    told = KINDS[view.name].told(view, snapshot, now) if isinstance(view, OtherView) else None
    with _lock:
        if _frames is None or _frames[0] is not known:
            _frames = known, Frames()
        frames = _frames[1]
        frames.begin(snapshot, known.sparks, 0, now)
        return frames.frame(view).text if told is None else frames.other(view, told, None).text


def in_script(text: str) -> SafeString:
    """JSON that may stand in a <script type="application/json">."""
    return mark_safe(text.translate(_IN_SCRIPT))


def _tags(row: Queue) -> list[str]:
    """All of them, as the list shows them."""
    snapshot = fleet().snapshot()
    at = snapshot.index(row.pk)
    return [*row.tags, *row.tags_by_hand] if at is None else list(snapshot.entries[at].tags)


def _relations(row: Queue) -> list[dict[str, Any]]:
    """How the queue hangs together with others: [{words, queue, via}], its own dead letters first."""
    there = Relation.objects.filter(source=row).select_related("target").order_by("kind", "target__name")
    back = Relation.objects.filter(target=row).select_related("source").order_by("kind", "source__name")
    leads = [{"words": _words(r.kind)[0], "queue": r.target, "via": r.via} for r in there]
    return leads + [{"words": _words(r.kind)[1], "queue": r.source, "via": r.via} for r in back]


def _words(kind: str) -> tuple[str, str]:
    return _RELATION_WORDS.get(kind, (f"{kind} to", f"{kind} from"))
