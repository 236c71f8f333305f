"""A reading and its rates as samples, the words that the rest of Weir speaks."""

from __future__ import annotations

from collections.abc import Mapping

from collectors.protocol import Quality, Sample

from .asking import Own
from .flow import Rates
from .inventory import QueueRow, sample_key, sample_name
from .prometheus import QueueKey
from .reading import Level, Reading

#: What a queue is called whose type nobody told.
UNKNOWN_KIND = "queue"

_STREAM_QUALITY = {
    "depth": Quality.UNKNOWN,
    "in_flight": Quality.UNKNOWN,
    "in_rate": Quality.APPROXIMATE,
    "out_rate": Quality.UNKNOWN,
    "lag_messages": Quality.APPROXIMATE,
}


def samples_of(
    reading: Reading,
    rates: Mapping[QueueKey, Rates],
    own: Mapping[QueueKey, Own],
    rows: Mapping[QueueKey, QueueRow],
) -> list[Sample]:
    """One sample per queue of the reading; `rows` tell its type."""
    samples = []
    for key, level in reading.levels.items():
        row = rows.get(key)
        kind = row.kind if row is not None else reading.kinds.get(key, UNKNOWN_KIND)
        if kind == "stream":
            samples.append(_stream(key, level, rates[key], reading.stream_lags.get(key)))
        else:
            asked = own.get(key)
            if asked is not None and level.consumers is None:
                level.consumers = asked.consumers
            samples.append(_queue(key, kind, level, rates[key]))
    return samples


def _queue(key: QueueKey, kind: str, level: Level, rates: Rates) -> Sample:
    return Sample(
        key=sample_key(*key),
        name=sample_name(*key),
        kind=kind,
        depth=level.ready,
        in_flight=level.unacked,
        consumers=level.consumers,
        in_rate=rates.in_rate,
        out_rate=rates.out_rate,
        net_rate=rates.net_rate,
        redelivery_rate=rates.redelivery_rate,
        lag_seconds=rates.lag_seconds,
        lag_method=rates.lag_method,
        quality=rates.quality,
        head="" if level.ready == 0 else None,
    )


def _stream(key: QueueKey, level: Level, rates: Rates, lag: float | None) -> Sample:
    """A stream keeps what was read: its messages are no backlog, and its readers complete nothing."""
    return Sample(
        key=sample_key(*key),
        name=sample_name(*key),
        kind="stream",
        in_rate=rates.in_rate,
        lag_messages=lag,
        consumers=level.consumers,
        quality=_STREAM_QUALITY,
    )
