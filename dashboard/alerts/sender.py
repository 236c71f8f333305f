"""Emptying the outbox: one thread for each notifier that has something due, so that a hanging service delays no other.

A notifier is leased while it is sent to. What was sent is written down after it was sent: a process that dies in
between sends once more, with the same key, by which receivers drop repetitions. Nothing is lost, and of one incident
nothing is told out of order.
"""

from __future__ import annotations

import logging
import os
import random
import secrets
import socket
from collections.abc import Callable, Mapping
from datetime import timedelta
from threading import Event, Lock, Thread
from typing import Any

from django.db import DatabaseError, close_old_connections, connection
from django.db.models import Q
from django.utils import timezone

from ..live.bus import the_bus
from ..models import Incident, IncidentNote, Notifier, Telling
from ..secrets import SecretError, decrypt
from . import telling as ways
from .telling import BadNotifier, Sent, Undelivered, notice

log = logging.getLogger("weir.alerts")

EVERY = 2.0  # seconds between looks at the outbox; a note on the bus comes sooner
LEASE = timedelta(seconds=90)  # longer than any one attempt
FIRST_PAUSE, LONGEST_PAUSE = 5.0, 900.0  # seconds before it is tried again
MOST_ATTEMPTS = 12  # about an hour
MOST_THREADS = 100

Waiting = Telling.State.WAITING
Send = Callable[[Notifier, notice.Notice], Sent]


def send_by(notifier: Notifier, what: notice.Notice) -> Sent:
    """Send one notice to a notifier. Raises Undelivered."""
    try:
        target = ways.parse(decrypt(notifier.secret_url))
    except (SecretError, BadNotifier) as error:
        raise Undelivered(str(error), permanent=True) from None
    return ways.send(target, what, notifier.allow_private)


