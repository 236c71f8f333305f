"""`series`: the history of queues, and the figure of one."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any, Literal

from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from ninja import Field, Router, Schema

from collectors.protocol import METRICS

from ..alerts import desk
from ..alerts.marks import add_marks
from ..charts import FIGURE_METRICS, RANGES, queue_figure
from ..live.feed import fleet
from ..models import Incident
from ..moments import add_moments, moments
from ..outlook import outlook
from ..samples import the_store
from ..snapshot import iso, number
from ..store.base import Series
from .auth import may
from .errors import ApiError
from .paging import as_json
from .queues import find_queues

router = Router(tags=["series"])

MOST_QUEUES, MOST_POINTS, MOST_VALUES = 200, 5000, 500_000
USUAL_RANGE = 3600.0  # seconds
FORECAST_UP_TO = 86_400.0  # in a longer range half an hour would not be seen
Aggregate = Literal["avg", "min", "max"]


class SeriesOut(Schema):
    """Metrics on one time axis. `times` are the beginnings of equal steps; null where nothing is known."""

    start: datetime
    end: datetime
    step_seconds: float
    times: list[datetime]
    series: dict[str, dict[str, list[float | None]]] = Field(description="by queue id, then by metric")


@router.get("/series", auth=may("see"), response=SeriesOut, operation_id="get_series", summary="History of some queues")
def get_series(
    request: HttpRequest,
    queues: str,
    metrics: str = "depth",
    start: str = "",
    end: str = "",
    points: int = 300,
    aggregate: Aggregate = "avg",
) -> HttpResponse:
    """`queues` and `metrics` are separated by commas; `start` and `end` are ISO 8601 or epoch seconds.

    Without them it is the last hour.
    """
    return _series(_ids(queues), metrics, start, end, points, aggregate)


@router.get(
    "/queues/{id}/series",
    auth=may("see"),
    response=SeriesOut,
    operation_id="get_queue_series",
    summary="History of one queue",
)
def get_queue_series(
    request: HttpRequest,
    id: int,
    metrics: str = ",".join(FIGURE_METRICS),
    start: str = "",
    end: str = "",
    points: int = 300,
    aggregate: Aggregate = "avg",
) -> HttpResponse:
    """The same for one queue, by default with every metric of its charts."""
    return _series([id], metrics, start, end, points, aggregate)


@router.get(
    "/queues/{id}/figure",
    auth=may("see"),
    response={200: dict[str, Any]},
    operation_id="get_queue_figure",
    summary="The charts of one queue",
)
def get_queue_figure(
    request: HttpRequest, id: int, range: str = "1h", start: str = "", end: str = "", points: int = 600
) -> HttpResponse:
    """A plotly figure (data, layout) of depth, flow, lag and consumers over `range`, or from `start` to `end`.

    Up to a day that ends now, depth and lag go on as a forecast: a dashed line in a band that holds four times out of
    five what comes.
    """
    queue = find_queues([id])[0]
    if range not in RANGES:
        raise ApiError(400, f"range must be one of {', '.join(RANGES)}.", "range")
    begins, ends = _times(start, end, RANGES[range])
    series = the_store().range([id], FIGURE_METRICS, begins, ends, _points(points))
    snapshot = fleet().snapshot()
    row = snapshot.index(id)
    now = snapshot.row(row) if row is not None else None
    ahead = outlook(id, ends, now).forecasts if not end and ends - begins <= FORECAST_UP_TO else None
    figure = queue_figure(series, begins, ends, now, ahead)
    between = Q(closed_at=None) | Q(closed_at__gte=datetime.fromtimestamp(begins, UTC))
    incidents = Incident.objects.filter(desk.about(id) & between, opened_at__lt=datetime.fromtimestamp(ends, UTC))
    add_marks(figure, incidents[:100], desk.limits(desk.rules_about(id, snapshot)), begins, ends)
    return as_json(add_moments(figure, moments(queue, begins, ends)))


def _series(ids: list[int], metrics: str, start: str, end: str, points: int, aggregate: Aggregate) -> HttpResponse:
    find_queues(ids)
    begins, ends = _times(start, end, USUAL_RANGE)
    wanted = _metrics(metrics)
    if len(ids) * len(wanted) * _points(points) > MOST_VALUES:
        raise ApiError(
            400, f"That is more than {MOST_VALUES:,} values; ask for fewer queues, metrics or points.", "points"
        )
    return as_json(_shown(the_store().range(ids, wanted, begins, ends, points, aggregate), begins, ends))


def _shown(series: Series, start: float, end: float) -> dict[str, Any]:
    columns = {metric: values.tolist() for metric, values in series.values.items()}
    return {
        "start": iso(start),
        "end": iso(end),
        "step_seconds": series.step,
        "times": [iso(at) for at in series.times.tolist()],
        "series": {
            str(id): {metric: [number(value) for value in columns[metric][i]] for metric in columns}
            for i, id in enumerate(series.queues)
        },
    }


def _ids(text: str) -> list[int]:
    try:
        ids = list(dict.fromkeys(int(part) for part in text.split(",") if part.strip()))
    except ValueError:
        raise ApiError(400, "queues must be numbers separated by commas.", "queues") from None
    if not 1 <= len(ids) <= MOST_QUEUES:
        raise ApiError(400, f"queues must name from 1 to {MOST_QUEUES} queues.", "queues")
    return ids


def _metrics(text: str) -> list[str]:
    names = list(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    for name in names or [""]:
        if name not in METRICS:
            raise ApiError(400, f"'{name[:40]}' is not a metric; the metrics are {', '.join(METRICS)}.", "metrics")
    return names


def _points(points: int) -> int:
    if not 1 <= points <= MOST_POINTS:
        raise ApiError(400, f"points must be from 1 to {MOST_POINTS}.", "points")
    return points


def _times(start: str, end: str, usual: float) -> tuple[float, float]:
    """Epoch seconds. Without an end it is now, without a start `usual` seconds before the end."""
    ends = _time(end, "end") if end else time.time()
    begins = _time(start, "start") if start else ends - usual
    if begins >= ends:
        raise ApiError(400, "start must be before end.", "start")
    return begins, ends


def _time(text: str, field: str) -> float:
    try:
        at = float(text)
    except ValueError:
        try:
            moment = datetime.fromisoformat(text.replace(" ", "+"))  # a "+" that was not encoded came as a space
        except ValueError:
            raise ApiError(400, f"{field} must be a time in ISO 8601 or epoch seconds.", field) from None
        at = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    if not 0 <= at < 4e9:
        raise ApiError(400, f"{field} must be a time in ISO 8601 or epoch seconds.", field)
    return at
