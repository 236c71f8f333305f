"""The worker of replays: which of them this process runs, and what their runners tell.

A replay belongs to one worker at a time, by a lease in its row that is taken and renewed by a conditional update.
A worker that did not renew it (it was stopped, or the database was away) sends nothing more: its desk says so
before each batch, by a clock that goes on while the process stands still.
"""

from __future__ import annotations

import logging
import os
import secrets
import socket
from contextlib import suppress
from datetime import timedelta
from threading import Event, Lock, Thread
from typing import Any

from django.db import DatabaseError, InterfaceError, OperationalError, close_old_connections, connections, transaction
from django.db.models import Q
from django.utils import timezone

from collectors.errors import CollectorError

from .. import audit
from ..letters import doubles, taking
from ..live.bus import Bus
from ..models import Broker, Queue, Replay
from ..models.replays import ACTIVE, UNCLOSED
from ..refused import DeedRefused
from ..secrets import SecretError
from . import clock, keeping, left_open, orders, ownmove, staging, undoing
from .desks import RowDesk, following
from .journal import Journal
from .places import journal_path, place
from .runner import Runner
from .states import Counts, JournalError

log = logging.getLogger("weir.replay")

LEASE = 20.0  # seconds; a worker that says nothing for so long has lost its replays
RENEW = 4.0
ROUND = 0.4  # seconds between looks at orders
AT_ONCE, MOST = 4, 40  # replays that one process runs: beside those that watch or yield, and in all
LAST_LOOK = 60.0  # seconds for which one that begins waits until one that watched has looked for returns once more
#: What has come to its end by itself.
_ENDED = (Replay.State.DONE, Replay.State.FAILED)
#: What calls for a worker: what is under way; moves of a broker's own that were stopped and are to be cancelled; what
#: was stopped while its worker was dead, whose journal says what is not known; and what has ended, but its worker could
#: not let go of it.
_WANTED = (
    Q(state__in=ACTIVE)
    | (Q(state=Replay.State.STOPPED) & ~Q(handle="", owner=""))
    | (Q(state__in=_ENDED) & ~Q(owner=""))
)
#: On a broker that became look-only these are gone on with.
_CHANGES_NOTHING = (Replay.State.STOPPED, Replay.State.WATCHING)