class Sender:
    """Sends what is due, until `stop`."""

    def __init__(self, send: Send = send_by) -> None:
        self.send = send
        self.name = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"[:64]
        self._busy: set[int] = set()
        self._lock = Lock()
        self._wake, self._stopped = Event(), Event()
        self._unsubscribe = the_bus().subscribe(None, self._noted)

    def start(self) -> None:
        Thread(target=self.run, name="sender", daemon=True).start()

    def run(self) -> None:
        while not self._stopped.is_set():
            try:
                close_old_connections()
                self.begin()
            except DatabaseError as error:
                log.warning("The outbox cannot be read: %s", " ".join(str(error).split())[:200])
            self._wake.wait(EVERY)
            self._wake.clear()
        connection.close()

    def stop(self) -> None:
        self._stopped.set()
        self._wake.set()
        self._unsubscribe()

    def _noted(self, kind: str, fields: Mapping[str, Any]) -> None:
        if kind == "tell":
            self._wake.set()

    def begin(self) -> None:
        """A thread for every notifier that has something due and none yet."""
        due = Telling.objects.filter(state=Waiting, due_at__lte=timezone.now()).order_by()
        for id in due.values_list("notifier_id", flat=True).distinct():
            with self._lock:
                if id in self._busy or len(self._busy) >= MOST_THREADS:
                    continue
                self._busy.add(id)
            Thread(target=self._serve, args=(id,), name=f"tell-{id}", daemon=True).start()

    def _serve(self, id: int) -> None:
        try:
            self.serve(id)
        except DatabaseError as error:
            log.warning("The outbox cannot be written: %s", " ".join(str(error).split())[:200])
        except Exception:
            log.exception("Telling notifier %d failed.", id)
        finally:
            with self._lock:
                self._busy.discard(id)
            connection.close()

    def serve(self, id: int) -> int:
        """Send everything that is due for one notifier; how many were tried. Another worker at it: none."""
        tried = 0
        while not self._stopped.is_set() and self._lease(id):
            telling = self._next(id)
            if telling is None:
                break
            self.attempt(telling)
            tried += 1
        Notifier.objects.filter(pk=id, owner=self.name).update(owner="", leased_until=None)
        return tried

    def _lease(self, id: int) -> bool:
        now = timezone.now()
        free = Q(owner=self.name) | Q(owner="") | Q(leased_until=None) | Q(leased_until__lt=now)
        return bool(Notifier.objects.filter(free, pk=id).update(owner=self.name, leased_until=now + LEASE))

    def _next(self, id: int) -> Telling | None:
        """The oldest that is due and does not have to wait for an earlier one about the same incident."""
        now = timezone.now()
        waiting = Telling.objects.filter(notifier_id=id, state=Waiting)
        due = waiting.filter(due_at__lte=now).select_related("notifier").order_by("id")
        sent = Telling.objects.filter(notifier_id=id, sent_at__gt=now - timedelta(minutes=1)).count()
        if sent >= Notifier.objects.values_list("per_minute", flat=True).get(pk=id):
            due.filter(attempts=0).exclude(event="test").update(due_at=now + timedelta(seconds=5))
            return None
        for telling in due[:50]:
            earlier = waiting.filter(pk__lt=telling.pk, incidents__in=telling.incidents.all())
            if not earlier.exists():
                return telling
        return None

    def attempt(self, telling: Telling) -> Sent | Undelivered:
        """One try, and what became of it in the books."""
        incidents = list(telling.incidents.select_related("rule").order_by("id"))
        if not incidents and telling.event != "test":
            Telling.objects.filter(pk=telling.pk).update(state=Telling.State.DROPPED)
            return Undelivered("There is nothing left to tell.", permanent=True)
        try:
            sent = self.send(telling.notifier, notice.of(telling, incidents))
        except Undelivered as error:
            self._failed(telling, incidents, error)
            return error
        except Exception as error:  # a mistake in a way of telling is a failure of this message, not of the sender
            log.exception("Telling %s failed.", telling.notifier.name)
            failure = Undelivered(f"Weir failed to send it: {type(error).__name__}.", permanent=False)
            self._failed(telling, incidents, failure)
            return failure
        self._sent(telling, incidents)
        return sent

    def _sent(self, telling: Telling, incidents: list[Incident]) -> None:
        now = timezone.now()
        done = {"state": Telling.State.SENT, "sent_at": now, "attempts": telling.attempts + 1, "last_error": ""}
        Telling.objects.filter(pk=telling.pk).update(**done)
        Notifier.objects.filter(pk=telling.notifier_id).update(last_sent_at=now, last_error="", failing_since=None)
        _note(incidents, "told", telling.notifier.name)

    def _failed(self, telling: Telling, incidents: list[Incident], error: Undelivered) -> None:
        now, attempts = timezone.now(), telling.attempts + 1
        given_up = error.permanent or attempts >= MOST_ATTEMPTS
        rows = Telling.objects.filter(pk=telling.pk)
        said = str(error)[:1000]
        if given_up:
            rows.update(state=Telling.State.GIVEN_UP, attempts=attempts, last_error=said)
            notifier = Notifier.objects.filter(pk=telling.notifier_id)
            notifier.update(last_error=said)
            notifier.filter(failing_since=None).update(failing_since=now)
            _note(incidents, "not told", f"{telling.notifier.name}: {said}")
            log.error("Weir gave up telling %s: %s", telling.notifier.name, said)
            return
        rows.update(attempts=attempts, last_error=said, due_at=now + timedelta(seconds=pause(attempts)))
        Notifier.objects.filter(pk=telling.notifier_id).update(last_error=said)
        log.warning("Telling %s did not work, trying again: %s", telling.notifier.name, said)


def pause(attempts: int) -> float:
    """Seconds until the next try: twice as long each time, and never exactly so, lest all come back at once."""
    whole = min(FIRST_PAUSE * 2.0 ** (attempts - 1), LONGEST_PAUSE)
    return float(whole * random.uniform(0.5, 1.5))


def _note(incidents: list[Incident], what: str, text: str) -> None:
    rows = [IncidentNote(incident=one, who="Weir", what=what, text=text) for one in incidents]
    IncidentNote.objects.bulk_create(rows, batch_size=500)
