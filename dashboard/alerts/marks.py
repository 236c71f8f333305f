"""Incidents and limits as marks on a queue's figure. The page gives them the theme's colours, by their names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..charts import PANELS, Figure
from ..models import Incident

MOST = 60


def add_marks(
    figure: Figure, incidents: Sequence[Incident], limits: Sequence[dict[str, Any]], start: float, end: float
) -> Figure:
    """Shade the times in which alerts were open, and draw the limits of rules into their panels."""
    shapes = []
    for one in incidents[:MOST]:
        begins = max(one.opened_at.timestamp(), start)
        ends = min(one.closed_at.timestamp() if one.closed_at else end, end)
        if ends <= begins:
            continue
        where = {"xref": "x", "yref": "paper", "x0": round(begins * 1000), "x1": round(ends * 1000), "y0": 0, "y1": 1}
        shapes.append({"type": "rect", "layer": "below", "line": {"width": 0}, "name": one.severity, **where})
    for limit in limits:
        place = _panel_of(limit["metric"])
        if place is None:
            continue
        axis = f"y{place}" if place > 1 else "y"
        line = {"xref": "paper", "yref": axis, "x0": 0, "x1": 1, "y0": limit["value"], "y1": limit["value"]}
        shapes.append({"type": "line", "line": {"width": 1, "dash": "dash"}, "name": "limit", **line})
    figure["layout"]["shapes"] = [*figure["layout"].get("shapes", ()), *shapes]
    return figure


def _panel_of(metric: str) -> int | None:
    """The number of the panel that shows a metric, from 1; None when none does."""
    for place, panel in enumerate(PANELS, start=1):
        if any(line.metric == metric for line in panel.lines):
            return place
    return None
