"""Looking by itself: where looking is free, queues of dead letters are read all the time, in bounded steps.

A pass reads a queue from its beginning to its end, a step at a time, and at its end knows which letters are gone. It
lives in this process alone: one that dies is begun anew by whoever takes over. Between passes what was added behind
the end is read from where the last step began. Where looking has a price, only what a person switched on is looked
into, seldom, and never with the last half of the budget.
"""

from __future__ import annotations

import logging
import os
import secrets
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Event, Thread

import numpy as np
from django.db import DatabaseError, close_old_connections

from collectors.errors import CollectorError, NotSupported
from collectors.letters import Bounds, HoldsLetters
from collectors.letters import Look as Seen

from ..live.bus import the_bus
from ..live.feed import fleet
from ..models import Place, Queue
from ..refused import DeedRefused
from ..ticks import Ints
from . import columns, looks, places, taking
from .places import Holder

log = logging.getLogger("weir.letters")

EVERY = 2.0  # seconds between rounds
BUSY = 2.0  # seconds of a round that are spent on steps
STEP = Bounds(messages=500, bytes=16 << 20, body_bytes=1 << 20, seconds=5.0)
LEASE = 60.0
#: A price is asked again after so long; what failed is tried again after so long, and longer when a person must act.
PRICED, RETRY, RETRY_PERMANENT = 1800.0, 30.0, 300.0
#: Seconds between passes: after a change, and without any; never more than a tenth, a twentieth of the time.
SOON, LATER, LONGEST = 2.0, 20.0, 900.0
#: Seconds between looks that have a price.
PRICED_EVERY = 300.0
#: Of a long queue what is in its first and its last letters is kept: between them others would only push it out.
KEPT = (1_000, 10_000)
#: Letters that the index holds; beyond them nothing new is taken in.
MOST_LETTERS = 2_000_000


@dataclass(slots=True)
class Pass:
    """Reading one queue through. `tail`: where the last step began; `lying`: what its broker said at the start."""

    began: float
    lying: tuple[float, float]
    after: str = ""
    tail: str = ""
    ids: list[Ints] = field(default_factory=list)
    cost: float = 0.0
    ended: float = 0.0  # monotonic; 0 = it is under way
    first: bool = True

    @property
    def taken(self) -> int:
        return sum(map(len, self.ids))


