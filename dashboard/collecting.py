"""The collector: which brokers this process polls, and what becomes of their answers.

A broker belongs to one collector at a time. Its row holds the owner until `owned_until`, taken and
renewed by a conditional update: of two collectors one gets it, and a dead one's is taken over.
"""

from __future__ import annotations

import logging
import os
import secrets
import socket
import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from threading import Event, Lock, Thread
from typing import Any

from django.db import DatabaseError, IntegrityError, close_old_connections
from django.db.models import Q
from django.utils import timezone

from collectors.errors import CollectorError
from collectors.poller import Poller
from collectors.protocol import Poll

from .alerts import clock
from .alerts.sender import Sender
from .brokers import url_of
from .live.bus import Bus
from .models import Broker, Queue
from .pipeline import Ingest
from .processes import is_alone
from .secrets import SecretError
from .store.base import Store, StoreError

log = logging.getLogger("weir.collect")

LEASE = 20.0  # seconds; a collector that says nothing for so long has lost its brokers
RENEW = 4.0
NOBODY = 0  # in place of a broker's id
WATCHED = 60.0  # how long a queue counts as looked at after the last word of a web process


class Collector:
    """Polls the brokers that it could lease. `run` blocks until `stop`."""

    def __init__(self, store: Store, bus: Bus) -> None:
        self.store, self.bus = store, bus
        self.name = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"[:64]
        self.poller = Poller(self)
        self._ingest: dict[int, Ingest] = {}
        self._held: dict[int, int] = {}  # broker id -> revision that is polled
        self._until: dict[int, float] = {}  # broker id -> monotonic end of the lease
        self._troubles: dict[int, str] = {}  # broker id, or NOBODY -> what is the matter
        self._unwritable = ""  # why the state database cannot be used; "" = it can
        self._watched: dict[int, dict[str, float]] = {}  # broker id -> key -> monotonic time of the last word
        self._wake, self._stopped, self._lock = Event(), Event(), Lock()
        self._sender: Sender | None = None
        self._thread: Thread | None = None
        self._unsubscribe = bus.subscribe(None, self._noted)

    def start(self) -> None:
        """Run in a thread of its own."""
        self._thread = Thread(target=self.run, name="collector", daemon=True)
        self._thread.start()

    def run(self) -> None:
        """Keep leases and polls in line with the brokers in the database, until `stop`."""
        while not self._stopped.is_set():
            try:
                close_old_connections()
                self.settle()
                self._watch_the_clock()
                self._say(NOBODY, "")
            except (DatabaseError, StoreError) as error:  # locked, full, absent: the next round tries again
                self._unwritable = _sentence(error)
                self._say(NOBODY, self._unwritable)
            except Exception:
                if self._stopped.is_set():  # in the midst of a round: nothing more can be polled
                    break
                log.exception("The list of brokers could not be brought in line; trying again.")
            self._wake.wait(RENEW)
            self._wake.clear()
        self._let_go()

    def _watch_the_clock(self) -> None:
        """A collector looks too, and tells of it itself when no worker is there to do it."""
        clock.turn()
        if not clock.worker_is_silent(time.time()):
            return
        self._sender = self._sender or Sender()
        self._sender.begin()

    def stop(self, timeout: float = 8.0) -> None:
        """End every poll and give the leases back."""
        self._stopped.set()
        self._wake.set()
        self._unsubscribe()
        self.poller.stop(timeout)
        if self._thread is not None:  # a round that is under way may take on brokers still
            self._thread.join(timeout)
        self._let_go()

    # --- which brokers -------------------------------------------------------------------------------------------

    def settle(self) -> None:
        """One round: take or renew the lease of every broker that is to be polled, start, change and end polls."""
        wanted = {broker.id: broker for broker in Broker.objects.filter(paused=False)}
        for id in list(self._held):
            if id not in wanted:
                self._drop(id, release=True)
        for id, broker in wanted.items():
            if self._stopped.is_set():
                return
            if not self._lease(id):
                if id in self._held:
                    log.warning("%s is now polled by another collector.", broker.name)
                    self._drop(id, release=False)
            elif self._held.get(id) != broker.revision:
                self._poll(broker)
        self._forget_unwatched()
        self._unwritable = ""

    def _lease(self, id: int) -> bool:
        now = timezone.now()
        free = Q(owner=self.name) | Q(owner="") | Q(owned_until__lt=now) | Q(owned_until=None)
        mine = Broker.objects.filter(free, id=id, paused=False)
        if not mine.update(owner=self.name, owned_until=now + timedelta(seconds=LEASE)):
            return False
        with self._lock:
            self._until[id] = time.monotonic() + LEASE
        return True

    def _poll(self, broker: Broker) -> None:
        self._held[broker.id] = broker.revision
        try:
            url = url_of(broker)
        except (CollectorError, SecretError) as error:
            self._unpoll(broker.id)
            now = timezone.now()
            self._health(broker.id, last_poll_at=now, last_error=str(error), last_error_at=now)
            return
        if broker.id not in self._ingest:
            self._ingest[broker.id] = Ingest(broker.id, self.store, self.bus.publish)
        if broker.id in self.poller.ids:
            self.poller.change(broker.id, url, broker.interval)
        else:
            self.poller.add(broker.id, url, broker.interval)

    def _unpoll(self, id: int) -> None:
        if id in self.poller.ids:
            self.poller.remove(id)

    def _drop(self, id: int, release: bool) -> None:
        self._unpoll(id)
        self._held.pop(id, None)
        self._ingest.pop(id, None)
        with self._lock:
            self._until.pop(id, None)
        if release:
            with suppress(DatabaseError):  # then the lease runs out by itself
                Broker.objects.filter(id=id, owner=self.name).update(owner="", owned_until=None)

    def _let_go(self) -> None:
        for id in list(self._held):
            self._drop(id, release=True)

    # --- what they answer (collectors.poller.Sink) ---------------------------------------------------------------

    def polled(self, id: int, poll: Poll) -> None:
        """A broker answered: the spine, then its health."""
        if not self._mine(id):
            return
        trouble = ""
        try:
            self._ingest[id](poll)
        except StoreError as error:
            trouble = f"Weir could not store the answer: {error}"
        except DatabaseError as error:
            if isinstance(error, IntegrityError) and not Broker.objects.filter(id=id).exists():
                return  # deleted while it answered: the next round polls it no more
            trouble = _sentence(error)
        unsaid = self._health(
            id,
            last_poll_at=timezone.now(),
            last_answer_at=timezone.now(),
            last_error=trouble,
            last_error_answered=bool(trouble),
            problems=poll.problems[:20],
            poll_seconds=poll.cost.seconds,
            poll_requests=poll.cost.requests,
            poll_bytes=poll.cost.bytes,
            queue_count=len(poll.samples),
            method=poll.method[:300],
            version=poll.version[:100],
            details=[list(pair) for pair in poll.details],
        )
        self._say(id, trouble or unsaid)

    def failed(self, id: int, error: CollectorError, at: float) -> None:
        """A broker did not answer, or refused: said on its page, nothing else changes."""
        if self._mine(id):
            now = timezone.now()
            answered = error.answered
            unsaid = self._health(
                id, last_poll_at=now, last_error=str(error)[:2000], last_error_at=now, last_error_answered=answered
            )
            self._say(id, unsaid)

    def _mine(self, id: int) -> bool:
        """Whether the lease still holds: a process that was paused past it must not write.

        One that is alone goes on while it cannot renew its leases: nobody else could have taken them.
        """
        with self._lock:
            until = self._until.get(id)
        if until is None:
            return False
        return until > time.monotonic() or (bool(self._unwritable) and is_alone())

    def _health(self, id: int, **columns: Any) -> str:
        """Write down how a broker is; the sentence on why that could not be done, else "".

        While the database is locked the rounds of `run` wait for it, not every poll.
        """
        if self._unwritable:
            return self._unwritable
        try:
            close_old_connections()
            Broker.objects.filter(id=id, owner=self.name).update(**columns)
        except DatabaseError as error:
            self._unwritable = _sentence(error)
            self._wake.set()  # a round finds out whether that is so for all
            return self._unwritable
        return ""

    def _say(self, id: int, sentence: str) -> None:
        """A trouble of Weir's own while it collects from a broker ("" = it is over): logged once, shown at once.

        It goes by the bus, because the database, where the page finds what brokers say, may be the trouble.
        """
        with self._lock:
            before, self._troubles[id] = self._troubles.get(id, ""), sentence
        if sentence == before:
            return
        if id != NOBODY:
            self.bus.note("trouble", broker=id, sentence=sentence)
        if sentence and before[:40] != sentence[:40]:
            log.error("%s", sentence)
        elif not sentence:
            log.warning("It is over: %s", before)

    # --- who looks -----------------------------------------------------------------------------------------------

    def _noted(self, kind: str, fields: Mapping[str, Any]) -> None:
        if kind == "brokers_changed":
            self._wake.set()
        elif kind == "dead_letters_marked":
            if ingest := self._ingest.get(int(fields["broker"])):
                ingest.inventory.rest()
        elif fields.get("broker") in self.poller.ids:
            with suppress(KeyError):  # it was dropped a moment ago
                self._noted_of(int(fields["broker"]), kind, fields)

    def _noted_of(self, id: int, kind: str, fields: Mapping[str, Any]) -> None:
        if kind == "poll_now":
            self.poller.poll_now(id)
        elif kind == "watch":
            keys = Queue.objects.filter(id__in=fields.get("queues", [])).values_list("key", flat=True)
            watched = self._watched.setdefault(id, {})
            watched.update(dict.fromkeys(keys, time.monotonic()))  # beside what other web processes look at
            self.poller.watch(id, list(watched))

    def _forget_unwatched(self) -> None:
        for id, watched in list(self._watched.items()):
            kept = {key: at for key, at in watched.copy().items() if time.monotonic() - at < WATCHED}
            if len(kept) < len(watched):
                self._watched[id] = kept
                with suppress(KeyError):
                    self.poller.watch(id, list(kept))


def _sentence(error: DatabaseError | StoreError) -> str:
    """What a database says, for people."""
    if isinstance(error, StoreError):
        return str(error)
    return f"Weir's own database cannot be used: {' '.join(str(error).split())[:200].rstrip('.')}; Weir tries again."
