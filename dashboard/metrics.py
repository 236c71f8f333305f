"""What is known now in Prometheus' text format, version 0.0.4
(https://prometheus.io/docs/instrumenting/exposition_formats/).

A value that is unknown or stale is left out, never sent as 0, so that an alert on its absence works.
Hidden queues are left out too: they come and go, and each would be a time series of its own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from .insight.states import State
from .snapshot import Snapshot
from .ticks import Floats

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

#: Column of the snapshot -> what it is, for HELP.
QUEUE_METRICS = {
    "depth": "Messages ready, waiting for a consumer.",
    "in_flight": "Messages handed to a consumer, not yet settled.",
    "delayed": "Messages not yet due.",
    "in_rate": "Messages per second arriving.",
    "out_rate": "Messages per second completed.",
    "net_rate": "Change of depth per second, where arrivals and completions cannot be told apart.",
    "lag_seconds": "How long the oldest waiting message has waited.",
    "lag_messages": "How far a consumer group is behind.",
    "wait_seconds": "Expected wait of a message arriving now, by Little's law.",
    "consumers": "Processes reading.",
    "dead_letters": "Messages given up on.",
    "redelivery_rate": "Messages per second delivered again.",
}


def exposition(snapshot: Snapshot) -> str:
    """Every queue and broker of a snapshot as text."""
    return "\n".join([*_queue_lines(snapshot), *_broker_lines(snapshot), ""])


def _queue_lines(snapshot: Snapshot) -> Iterator[str]:
    shown = ~(snapshot.stale | snapshot.hidden)
    labels = _labels(snapshot)
    for column, what in QUEUE_METRICS.items():
        yield from _family(f"weir_queue_{column}", what, labels, snapshot.column(column), shown)
    yield from _head("weir_queue_state", "1 for the state that a queue is in.")
    words = [state.name.lower() for state in State]
    rows = np.flatnonzero(shown).tolist()
    states = snapshot.state[shown].tolist()
    yield from (f'weir_queue_state{{{labels[i]},state="{words[s]}"}} 1' for i, s in zip(rows, states, strict=True))


def _family(
    name: str, what: str, labels: Sequence[str], values: Floats, shown: np.typing.NDArray[np.bool_]
) -> Iterator[str]:
    known = shown & np.isfinite(values)
    yield from _head(name, what)
    rows = np.flatnonzero(known).tolist()
    yield from (f"{name}{{{labels[i]}}} {v}" for i, v in zip(rows, values[known].tolist(), strict=True))


def _labels(snapshot: Snapshot) -> list[str]:
    """broker and queue of each row; where a broker has two queues of one name also the id, as labels must be unique."""
    brokers = {id: escape(broker.name) for id, broker in snapshot.brokers.items()}
    times = Counter((entry.broker, entry.name) for entry in snapshot.entries if entry.gone_at is None)
    return [
        f'broker="{brokers[entry.broker]}",queue="{escape(entry.name)}"'
        + (f',id="{id}"' if times[entry.broker, entry.name] > 1 else "")
        for id, entry in zip(snapshot.ids.tolist(), snapshot.entries, strict=True)
    ]


def _broker_lines(snapshot: Snapshot) -> Iterator[str]:
    brokers = [(f'broker="{escape(b.name)}"', b, snapshot.broker_states[id]) for id, b in snapshot.brokers.items()]
    polled = [(label, b, state) for label, b, state in brokers if state != "paused"]
    yield from _head("weir_broker_up", "1 while a broker answers, 0 while it is silent; absent before its first poll.")
    for label, _, state in polled:
        if state != "new":
            yield f"weir_broker_up{{{label}}} {int(state != 'silent')}"
    for name, field, what in (
        ("weir_poll_seconds", "poll_seconds", "What the last successful poll took."),
        ("weir_poll_requests", "poll_requests", "Requests that the last successful poll sent."),
        ("weir_poll_bytes", "poll_bytes", "Bytes that the last successful poll received."),
        ("weir_broker_queues", "queue_count", "Queues in the last successful poll."),
    ):
        yield from _head(name, what)
        for label, broker, state in polled:
            value = getattr(broker, field)
            if value is not None and state != "silent":
                yield f"{name}{{{label}}} {value}"
    yield from _head("weir_broker_last_answer_timestamp_seconds", "When a broker last answered, in epoch seconds.")
    for label, broker, _ in brokers:
        if broker.last_answer_at is not None:
            yield f"weir_broker_last_answer_timestamp_seconds{{{label}}} {broker.last_answer_at.timestamp():.3f}"


def _head(name: str, what: str) -> tuple[str, str]:
    return f"# HELP {name} {what}", f"# TYPE {name} gauge"


def escape(value: str) -> str:
    """A label's value: backslash, quote and line feed escaped."""
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