class Reader:
    """Reads what is free to be read. `run` blocks until `stop`; several processes share the queues by leases."""

    def __init__(self) -> None:
        self.name = f"{socket.gethostname()[:30]}-{os.getpid()}-{secrets.token_hex(4)}"
        self._stopped = Event()
        self._thread: Thread | None = None
        self._passes: dict[int, Pass] = {}
        self._not_before: dict[int, float] = {}
        self._adapters: dict[int, tuple[int, HoldsLetters]] = {}

    def start(self) -> None:
        """Run in a thread of its own."""
        self._thread = Thread(target=self.run, name="letters", daemon=True)
        self._thread.start()

    def run(self) -> None:
        while not self._stopped.is_set():
            more = False
            try:
                close_old_connections()
                more = self.round()
            except DatabaseError as error:  # locked or away: the next round tries again
                log.warning("The index of dead letters waits for the database: %s", error)
            except Exception:
                log.exception("A round of reading dead letters failed; the next one tries again.")
            self._stopped.wait(0.1 if more else EVERY)
        for broker in list(self._adapters):
            self._close(broker)

    def stop(self, timeout: float = 8.0) -> None:
        """End the step that is under way, which gives everything back, and let go."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join(timeout)
        Place.objects.filter(owner=self.name).update(owner="", owned_until=0.0)

    def round(self) -> bool:
        """A step for each queue that is due; whether there is more to do at once."""
        snapshot, rows = fleet().snapshot(), places.rows()
        held = places.holders(snapshot)
        for gone in self._passes.keys() - held.keys():
            del self._passes[gone]
        for known in rows.values():
            looks.sort_in(known, snapshot)
        end, more = time.monotonic() + BUSY, False
        for holder in held.values():
            if self._stopped.is_set() or holder.stale or time.monotonic() < self._not_before.get(holder.id, 0.0):
                continue
            row = rows.get(holder.id)
            if row is not None and row.deliveries and holder.empty:
                looks.refill(holder.id, holder.sampled_at)
            if time.monotonic() > end:
                return True
            with self._failing(holder):
                more |= self._tend(holder, row)
        return more

    def _tend(self, holder: Holder, row: Place | None) -> bool:
        """Whatever is due for one queue; whether there is more to do at once."""
        now = time.time()
        if row is None or now - row.priced_at > PRICED:
            queue = _queue(holder.id)
            offer = looks.offer_by(queue, self._adapter(queue))
            row = offer.place
        if row.refused:
            return False
        if not row.free:
            if row.by_itself and self._may_look(holder, row, now):
                queue = _queue(holder.id)
                looks.by_itself(queue, self._adapter(queue))
                self._passes[holder.id] = Pass(now, holder.lying, ended=time.monotonic(), first=False)
            return False
        return self._read(holder)

    def _may_look(self, holder: Holder, row: Place, now: float) -> bool:
        last, left = self._passes.get(holder.id), looks.left_of(row)
        news = last is None or last.lying != holder.lying
        enough = left is None or (row.limit is not None and left > row.limit / 2)
        return news and enough and now - (row.looked_at or 0.0) > PRICED_EVERY

    def _read(self, holder: Holder) -> bool:
        """A step of a pass, or of what came behind the last one, if either is due."""
        one = self._passes.get(holder.id)
        full = one is None or not one.ended or self._due(holder, one)
        tail = one is not None and bool(one.tail) and one.lying != holder.lying
        if not (full or tail) or not looks.claim(holder.id, self.name, LEASE):
            return False
        if len(columns.letters()) >= MOST_LETTERS:
            raise NotSupported(f"The index holds {MOST_LETTERS:,} letters and takes no more; delete or replay some.")
        queue = _queue(holder.id)
        if full and (one is None or one.ended):
            one = self._passes[holder.id] = Pass(time.time(), holder.lying, first=one is None)
        assert one is not None
        return self._step(queue, one) if full else self._behind(queue, one, holder)

    def _due(self, holder: Holder, one: Pass) -> bool:
        changed = one.lying != holder.lying
        wait = max(SOON, 10 * one.cost) if changed else max(LATER, 20 * one.cost)
        return time.monotonic() - one.ended > min(wait, LONGEST)

    def _step(self, queue: Queue, one: Pass) -> bool:
        """Read on; at the end of the queue say what is gone."""
        began = time.monotonic()
        seen = self._adapter(queue).look(queue.key, STEP, one.after, self._stopped.is_set)
        if self._stopped.is_set():
            return False
        keep = one.taken < KEPT[0] or seen.of is None or seen.of - one.taken <= KEPT[1]
        one.ids.append(taking.take(queue, seen.letters, seen.at, keep))
        one.cost += time.monotonic() - began
        one.tail = one.after
        if seen.after and seen.after != one.after:
            one.after = seen.after
            self._say(queue, seen, None)
            return True
        complete = seen.of is not None and one.taken >= seen.of
        ids = np.concatenate(one.ids)
        if complete:
            taking.finish(queue, ids, seen.exact, one.began)
        self._say(queue, seen, one.began if complete else None)
        one.ids, one.ended = [], time.monotonic()
        return False

    def _behind(self, queue: Queue, one: Pass, holder: Holder) -> bool:
        """Read what was added since the last pass: from where its last step began."""
        seen = self._adapter(queue).look(queue.key, STEP, one.tail, self._stopped.is_set)
        taking.take(queue, seen.letters, seen.at)
        more = bool(seen.after) and seen.after != one.tail
        one.tail = seen.after if more else one.tail
        one.lying = one.lying if more else holder.lying
        self._say(queue, seen, None)
        return more

    def _say(self, queue: Queue, seen: Seen, complete_at: float | None) -> None:
        said: dict[str, object] = {"looked_at": seen.at, "of": seen.of, "exact": seen.exact, "error": ""}
        if complete_at is not None:
            said["complete_at"] = complete_at
        Place.objects.filter(queue=queue).update(tried_at=seen.at, **said)
        the_bus().note("letters_changed")

    # --- adapters, and what fails ------------------------------------------------------------------------------------

    def _adapter(self, queue: Queue) -> HoldsLetters:
        """One for each broker, kept from step to step. Raises CollectorError."""
        broker = queue.broker
        kept = self._adapters.get(broker.pk)
        if kept is not None and kept[0] == broker.revision:
            return kept[1]
        self._close(broker.pk)
        adapter = looks.connected(queue)
        self._adapters[broker.pk] = (broker.revision, adapter)
        return adapter

    def _close(self, broker: int) -> None:
        kept = self._adapters.pop(broker, None)
        if kept is not None:
            kept[1].close()  # type: ignore[attr-defined]

    @contextmanager
    def _failing(self, holder: Holder) -> Iterator[None]:
        """A failure is written at the queue, and waited after; the others go on."""
        try:
            yield
        except (CollectorError, DeedRefused) as error:
            permanent = isinstance(error, CollectorError) and error.permanent
            self._not_before[holder.id] = time.monotonic() + (RETRY_PERMANENT if permanent else RETRY)
            self._passes.pop(holder.id, None)
            self._close(holder.broker_id)
            Place.objects.update_or_create(
                queue_id=holder.id, defaults={"error": str(error)[:1000], "tried_at": time.time()}
            )


def _queue(id: int) -> Queue:
    return Queue.objects.select_related("broker").get(pk=id)
