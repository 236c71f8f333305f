"""What was sent, and what came back, over time: a plotly figure as those of queues are (`dashboard.charts`). Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go

#: (name, role for colours, which number of a point)
_LINES = (("sent", "out", 1), ("came back", "bad", 2))


def replay_figure(points: Sequence[tuple[float, int, int]], start: float, end: float) -> go.Figure:
    """`points`: (epoch seconds, sent until then, came back until then); from `start` to `end`."""
    figure = go.Figure(layout=_layout(start, max(end, start + 1.0), max((sent for _, sent, _ in points), default=0)))
    times = [start * 1000.0, *(at * 1000.0 for at, _, _ in points), max(end, start) * 1000.0]
    for name, role, place in _LINES:
        values = [0, *(point[place] for point in points)]
        figure.add_trace(
            go.Scatter(
                x=times, y=[*values, values[-1]], name=name, mode="lines", line={"width": 1.6, "shape": "hv"},
                meta={"role": role, "metric": name.replace(" ", "_")},
                hovertemplate="%{y:,} " + name + "<extra></extra>",
            )
        )  # fmt: skip
    return figure


def _layout(start: float, end: float, most: int) -> dict[str, Any]:
    return {
        "height": 220,
        "margin": {"l": 52, "r": 12, "t": 22, "b": 26},
        "hovermode": "x unified",
        "xaxis": {"type": "date", "range": [start * 1000.0, end * 1000.0], "fixedrange": True},
        "yaxis": {
            "rangemode": "tozero", "range": [0, max(1.0, most * 1.08)], "nticks": 5, "fixedrange": True,
            "dtick": 1 if most < 5 else None,
            "tickformat": "~s" if most >= 1000 else ",d", "zeroline": False,
        },
        "legend": {"orientation": "h", "x": 1, "xanchor": "right", "y": 1, "yanchor": "bottom"},
        "annotations": [],
    }  # fmt: skip
