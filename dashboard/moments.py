"""What happened to a queue, and when, as marks on its figure: notes that people wrote, replays that began.

The page gives them the theme's colours, by their names.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape

from django.db.models import Q, QuerySet

from . import notes
from .charts import Figure
from .models import Queue, Replay

MOST = 40
_LONGEST = 32  # characters that stand on the chart; the rest shows when pointed at
_DEEDS = {"replay": "replay", "move": "move", "copy": "copy", "delete": "deletion", "restore": "restoring"}


@dataclass(frozen=True, slots=True)
class Moment:
    """Something at a time (epoch seconds). `kind`: note, replay."""

    at: float
    kind: str
    text: str
    more: str = ""  # who, for whom points at it


def moments(queue: Queue, start: float, end: float) -> list[Moment]:
    """The newest of a queue within start <= t < end, oldest first."""
    times = datetime.fromtimestamp(start, UTC), datetime.fromtimestamp(end, UTC)
    found = [
        Moment(note.at.timestamp(), "note", note.text, f"noted by {note.by}")
        for note in notes.about(queue).filter(at__gte=times[0], at__lt=times[1])[:MOST][::-1]
    ]
    for one in _replays(queue).filter(started_at__gte=times[0], started_at__lt=times[1])[:MOST][::-1]:
        assert one.started_at is not None
        text = f"{_DEEDS[one.deed]} {one.pk}" + (f": {one.total:,}" if one.total else "")
        found.append(Moment(one.started_at.timestamp(), "replay", text, f"of {one.queue_name}, by {one.started_by}"))
    return sorted(found, key=lambda moment: moment.at)[-MOST:]


def add_moments(figure: Figure, found: Sequence[Moment]) -> Figure:
    """A line through all panels at each moment, with its text at the head."""
    layout = figure["layout"]
    head = layout["yaxis"]["domain"][1]  # of the uppermost panel: above it is the legend
    lines = [
        {
            "type": "line", "name": moment.kind, "xref": "x", "yref": "paper", "y0": 0, "y1": 1,
            "x0": round(moment.at * 1000), "x1": round(moment.at * 1000), "line": {"width": 1, "dash": "dot"},
        }
        for moment in found
    ]  # fmt: skip
    layout["shapes"] = [*layout.get("shapes", ()), *lines]
    layout["annotations"] += [
        {
            "name": "moment", "text": escape(_short(moment.text)), "hovertext": escape(f"{moment.text}, {moment.more}"),
            "xref": "x", "yref": "paper", "x": round(moment.at * 1000), "y": head, "xanchor": "left", "yanchor": "top",
            "xshift": 3, "showarrow": False,
        }
        for moment in found
    ]  # fmt: skip
    return figure


def _replays(queue: Queue) -> QuerySet[Replay]:
    """Those of its own letters, those sent to it, and those of its dead letters that went where they died."""
    back = Q(to__isnull=True, queue__comes_from__source=queue, queue__comes_from__kind="dead_letters")
    return Replay.objects.filter(Q(queue=queue) | Q(to__queue_id=queue.pk) | back).distinct()


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1].rstrip() + "…"
