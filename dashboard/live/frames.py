"""Frames: what is sent to clients. Pure: a snapshot and a view go in, JSON text comes out.

    {"seq", "at", "age", "view", "total", "summary", "rows": [...]}     where

    seq      acknowledged by the client with {"ack": seq}
    at       when the frame was made, ISO 8601; `age`: seconds since the newest sample, null before the first
    view     the view as it was asked for, {"view": "queues", "filter", "sort", "offset", "limit"} or
             {"view": "queue", "id"}, so that a frame that comes late is recognised

Views of other packages (`others`) have their own "total", "summary" and "rows".

In the view of one queue "rows" holds that queue, or nothing when it is not known; "relations" are the
queues that it dead-letters to and from, {kind, id, name}; "point" is what is new for its charts,
{at (epoch seconds), depth, ...}.

A frame without "rows" is a heartbeat: nothing is new, only the age. A row is as in the API, but its
`quality` leaves out what is exact, and what is null. The first time a client sees a row, it carries
`spark` {start (epoch seconds), step, values}; when a new half minute has begun since the client's
last frame, it carries `point` [start of the half minute, depth]; after a gap it carries `spark` again.

Work is shared: each row becomes JSON once per tick, each distinct frame is joined from those once,
however many clients look at it.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
import orjson

from collectors.protocol import METRICS

from ..fleet import SPARK_STEP
from ..snapshot import Snapshot, iso, number
from ..ticks import Floats, Ints
from . import attention, sorting, summary
from .attention import SparksOf
from .others import OtherView
from .view import QueuesView, QueueView, View, WallboardView, mask

_PLAIN, _POINT, _SPARK = b"."[0], b"p"[0], b"s"[0]


@dataclass(eq=False, slots=True)
class Frame:
    """A frame, and what a client knows after it.

    version   of the snapshot, or of whatever else it shows; as long as that is the newest, nothing is new
    order     the ids of all queues of the view, as they were shown
    slots     queue id -> half minute of its newest sample, for the rows of the window
    """

    view: View
    text: str
    version: Hashable
    order: Ints
    slots: dict[int, int]


@dataclass(slots=True)
class _Moment:
    """One snapshot, and what was worked out from it so far."""

    snapshot: Snapshot
    sparks_of: SparksOf
    summary: bytes
    newest: float
    orders: dict[tuple[str, str], Ints] = field(default_factory=dict)
    summaries: dict[str, bytes] = field(default_factory=dict)  # of wallboards, by filter
    rows: dict[int, bytes] = field(default_factory=dict)  # queue id -> row as JSON
    sparks: dict[int, bytes] = field(default_factory=dict)  # queue id -> the end of a row with a sparkline
    slot: float = 0.0  # half minute of those sparklines


class Frames:
    """Makes the frames of one snapshot after another. For one thread."""

    def __init__(self) -> None:
        self._sorter = sorting.Sorter()
        self._rows: dict[int, tuple[tuple[Any, ...], bytes]] = {}
        self._before: tuple[float, Ints, Floats] | None = None
        self._moment: _Moment | None = None
        self._made: dict[tuple[Any, ...], Frame] = {}
        self._seq, self._now = 0, 0.0
        self.version = 0  # of the snapshot; rises with each one that is another

    def begin(self, snapshot: Snapshot, sparks_of: SparksOf, seq: int, now: float) -> None:
        """Start a round of frames: all are of this snapshot and carry this `seq`."""
        self._seq, self._now = seq, now
        self._made = {}
        if self._moment is not None and self._moment.snapshot is snapshot:
            return
        self.version += 1
        told = summary.summary(snapshot, sparks_of, self._ten_minutes_ago(snapshot, sparks_of, now))
        newest = float(snapshot.sampled_at.max()) if len(snapshot) else np.nan
        self._moment = _Moment(snapshot, sparks_of, orjson.dumps(told), newest)
        if len(self._rows) > 2 * len(snapshot) + 100:
            self._rows.clear()

    def frame(self, view: QueuesView | QueueView, last: Frame | None = None, held: Ints | None = None) -> Frame:
        """The frame of a view for clients whose last frame was `last`; `held` is an order of ids to keep."""
        if isinstance(view, QueueView):
            order = np.array([view.id] if self._now_at.snapshot.index(view.id) is not None else [], np.int64)
            window = order
        else:
            order = self._order(view) if held is None else held
            window = order[view.offset : view.offset + view.limit]
        rows, window = self._found(window)
        slots = self._slots(rows, window)
        flags = self._flags(slots, last)
        key = (view, None if held is None else id(held), flags)
        made = self._made.get(key)
        if made is None:
            text = self._join(view, len(order), self._fragments(rows, window, flags))
            made = self._made[key] = Frame(view, text, self.version, order, slots)
        return made

    def other(self, view: OtherView, told: Mapping[str, Any], version: Hashable) -> Frame:
        """The frame of a view of another package, which says what is in it."""
        text = (b"{" + self._head(view) + b"," + orjson.dumps(told)[1:]).decode()
        return Frame(view, text, version, np.empty(0, np.int64), {})

    def heartbeat(self, view: View) -> str:
        """The frame that says that nothing is new."""
        return (b"{" + self._head(view) + b"}").decode()

    @property
    def _now_at(self) -> _Moment:
        assert self._moment is not None, "begin() comes first"
        return self._moment

    # --- which rows ----------------------------------------------------------------------------------------------

    def _order(self, view: QueuesView) -> Ints:
        moment = self._now_at
        order = moment.orders.get((view.filter, view.sort))
        if order is None:
            rows = self._sorter.order(moment.snapshot, view.sort, mask(view.filter, moment.snapshot))
            order = moment.orders[view.filter, view.sort] = moment.snapshot.ids[rows]
        return order

    def _found(self, ids: Ints) -> tuple[Ints, Ints]:
        """Row numbers and ids of those queues that are still there."""
        known = self._now_at.snapshot.ids
        if not len(known):
            return np.empty(0, np.int64), np.empty(0, np.int64)
        rows = np.searchsorted(known, ids).clip(max=len(known) - 1)
        there = known[rows] == ids
        return rows[there], ids[there]

    # --- what a client has seen ----------------------------------------------------------------------------------

    def _slots(self, rows: Ints, ids: Ints) -> dict[int, int]:
        slots = (self._now_at.snapshot.sampled_at[rows] // SPARK_STEP).astype(np.int64)
        return dict(zip(ids.tolist(), slots.tolist(), strict=True))

    def _flags(self, slots: dict[int, int], last: Frame | None) -> bytes:
        """For each row of the window: plain, with a new point, or with a whole sparkline."""
        if last is None:
            return bytes([_SPARK]) * len(slots)
        if last.slots == slots:
            return bytes([_PLAIN]) * len(slots)
        seen = last.slots
        steps = (slot - seen[id] if id in seen else -1 for id, slot in slots.items())
        return bytes(_PLAIN if step == 0 else _POINT if step == 1 else _SPARK for step in steps)

    # --- JSON ----------------------------------------------------------------------------------------------------

    def _head(self, view: View) -> bytes:
        newest = self._now_at.newest
        age = None if np.isnan(newest) else max(0.0, round(self._now - newest, 1))
        if isinstance(view, OtherView):
            asked = dict(view.asked())
        else:
            asked = {"view": view.name} | {one.name: getattr(view, one.name) for one in fields(view)}
        return orjson.dumps({"seq": self._seq, "at": iso(self._now), "age": age, "view": asked})[1:-1]

    def _join(self, view: View, total: int, rows: Sequence[bytes]) -> str:
        parts = [b"{", self._head(view), b',"total":%d,"summary":' % total, self._summary(view)]
        if isinstance(view, QueueView) and rows:
            parts += [b",", self._about(view.id)]
        parts += [b',"rows":[', b",".join(rows), b"]}"]
        return b"".join(parts).decode()

    def _summary(self, view: View) -> bytes:
        moment = self._now_at
        if not isinstance(view, WallboardView):
            return moment.summary
        if view.filter not in moment.summaries:
            part = moment.snapshot.where(mask(view.filter, moment.snapshot))
            before = summary.depth_before(part, moment.sparks_of)
            moment.summaries[view.filter] = orjson.dumps(summary.summary(part, moment.sparks_of, before))
        return moment.summaries[view.filter]

    def _fragments(self, rows: Ints, ids: Ints, flags: bytes) -> list[bytes]:
        made = self._now_at.rows
        texts = [made.get(id) or self._row(i, id) for i, id in zip(rows.tolist(), ids.tolist(), strict=True)]
        drawn = [n for n, flag in enumerate(flags) if flag == _SPARK]
        if drawn:
            wanted = ids[drawn].tolist()
            sparks = self._sparks(wanted)
            for n, id in zip(drawn, wanted, strict=True):
                texts[n] = texts[n][:-1] + sparks[id]
        if _POINT in flags:
            snapshot, depth = self._now_at.snapshot, self._now_at.snapshot.column("depth")
            for n in (n for n, flag in enumerate(flags) if flag == _POINT):
                slot = snapshot.sampled_at[rows[n]] // SPARK_STEP * SPARK_STEP
                point = orjson.dumps([int(slot), number(float(depth[rows[n]]))])
                texts[n] = texts[n][:-1] + b',"point":' + point + b"}"
        return texts

    def _sparks(self, ids: Sequence[int]) -> dict[int, bytes]:
        """The ends of rows with a sparkline, by queue: these at least."""
        moment, slot = self._now_at, self._now // SPARK_STEP
        if moment.slot != slot:
            moment.slot, moment.sparks = slot, {}
        missing = [id for id in ids if id not in moment.sparks]
        if missing:
            start, values = moment.sparks_of(missing)
            for id, line in zip(missing, values, strict=True):
                moment.sparks[id] = b',"spark":' + orjson.dumps(attention.spark(start, line)) + b"}"
        return moment.sparks

    def _row(self, i: int, id: int) -> bytes:
        """A row as JSON, made again only when something about it changed; words on how long, twice a minute."""
        snapshot = self._now_at.snapshot
        broker = int(snapshot.broker_ids[i])
        key = (
            snapshot.values[:, i].tobytes(),
            snapshot.sampled_at[i],
            snapshot.state[i],
            snapshot.since[i],
            snapshot.stale[i],
            snapshot.entries[i],
            snapshot.brokers[broker].name,
            snapshot.broker_states[broker],
            snapshot.at // 30,
        )
        made = self._rows.get(id)
        if made is None or made[0] != key:
            row = snapshot.row(i)
            row["quality"] = {name: q for name, q in row["quality"].items() if q not in ("exact", "unknown")}
            made = self._rows[id] = (key, orjson.dumps(row))
        self._now_at.rows[id] = made[1]
        return made[1]

    def _about(self, id: int) -> bytes:
        """What the view of one queue has beside its row."""
        snapshot = self._now_at.snapshot
        i = snapshot.index(id)
        assert i is not None
        entry = snapshot.entries[i]
        ends = [("dead_letters", entry.dead_letter_queue_id), *(("dead_letter_of", of) for of in entry.dead_letter_of)]
        relations = [
            {"kind": kind, "id": other, "name": snapshot.entries[at].name}
            for kind, other in ends
            if other is not None and (at := snapshot.index(other)) is not None
        ]
        point = {"at": float(snapshot.sampled_at[i])} | {m: number(float(snapshot.column(m)[i])) for m in METRICS}
        return orjson.dumps({"relations": relations, "point": point})[1:-1]

    def _ten_minutes_ago(self, snapshot: Snapshot, sparks_of: SparksOf, now: float) -> Floats:
        """Depths ten minutes ago; they change only with the half minute, and with the set of queues."""
        slot = now // SPARK_STEP
        if self._before is None or self._before[0] != slot or not np.array_equal(self._before[1], snapshot.ids):
            self._before = (slot, snapshot.ids, summary.depth_before(snapshot, sparks_of))
        return self._before[2]
