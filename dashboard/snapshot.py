"""One moment over all brokers as a table: what filters, sorting, frames, the API and /metrics read.

Columns first; a row becomes a dictionary only for those that are shown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from collectors.protocol import METRICS, LagMethod, Quality

from .directory import Entry
from .insight import flow, states
from .models import Broker
from .ticks import ROW, Bytes, Floats, Ints, Judgement, Ring, Tick, aligned

#: Numbers that are worked out here, beside the measured METRICS.
DERIVED = ("wait_seconds", "clears_in_seconds")
_QUALITY_WORD = [quality.name.lower() for quality in Quality]
_STATE_WORD = [state.name.lower() for state in states.State]
_STALE_STATES = ("silent", "paused")


@dataclass(slots=True)
class Part:
    """The rows of one broker."""

    broker: Broker
    state: str
    tick: Tick
    sampled_at: Floats
    stale: NDArray[np.bool_]
    wait: Floats
    clears: Floats
    entries: list[Entry]

    @classmethod
    def of(
        cls,
        tick: Tick,
        sampled_at: Floats,
        absent: NDArray[np.bool_],
        ring: Ring,
        directory: Mapping[int, Entry],
        broker: Broker,
        state: str,
    ) -> Part:
        wait = flow.wait_seconds(tick.column("depth"), tick.column("in_flight"), tick.column("out_rate"))
        clears = flow.clears_in_seconds(ring, tick)
        nobody = Entry(0, broker.id, "?", "", "", True, "", ())
        return cls(
            broker=broker,
            state=state,
            tick=tick,
            sampled_at=sampled_at,
            stale=absent | (state in _STALE_STATES),
            wait=wait,
            clears=clears,
            entries=[directory.get(id, nobody) for id in tick.ids.tolist()],
        )

    @classmethod
    def of_gone(cls, entries: Sequence[Entry], broker: Broker, state: str) -> Part:
        """Queues that their broker no longer shows: nothing is known of them now."""
        entries = sorted(entries, key=lambda entry: entry.id)
        n = len(entries)
        unknown, none = np.full(n, np.nan), np.zeros(n, np.uint8)
        quality = np.full((len(METRICS), n), Quality.UNKNOWN, np.uint8)
        ids = np.array([entry.id for entry in entries], np.int64)
        tick = Tick(broker.id, 0.0, ids, np.full(quality.shape, np.nan), quality, none, np.zeros(n, np.int64))
        judged = states.unjudged(tick)
        since = np.array([entry.gone_at for entry in entries], np.float64)
        tick.judgement = Judgement(judged.state, judged.reason, since)
        return cls(broker, state, tick, np.zeros(n), np.ones(n, bool), unknown, unknown, entries)


@dataclass
class Snapshot:
    """Every queue that is known at `at` (epoch seconds), by ascending id; n rows.

    values, quality   (len(METRICS), n), as in a Tick
    wait, clears      seconds; NaN = unknown, inf = never
    state, reason     codes of insight.states; `since` in epoch seconds
    stale             the broker is silent or paused, or left this queue out of a partial answer, or it is gone
    """

    at: float
    brokers: Mapping[int, Broker]
    broker_states: Mapping[int, str]
    ids: Ints
    broker_ids: Ints
    values: Floats
    quality: Bytes
    lag_method: Bytes
    state: Bytes
    reason: Bytes
    since: Floats
    wait: Floats
    clears: Floats
    sampled_at: Floats
    stale: NDArray[np.bool_]
    entries: list[Entry]

    @classmethod
    def of(
        cls, parts: Sequence[Part], at: float, brokers: Mapping[int, Broker], states_: Mapping[int, str]
    ) -> Snapshot:
        ticks = [part.tick for part in parts]
        n = sum(len(tick) for tick in ticks)
        ids = np.concatenate([tick.ids for tick in ticks]) if n else np.empty(0, np.int64)
        order = np.argsort(ids, kind="stable")

        def join(columns: Sequence[NDArray], empty: NDArray) -> NDArray:  # type: ignore[type-arg]
            return np.concatenate(columns, axis=-1)[..., order] if n else empty

        judgements = [tick.judgement or states.unjudged(tick) for tick in ticks]
        entries = [entry for part in parts for entry in part.entries]
        k = len(METRICS)
        floats, codes = np.empty(0), np.empty(0, np.uint8)
        snapshot = cls(
            at=at,
            brokers=brokers,
            broker_states=states_,
            ids=ids[order],
            broker_ids=join([np.full(len(p.tick), p.broker.id) for p in parts], np.empty(0, np.int64)),
            values=join([t.values for t in ticks], np.empty((k, 0))),
            quality=join([t.quality for t in ticks], np.empty((k, 0), np.uint8)),
            lag_method=join([t.lag_method for t in ticks], codes),
            state=join([j.state for j in judgements], codes),
            reason=join([j.reason for j in judgements], codes),
            since=join([j.since for j in judgements], floats),
            wait=join([p.wait for p in parts], floats),
            clears=join([p.clears for p in parts], floats),
            sampled_at=join([p.sampled_at for p in parts], floats),
            stale=join([p.stale for p in parts], np.empty(0, bool)),
            entries=[entries[i] for i in order.tolist()],
        )
        snapshot.state = np.where(snapshot.stale, np.uint8(states.State.UNKNOWN), snapshot.state)
        snapshot._add_dead_letters()
        return snapshot

    def _add_dead_letters(self) -> None:
        """Dead letters of a queue = depth of the queue where they arrive; shared by several = approximate."""
        targets = np.fromiter((e.dead_letter_queue_id or 0 for e in self.entries), np.int64, len(self))
        has = targets > 0
        if not has.any():
            return
        row = ROW["dead_letters"]
        wanted, inverse, counts = np.unique(targets[has], return_inverse=True, return_counts=True)
        found = aligned(self.values[ROW["depth"]], self.ids, wanted)[inverse]
        told = aligned(self.quality[ROW["depth"]], self.ids, wanted)[inverse]
        self.values, self.quality = self.values.copy(), self.quality.copy()
        self.values[row, has] = found
        known = np.maximum(np.where(counts[inverse] > 1, Quality.APPROXIMATE, Quality.EXACT), told)
        self.quality[row, has] = np.where(np.isnan(found), Quality.UNKNOWN, known)

    def __len__(self) -> int:
        return len(self.ids)

    def column(self, metric: str) -> Floats:
        """One number per queue: a metric, `wait_seconds` or `clears_in_seconds`."""
        if metric == "wait_seconds":
            return self.wait
        if metric == "clears_in_seconds":
            return self.clears
        column: Floats = self.values[ROW[metric]]
        return column

    def index(self, queue: int) -> int | None:
        """The row of a queue id, None when it is not known."""
        at = int(np.searchsorted(self.ids, queue))
        return at if at < len(self) and self.ids[at] == queue else None

    def where(self, mask: NDArray[np.bool_]) -> Snapshot:
        """Some of the rows, with the brokers that they are of."""
        entries = [entry for entry, kept in zip(self.entries, mask.tolist(), strict=True) if kept]
        brokers = {entry.broker: self.brokers[entry.broker] for entry in entries}
        columns = {each.name: getattr(self, each.name) for each in fields(self)}
        cut: dict[str, Any] = {name: c[..., mask] for name, c in columns.items() if isinstance(c, np.ndarray)}
        states_ = {id: self.broker_states[id] for id in brokers}
        return replace(self, **cut, entries=entries, brokers=brokers, broker_states=states_)

    # --- the table that filters read (dashboard.filters.Table) ---------------------------------------------------

    def numbers(self, field: str) -> Floats:
        return self.ids.astype(np.float64) if field == "id" else self.column(field)

    def texts(self, field: str) -> Sequence[str]:
        return self._texts[field]

    def tags(self) -> Sequence[Sequence[str]]:
        return [entry.tags for entry in self.entries]

    def flags(self, field: str) -> NDArray[np.bool_]:
        """`hidden`, `gone`, `dead` (holds dead letters), or `stale` (those that are gone are no part), shape (n,)."""
        if field == "dead":
            return np.fromiter((entry.holds_dead_letters for entry in self.entries), bool, len(self))
        return self.stale & ~self.gone if field == "stale" else self.gone if field == "gone" else self.hidden

    @cached_property
    def hidden(self) -> NDArray[np.bool_]:
        return np.fromiter((entry.hidden for entry in self.entries), bool, len(self))

    @cached_property
    def gone(self) -> NDArray[np.bool_]:
        return np.fromiter((entry.gone_at is not None for entry in self.entries), bool, len(self))

    @cached_property
    def aside(self) -> NDArray[np.bool_]:
        """Hidden or gone: neither shown nor counted unless asked for."""
        return self.hidden | self.gone

    @cached_property
    def _texts(self) -> dict[str, list[str]]:
        names = {id: broker.name for id, broker in self.brokers.items()}
        return {
            "name": [entry.name for entry in self.entries],
            "kind": [entry.kind for entry in self.entries],
            "dialect": [entry.dialect for entry in self.entries],
            "broker": [names[entry.broker] for entry in self.entries],
            "state": [_STATE_WORD[code] for code in self.state.tolist()],
        }

    # --- rows as the API and the live view show them ----------------------------------------------------------------

    def row(self, i: int) -> dict[str, Any]:
        """Row i as `GET /api/v1/queues/{id}` shows it; null where the broker cannot tell, or (clears) never."""
        entry, broker = self.entries[i], self.brokers[int(self.broker_ids[i])]
        values = dict(zip(METRICS, map(number, self.values[:, i].tolist()), strict=True))
        quality = dict(zip(METRICS, (_QUALITY_WORD[q] for q in self.quality[:, i].tolist()), strict=True))
        wait, clears = float(self.wait[i]), float(self.clears[i])
        quality["wait_seconds"] = "unknown" if np.isnan(wait) else "estimated"
        quality["clears_in_seconds"] = "unknown" if np.isnan(clears) else "estimated"
        return {
            "id": int(self.ids[i]),
            "broker": broker.name,
            "broker_id": broker.id,
            "name": entry.name,
            "kind": entry.kind,
            "dialect": entry.dialect or None,
            "state": _STATE_WORD[self.state[i]],
            "state_since": iso(float(self.since[i])),
            "reason": self.reason_of(i, values),
            "stale": bool(self.stale[i]),
            **values,
            "lag_method": LagMethod(int(self.lag_method[i])).name.lower()
            if values["lag_seconds"] is not None
            else None,
            "wait_seconds": number(wait),
            "clears_in_seconds": number(clears),
            "never_clears": clears == np.inf,
            "dead_letter_queue_id": entry.dead_letter_queue_id,
            "dead_letter_of": list(entry.dead_letter_of),
            "holds_dead_letters": entry.holds_dead_letters,
            "quality": quality,
            "sampled_at": iso(float(self.sampled_at[i])),
            "gone_at": None if entry.gone_at is None else iso(entry.gone_at),
            "hidden": entry.hidden,
            "why_hidden": entry.why_hidden or None,
            "tags": list(entry.tags),
            "tags_by_hand": list(entry.tags_by_hand),
        }

    def reason_of(self, i: int, values: Mapping[str, float | None]) -> str:
        """Why the queue is in its state, as a sentence."""
        broker, gone_at = self.brokers[int(self.broker_ids[i])], self.entries[i].gone_at
        if gone_at is not None:
            return f"{broker.name} has not shown this queue for {states.ago(self.at - gone_at)}; its history is kept."
        if self.broker_states[broker.id] == "paused":
            return f"Polling of {broker.name} is paused; these are its last values."
        if self.broker_states[broker.id] == "silent":
            gone = states.ago(self.at - float(self.sampled_at[i]))
            return f"{broker.name} has been silent for {gone}; these are its last values."
        if self.stale[i]:
            return f"{broker.name} answered in part, without this queue; these are its last values."
        state, reason, since = int(self.state[i]), int(self.reason[i]), float(self.since[i])
        return states.sentence(state, reason, values, since, self.at, self.entries[i].kind)


def number(value: float) -> float | int | None:
    """A float for JSON: null when unknown or infinite, whole numbers without a fraction, else three decimals."""
    if value != value or value in (np.inf, -np.inf):
        return None
    return int(value) if value == int(value) else round(value, 3)


def iso(at: float) -> str | None:
    """Epoch seconds as UTC ISO 8601, null when unknown."""
    if at != at or at <= 0:
        return None
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
