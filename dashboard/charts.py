"""Stored series as plotly figures. Pure, and without colours of a theme.

Every trace says in `meta` what it shows (`role`, a word of the tokens in static/css/tokens.css); the
page fills in the colours when it draws (static/js/chart.js), so that one figure serves both themes.
x is in milliseconds since the epoch: whoever draws turns it into local time. None is a gap, drawn as a gap.
A figure is plain data here: plotly.graph_objects takes 45 ms to check one, which the tests do instead.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .insight.forecast import HORIZON, Forecast
from .store.base import Series
from .ticks import Floats

#: What a queue's figure needs of the store.
FIGURE_METRICS = ("depth", "in_flight", "in_rate", "out_rate", "net_rate", "lag_seconds", "consumers")

#: Ranges that a page may ask for, by name, in seconds.
RANGES = {"15m": 900, "1h": 3600, "6h": 21600, "24h": 86400, "7d": 604800, "30d": 2592000, "400d": 34560000}

_HEIGHT = 600
_TITLE_ROOM = 0.062  # of the figure's height, above each panel
_LAG_TICKS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 604800)

Values = list[float | None]
#: A plotly figure: {"data": [traces], "layout": {...}}.
Figure = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Line:
    """One curve: the metric, its name on the page, and its role for colours."""

    metric: str
    name: str
    role: str
    filled: bool = False
    dash: str = "solid"


@dataclass(frozen=True, slots=True)
class Panel:
    """One strip of the figure: title, unit, relative height, and its curves."""

    title: str
    unit: str
    height: float
    lines: tuple[Line, ...]


PANELS = (
    Panel(
        "Depth",
        "messages",
        1.25,
        (Line("depth", "ready", "depth", filled=True), Line("in_flight", "in flight", "muted", dash="dot")),
    ),
    Panel("Flow", "messages / s", 1.15, (Line("in_rate", "in", "in"), Line("out_rate", "out", "out"))),
    Panel("Lag", "oldest message waiting", 1.0, (Line("lag_seconds", "lag", "warn"),)),
    Panel("Consumers", "connected", 0.6, (Line("consumers", "consumers", "text"),)),
)
_NET = Line("net_rate", "net: in less out, where they cannot be told apart", "depth")


def queue_figure(
    series: Series,
    start: float,
    end: float,
    row: Mapping[str, Any] | None = None,
    ahead: Mapping[str, Forecast] | None = None,
) -> Figure:
    """Depth, flow, lag and consumers of one queue on one time axis from `start` to `end` (epoch seconds).

    `series` holds FIGURE_METRICS of exactly one queue (`Store.range`), and may be shorter than the axis, or
    empty; `row` is the queue's row of now (`Snapshot.row`), for the words in a panel that has nothing to show.
    `ahead` are forecasts by metric: the axis goes on for them, by half of the range at most.
    """
    until = end + min(HORIZON, (end - start) / 2) if ahead else end
    known = {metric: values[0] for metric, values in series.values.items()}
    ahead = ahead or {}
    times = _times(series)
    figure: Figure = {"data": [], "layout": _layout(series.step, start, end, until)}
    tops = _domains([panel.height for panel in PANELS])
    for place, (panel, (low, high)) in enumerate(zip(PANELS, tops, strict=True), start=1):
        lines = _lines_of(panel, known)
        _add_panel(figure, place, lines, times, known)
        come = [_add_ahead(figure, place, line, ahead, until, times, known) for line in lines if line.metric in ahead]
        _add_axis(figure, place, panel, low, high, known, max(come, default=0.0))
        _say(figure, panel, high, low, empty=not lines, row=row)
    if _has(known, "in_rate") and _has(known, "out_rate"):
        _add_excess(figure, times, known["in_rate"], known["out_rate"])
    return figure


def _lines_of(panel: Panel, known: Mapping[str, Floats]) -> list[Line]:
    """The curves of a panel that have anything to show."""
    lines = [line for line in panel.lines if _has(known, line.metric)]
    if panel.title == "Flow" and not lines and _has(known, "net_rate"):
        return [_NET]
    return lines


def _has(known: Mapping[str, Floats], metric: str) -> bool:
    return metric in known and bool(np.isfinite(known[metric]).any())


def _times(series: Series) -> list[int]:
    """The middle of each step, in milliseconds."""
    return [round((at + series.step / 2) * 1000) for at in series.times.tolist()]


def _values(column: Floats) -> Values:
    return [round(value, 3) if value == value else None for value in column.tolist()]


def _domains(heights: Sequence[float]) -> list[tuple[float, float]]:
    """Where each panel stands between the bottom (0) and the top (1) of the figure, the first one on top."""
    unit = (1 - _TITLE_ROOM * len(heights)) / sum(heights)
    domains, top = [], 1.0
    for height in heights:
        top -= _TITLE_ROOM
        domains.append((round(max(0.0, top - height * unit), 4), round(top, 4)))
        top -= height * unit
    return domains


def _layout(step: float, start: float, end: float, until: float) -> dict[str, Any]:
    return {
        "height": _HEIGHT,
        "margin": {"l": 56, "r": 16, "t": 26, "b": 28},
        "hovermode": "x unified",
        "hoversubplots": "axis",
        "dragmode": "zoom",
        "uirevision": "kept",  # a newer figure keeps what a reader switched off in a legend
        "xaxis": {
            "type": "date",
            "automargin": True,
            "range": [round(start * 1000), round(until * 1000)],
            "anchor": "free",  # at the foot of the figure, also when the lowest panel is empty
            "position": 0,
            "hoverformat": "%H:%M:%S" if step < 60 else "%a %d %b %H:%M",
            "showspikes": True,
            "spikemode": "across",
            "spikethickness": -1,  # thin: plotly draws a second, wider line around a positive one
            "spikedash": "solid",
        },
        "meta": {"step_seconds": step, "start": start, "end": end},
        "showlegend": True,
        "annotations": [],
    }


def _add_panel(
    figure: Figure, place: int, lines: Sequence[Line], times: list[int], known: Mapping[str, Floats]
) -> None:
    axis, legend = f"y{place}" if place > 1 else "y", f"legend{place}" if place > 1 else "legend"
    for line in lines:
        values = _values(known[line.metric])
        if line.filled:
            figure["data"].append(_area(times, values, [0.0] * len(values), line.role, axis, legend))
        duration = line.metric == "lag_seconds"
        figure["data"].append(
            _scatter(
                x=times,
                y=values,
                name=line.name,
                mode="lines",
                connectgaps=False,
                line={"width": 1.7, "dash": line.dash, "shape": "hv" if line.metric == "consumers" else "linear"},
                xaxis="x",
                yaxis=axis,
                legend=legend,
                customdata=[_duration(value) for value in values] if duration else None,
                hovertemplate="%{customdata}" if duration else "%{y:,.6~g}",
                showlegend=len(lines) > 1,
                meta={"role": line.role, "metric": line.metric},
            )
        )


def _add_ahead(
    figure: Figure,
    place: int,
    line: Line,
    ahead: Mapping[str, Forecast],
    until: float,
    past: list[int],
    known: Mapping[str, Floats],
) -> float:
    """A dashed line from the newest value that is drawn, in a band; the highest of it."""
    forecast = ahead[line.metric]
    newest = int(np.flatnonzero(np.isfinite(known[line.metric]))[-1])
    begins, value = past[newest], float(known[line.metric][newest])
    shown = (forecast.times <= until) & (forecast.times * 1000 > begins)
    if not shown.any():
        return 0.0
    columns = (forecast.middle, forecast.low, forecast.high)
    middle, low, high = (_values(np.concatenate([[value], column[shown]])) for column in columns)
    times = [begins, *(round(at * 1000) for at in forecast.times[shown].tolist())]
    axis, legend = f"y{place}" if place > 1 else "y", f"legend{place}" if place > 1 else "legend"
    band = _area(times, high, low, line.role, axis, legend)
    words = _duration if line.metric == "lag_seconds" else _number
    figure["data"].append(band | {"meta": {"role": line.role, "area": True, "ahead": line.metric}})
    figure["data"].append(
        _scatter(
            x=times,
            y=middle,
            name="forecast, 80 %" + (f", as every {_duration(forecast.repeats)}" if forecast.repeats else ""),
            mode="lines",
            line={"width": 1.7, "dash": "4px,3px"},
            xaxis="x",
            yaxis=axis,
            legend=legend,
            customdata=[f"{words(m)} ({words(a)} to {words(b)})" for m, a, b in zip(middle, low, high, strict=True)],
            hovertemplate="%{customdata}",
            showlegend=line.metric == "depth",  # once is enough
            meta={"role": line.role, "ahead": line.metric},
        )
    )
    return float(np.max(forecast.high[shown]))


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:,.0f}"


def _add_excess(figure: Figure, times: list[int], arriving: Floats, leaving: Floats) -> None:
    """Shade where more arrives than is completed."""
    more = np.where(np.isnan(arriving) | np.isnan(leaving), np.nan, np.fmax(arriving, leaving))
    area = _area(times, _values(more), _values(leaving), "warn", "y2", "legend2")
    figure["data"].append(area | {"name": "in exceeds out", "showlegend": True})


def _area(times: list[int], high: Values, low: Values, role: str, axis: str, legend: str) -> dict[str, Any]:
    """A filled area between two curves, one closed shape for each run without a gap."""
    x: list[int | None] = []
    y: Values = []
    for first, past in _runs(high):
        x += [*times[first:past], *reversed(times[first:past]), None]
        y += [*high[first:past], *reversed(low[first:past]), None]
    return _scatter(
        x=x[:-1],
        y=y[:-1],
        mode="lines",
        line={"width": 0},
        fill="toself",
        hoverinfo="skip",
        showlegend=False,
        xaxis="x",
        yaxis=axis,
        legend=legend,
        meta={"role": role, "area": True},
    )


def _scatter(**properties: Any) -> dict[str, Any]:
    """A trace; what is None is left out."""
    return {"type": "scatter"} | {name: value for name, value in properties.items() if value is not None}


def _runs(values: Values) -> list[tuple[int, int]]:
    """Where values are known: (first, past the last) of each run."""
    runs: list[tuple[int, int]] = []
    first: int | None = None
    for i, value in enumerate([*values, None]):
        if value is not None and first is None:
            first = i
        elif value is None and first is not None:
            runs.append((first, i))
            first = None
    return runs


def _add_axis(
    figure: Figure, place: int, panel: Panel, low: float, high: float, known: Mapping[str, Floats], ahead: float
) -> None:
    axis: dict[str, Any] = {
        "domain": [low, high],
        "anchor": "x",
        "automargin": True,
        "nticks": 4,
        "rangemode": "tozero",
        "fixedrange": True,
    }
    axis |= {"zeroline": False, "showspikes": False}
    if panel.title == "Lag" and _has(known, "lag_seconds"):
        axis |= _lag_ticks(max(float(np.nanmax(known["lag_seconds"])), ahead))
    tops = [max(float(np.nanmax(known[line.metric])), ahead) for line in panel.lines if _has(known, line.metric)]
    axis["tickformat"] = "~s" if max(tops, default=0) >= 1000 else ",.3~g"  # 75k, but 0.5 and not 500m
    if not tops and not (panel.title == "Flow" and _has(known, "net_rate")):
        axis |= {"showticklabels": False, "range": [0, 1]}
    elif tops and max(tops) <= 0:
        axis |= {"range": [0, 1], "tickvals": [0, 1], "ticktext": ["0", "1"]}  # a line of zeros lies on the ground
    number = "" if place == 1 else str(place)
    figure["layout"].update(
        {
            f"yaxis{number}": axis,
            f"legend{number}": {
                "orientation": "h",
                "x": 1,
                "xanchor": "right",
                "y": high,
                "yanchor": "bottom",
                "bgcolor": "rgba(0,0,0,0)",
            },
        }
    )


def _lag_ticks(longest: float) -> dict[str, Any]:
    """Marks of the lag axis at whole durations."""
    longest = max(longest, 1.0)
    step = next((tick for tick in _LAG_TICKS if longest / tick <= 3.2), _LAG_TICKS[-1])
    marks = [step * i for i in range(int(longest // step) + 2)]
    return {
        "tickvals": marks,
        "ticktext": ["0", *(_duration(mark) for mark in marks[1:])],
        "range": [0, longest * 1.12],
    }


def _duration(seconds: float | None) -> str:
    """41 s, 3 m 41 s, 2 h 04 m, 3 d 2 h; "" for None."""
    if seconds is None:
        return ""
    if seconds < 10 and seconds != int(seconds):
        return f"{seconds:.1f} s"
    s = round(seconds)
    if s < 60:
        return f"{s} s"
    if s < 3600:
        return f"{s // 60} m {s % 60:02} s" if s % 60 else f"{s // 60} m"
    if s < 86400:
        return f"{s // 3600} h {s % 3600 // 60:02} m" if s % 3600 else f"{s // 3600} h"
    return f"{s // 86400} d {s % 86400 // 3600} h" if s % 86400 else f"{s // 86400} d"


def _note(figure: Figure, **properties: Any) -> None:
    figure["layout"]["annotations"].append(properties)


def _say(figure: Figure, panel: Panel, high: float, low: float, *, empty: bool, row: Mapping[str, Any] | None) -> None:
    """A panel's title, and in an empty panel why it is empty."""
    base: dict[str, Any] = {"xref": "paper", "yref": "paper", "showarrow": False}
    above = base | {"x": 0, "y": high, "xanchor": "left", "yanchor": "bottom"}
    _note(figure, text=panel.title, name="title", font={"weight": 600}, **above)
    _note(figure, text=panel.unit, name="unit", xshift=6 + 8.6 * len(panel.title), **above)  # beside it
    if empty:
        kind = f" for a {row['kind']}" if row and row.get("kind") else ""
        words = f"the broker did not tell this{kind} in this range"
        _note(figure, text=words, x=0.5, y=(high + low) / 2, name="empty", **base)