class Replayer:
    """Runs the replays that it could lease, each in a thread; or `only` one. `run` blocks until `stop`."""

    def __init__(self, bus: Bus, only: int | None = None) -> None:
        self.bus, self.only = bus, only
        self.name = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"[:64]
        self.place = place()
        self._desks: dict[int, RowDesk] = {}
        self._threads: dict[int, Thread] = {}
        self._held_back: dict[int, float] = {}  # since when
        self._renewed = 0.0
        self._thread: Thread | None = None
        self._wake, self._stopped, self._lock = Event(), Event(), Lock()
        self._unsubscribe = bus.subscribe(None, self._noted)

    def start(self) -> None:
        """Run in a thread of its own."""
        self._thread = Thread(target=self.run, name="replayer", daemon=True)
        self._thread.start()

    def run(self) -> None:
        while not self._stopped.is_set():
            try:
                close_old_connections()
                self.round()
            except DatabaseError as error:  # locked or away: leases run out by themselves, and nothing is sent then
                log.warning("Replays wait for the database: %s", error)
            except Exception:
                log.exception("A round of replays failed; the next one tries again.")
            self._wake.wait(ROUND)
            self._wake.clear()

    def stop(self, timeout: float = 20.0) -> None:
        """Let every runner come to a stop between two batches, and give the leases back."""
        self._stopped.set()
        self._wake.set()
        self._unsubscribe()
        until = clock.now() + timeout
        self._end()
        if self._thread is not None:
            self._thread.join(timeout)
            self._end()  # of what its last round has just taken on, too
        for thread in list(self._threads.values()):
            thread.join(max(0.1, until - clock.now()))

    def _end(self) -> None:
        for desk in list(self._desks.values()):
            desk.ending = True

    def round(self) -> None:
        """Hear orders, renew leases, take on what is free."""
        self._hear()
        if clock.now() - self._renewed > RENEW:
            self._renewed = clock.now()
            self._renew()
        with self._lock:
            waiting = sum(desk.said in (Replay.State.WATCHING, Replay.State.YIELDING) for desk in self._desks.values())
            room = min(AT_ONCE - (len(self._desks) - waiting), MOST - len(self._desks))
        if room > 0 and not self._stopped.is_set():
            self._take_on(room)

    def _hear(self) -> None:
        desks = dict(self._desks)
        if not desks:
            return
        rows = Replay.objects.filter(pk__in=list(desks))
        for id, state, rate, owner, queue, look_only, *other in rows.values_list(
            "pk", "state", "rate", "owner", "queue", "queue__broker__look_only", "followed_by", "followed_by__deed"
        ):
            desk = desks.pop(id)
            desk.ordered, desk.rate = (state if owner == self.name else "lost"), rate
            if (look_only or queue is None) and state not in _CHANGES_NOTHING and not desk.by_itself:
                desk.ordered = "refused"  # it is let go of, taken on anew, and refused then, with the reason
            desk.followed = following(*other)
        for gone in desks.values():
            gone.ordered = "gone"

    def _renew(self) -> None:
        for id, desk in list(self._desks.items()):
            began = clock.now()
            until = timezone.now() + timedelta(seconds=LEASE)
            if Replay.objects.filter(pk=id, owner=self.name).update(owned_until=until):
                desk.until = began + LEASE
            else:
                desk.ordered = "lost"

    def _take_on(self, most: int) -> None:
        now = timezone.now()
        free = Q(owner="") | Q(owned_until__lt=now) | Q(owned_until=None)
        there = Replay.objects.filter(free, _WANTED, place__in=("", self.place)).order_by("pk")
        if self.only is not None:
            there = there.filter(pk=self.only)
        for id in there.values_list("pk", flat=True)[: most + len(self._held_back)]:
            if id in self._desks or self._last_look(id):
                continue
            began = clock.now()
            taken = Replay.objects.filter(free, _WANTED, pk=id, place__in=("", self.place)).update(
                owner=self.name, owned_until=now + timedelta(seconds=LEASE), place=self.place
            )
            if taken:
                self._begin(Replay.objects.select_related("queue__broker", "followed_by").get(pk=id), began)

    def _last_look(self, id: int) -> bool:
        """Whether one that watched the queue until this one began is just looking for returns once more."""
        watching = Replay.objects.filter(followed_by=id, state=Replay.State.WATCHING, owned_until__gt=timezone.now())
        waits = clock.now() - self._held_back.setdefault(id, clock.now()) < LAST_LOOK and watching.exists()
        if not waits:
            del self._held_back[id]
        return waits

    def _begin(self, replay: Replay, began: float) -> None:
        desk = RowDesk(replay, self.name, self.bus)
        desk.until = began + LEASE
        thread = Thread(target=self._run, args=(replay, desk), name=f"replay-{replay.pk}", daemon=True)
        with self._lock:
            self._desks[replay.pk], self._threads[replay.pk] = desk, thread
        thread.start()

    def _run(self, replay: Replay, desk: RowDesk) -> None:
        """In a thread of its own: one replay, until it is over or halted."""
        try:
            self._run_one(replay, desk)
        except (DeedRefused, SecretError, JournalError, CollectorError) as error:
            desk.tell(Replay.State.FAILED, str(error), _counts(replay), replay.total)
        except (OperationalError, InterfaceError) as error:  # its row says that it is under way: it is taken on anew
            log.warning("Replay %d waits for the database: %s", replay.pk, error)
        except Exception:
            log.exception("Replay %d failed.", replay.pk)
            with suppress(DatabaseError):
                desk.tell(Replay.State.FAILED, "Weir itself failed at this; its log says where.", _counts(replay), None)
        finally:
            try:
                self._let_go(replay, desk)
            except DatabaseError as error:  # then the lease runs out by itself
                log.warning("Replay %d could not be given back: %s", replay.pk, error)
            with self._lock:
                self._desks.pop(replay.pk, None)
                self._threads.pop(replay.pk, None)
            connections.close_all()

    def _run_one(self, replay: Replay, desk: RowDesk) -> None:
        if replay.state in _ENDED:
            return
        if replay.state not in _CHANGES_NOTHING and not desk.by_itself:
            orders.must_change(replay.queue)
        if replay.deed == Replay.Deed.RESTORE:
            undoing.restore(replay, desk)
            return
        if replay.how == Replay.How.BROKER:
            ownmove.run(replay, desk)
            return
        queue = replay.queue
        if queue is None:
            self._without_queue(replay, desk)
            return
        if not journal_path(replay.own).exists() and (replay.sent or replay.failed or replay.skipped):
            raise JournalError(
                "The journal of this replay is no longer there: what was being sent cannot be told. Look into both "
                "queues, and make a new one for what is left."
            )
        writer = f"{self.name}-{secrets.token_hex(4)}"
        left_open.name_those_of_others(replay, writer)
        with Journal(journal_path(replay.own), writer) as journal:
            try:
                if replay.state != Replay.State.STOPPED:
                    self._runner(replay, queue, desk, journal).run()
                self._close_books(replay, desk, journal)
            finally:
                _tell_index(queue, journal)

    def _without_queue(self, replay: Replay, desk: RowDesk) -> None:
        """Its broker was deleted: nothing more is sent, and what is not known is said all the same."""
        stopped, said = replay.state == Replay.State.STOPPED, f"{replay.queue_name} is no longer known here."
        if not journal_path(replay.own).exists():
            raise DeedRefused("queue_id", said)
        with Journal(journal_path(replay.own), f"{self.name}-{secrets.token_hex(4)}") as journal:
            if not stopped:
                desk.tell(Replay.State.FAILED, said, journal.counts, replay.total)
            self._close_books(replay, desk, journal)

    @staticmethod
    def _runner(replay: Replay, queue: Queue, desk: RowDesk, journal: Journal) -> Runner:
        begun_with = journal.said("stamps") == "1" if journal.said("began") else None
        broker = orders.adapter(queue.broker)
        try:
            order = orders.order_of(replay, broker, begun_with)
        finally:
            broker.close()
        wrap = keeping.wrapper(replay) if replay.deed == Replay.Deed.DELETE else None
        return Runner(desk, lambda: orders.adapter(_as_it_is_now(queue.broker)), order, journal, wrap)

    def _close_books(self, replay: Replay, desk: RowDesk, journal: Journal) -> None:
        """Nobody goes on with what was stopped, and perhaps not with what failed: what became of some messages is not
        known, and is said."""
        over = Replay.objects.filter(
            pk=replay.pk, owner=self.name, state__in=(Replay.State.STOPPED, Replay.State.FAILED)
        )
        told = over.values_list("state", "reason", "total").first()
        if told is None:
            return
        state, reason, total = told
        desk.closed |= state == Replay.State.STOPPED
        if open_ := journal.leave_open() if state == Replay.State.STOPPED else left_open.name(journal):
            said = f"Of {open_:,} it is not known whether they were moved: they may be there twice, or lie here still."
            over.update(reason=f"{reason} {said}".strip()[:1000])
        desk.tell("", "", journal.counts, max(total or 0, journal.counts.total))

    def _let_go(self, replay: Replay, desk: RowDesk) -> None:
        """Give the lease back; of what is over, write the last line of the audit trail."""
        replay.refresh_from_db()
        if replay.owner != self.name:
            return
        now = timezone.now()
        columns: dict[str, Any] = {"owner": "", "owned_until": None, "trouble": ""}
        if replay.over and (tidied := staging.tidied(replay)):
            columns["reason"] = replay.reason = f"{replay.reason} {tidied}".strip()[:1000]
        if replay.over and replay.ended_at is None:
            columns["ended_at"] = now
        mine = Replay.objects.filter(pk=replay.pk, owner=self.name)
        with transaction.atomic():  # who sees that nobody is at it any more finds its last line
            if self._stopped_late(replay, desk) or not mine.filter(state=replay.state).update(**columns):
                mine.update(owner=UNCLOSED, owned_until=None)  # it was given another order just now: taken on anew
                return
            if replay.over:
                _note_end(replay)
        self.bus.note("replay_told", replay=replay.pk)

    @staticmethod
    def _stopped_late(replay: Replay, desk: RowDesk) -> bool:
        """Whether it was stopped after its books were, or were not, to be closed."""
        books = replay.how == Replay.How.WEIR and replay.deed != Replay.Deed.RESTORE
        return books and replay.state == Replay.State.STOPPED and not desk.closed

    def _noted(self, kind: str, fields: Any) -> None:
        if kind == "replays_changed":
            self._wake.set()


