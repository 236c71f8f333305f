"""A round of frames: for everything that clients ask for at one moment, made in one thread.

It also tells the collectors which queues are looked at, since it sees every view that is open.
"""

from __future__ import annotations

import time
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from django.db import close_old_connections

from ..fleet import Fleet
from ..snapshot import Snapshot
from ..ticks import Ints
from .bus import Bus
from .frames import Frame, Frames
from .others import KINDS, OtherView
from .straight import framed, packed
from .view import QueueView, View, same_list

WATCH_EVERY = 20.0  # seconds; collectors forget after sixty
#: Frames that are compressed in one round, those with the most readers first, and bytes from which it is worth it: each
#: costs half a millisecond, however many read it.
MOST_PACKED, WORTH_PACKING = 100, 1000
MOST_WATCHED = 20  # queues of a broker that are looked at closely: each may cost the broker a request a poll


class Request:
    """What some clients ask for, and share: view, last frame, held order; whether they want a frame or a heartbeat."""

    __slots__ = ("beat", "fresh", "held", "key", "last", "view")

    def __init__(self, view: View, last: Frame | None, held: Ints | None, fresh: bool, beat: bool) -> None:
        self.view, self.last, self.held, self.fresh, self.beat = view, last, held, fresh, beat
        self.key = (view, id(last), id(held), fresh, beat)

    def __hash__(self) -> int:
        return hash(self.key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Request) and self.key == other.key


@dataclass(slots=True)
class Made:
    """What a request gets: its text as an ASGI message and as bytes for the wire, also packed for those who can unpack
    them (empty: not), and the frame (None: a heartbeat)."""

    seq: int
    message: dict[str, Any]
    wire: bytes
    frame: Frame | None
    packed: bytes = b""

    @classmethod
    def of(cls, seq: int, text: str, frame: Frame | None) -> Made:
        return cls(seq, {"type": "websocket.send", "text": text}, framed(text.encode()), frame)


NOBODY: Mapping[Request, int] = {}


class Rounds:
    """Makes rounds, one after another. For one thread, since it queries the database."""

    def __init__(self, fleet: Fleet, bus: Bus) -> None:
        self._fleet, self._bus = fleet, bus
        self._frames = Frames()
        self._seq, self._now = 0, 0.0
        self._snapshot: Snapshot
        self._others: dict[tuple[OtherView, Hashable], Frame] = {}  # of this round
        self._watched: dict[int, tuple[float, list[int]]] = {}

    def make(self, requests: list[Request], unpacking: Mapping[Request, int] = NOBODY) -> dict[Request, Made]:
        """The answers, leaving out requests for which nothing is new. `unpacking`: how many can unpack theirs."""
        close_old_connections()
        now = self._now = time.time()
        snapshot = self._snapshot = self._fleet.snapshot(now)
        self._others = {}
        self._seq += 1
        self._frames.begin(snapshot, self._fleet.sparks, self._seq, now)
        answers = {request: self._answer(request) for request in requests}
        _pack(answers, unpacking)
        self._watch(snapshot, requests, answers)
        return {request: made for request, made in answers.items() if made is not None}

    def _answer(self, request: Request) -> Made | None:
        view, last = request.view, request.last
        if isinstance(view, OtherView):
            return self._other(request, view)
        if request.fresh or last is None or last.version != self._frames.version:
            # after a change of list a client starts with nothing: it may have let go of what it had
            seen = last if last is not None and same_list(last.view, view) else None
            frame = self._frames.frame(view, seen, request.held)
            return Made.of(self._seq, frame.text, frame)
        return self._beat(request)

    def _other(self, request: Request, view: OtherView) -> Made | None:
        """The same for a view of another package, which says itself whether something is new."""
        kind, last = KINDS[view.name], request.last
        version = kind.version(view, self._snapshot, self._now)
        if request.fresh or last is None or last.view != view or last.version != version:
            if (view, version) not in self._others:
                told = kind.told(view, self._snapshot, self._now)
                self._others[view, version] = self._frames.other(view, told, version)
            frame = self._others[view, version]
            return Made.of(self._seq, frame.text, frame)
        return self._beat(request)

    def _beat(self, request: Request) -> Made | None:
        if request.beat:
            return Made.of(self._seq, self._frames.heartbeat(request.view), None)
        return None

    def _watch(self, snapshot: Snapshot, requests: list[Request], answers: dict[Request, Made | None]) -> None:
        """Say on the bus which queues are looked at, when that changed or was said long ago."""
        looked: dict[int, int] = {}
        for request in sorted(requests, key=lambda one: not isinstance(one.view, QueueView)):
            made = answers[request]
            frame = request.last if made is None or made.frame is None else made.frame
            looked |= frame.slots if frame is not None else {}
        queues, brokers = _known(snapshot, np.fromiter(looked, np.int64, len(looked)))
        now = time.monotonic()
        for broker in np.unique(brokers).tolist():
            said_at, said = self._watched.get(broker, (0.0, []))
            ids = sorted(queues[brokers == broker][:MOST_WATCHED].tolist())
            if ids != said or now - said_at > WATCH_EVERY:
                self._watched[broker] = (now, ids)
                self._bus.note("watch", broker=broker, queues=ids)


def _pack(answers: Mapping[Request, Made | None], unpacking: Mapping[Request, int]) -> None:
    """Compress what most can unpack. Several requests may have one frame."""
    done: dict[int, bytes] = {}
    for request in sorted(unpacking, key=lambda one: -unpacking[one]):
        made = answers[request]
        if made is None or made.frame is None or len(made.wire) < WORTH_PACKING:
            continue
        if id(made.frame) not in done:
            if len(done) == MOST_PACKED:
                return
            done[id(made.frame)] = packed(made.message["text"].encode())
        made.packed = done[id(made.frame)]


def _known(snapshot: Snapshot, ids: Ints) -> tuple[Ints, Ints]:
    """Those of some queues that are there, in their order, and the broker of each."""
    if not len(snapshot):
        return ids[:0], ids[:0]
    rows = np.searchsorted(snapshot.ids, ids).clip(max=len(snapshot) - 1)
    there = snapshot.ids[rows] == ids
    return ids[there], snapshot.broker_ids[rows[there]]