def _as_it_is_now(broker: Broker) -> Broker:
    """A broker with the URL that it has now: somebody may have put its password right."""
    with suppress(DatabaseError, Broker.DoesNotExist):
        close_old_connections()
        broker.refresh_from_db()
    return broker


def _note_end(replay: Replay) -> None:
    audit.record(
        "Weir",
        f"end {replay.deed}",
        f"{replay.deed} {replay.pk} of {replay.queue_name}",
        replay.state,
        how=replay.how,
        reason=replay.reason,
        sent=replay.sent,
        removed=replay.removed,
        came_back=replay.came_back,
        failed=replay.failed,
        skipped=replay.skipped,
        possibly_duplicated=replay.possibly_duplicated,
    )


def _counts(replay: Replay) -> Counts:
    return Counts(
        replay.total or 0, replay.sent, replay.removed, replay.came_back, replay.failed, replay.skipped,
        replay.possibly_duplicated,
    )  # fmt: skip


def _tell_index(queue: Queue, journal: Journal) -> None:
    """The index of dead letters need not look to know that these are gone."""
    try:
        for keys in journal.gone_since():
            taking.removed(queue.pk, keys)
        doubles.add(queue.pk, journal.doubles)
        journal.commit()
    except (DatabaseError, JournalError) as error:
        log.info("The index of %s learns by its next look what was removed: %s", queue.name, error)
