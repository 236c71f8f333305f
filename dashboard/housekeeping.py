"""What has to be tidied up now and then, by one worker at a time."""

from __future__ import annotations

import logging
import time
from datetime import timedelta
from threading import Event, Thread

from django.conf import settings
from django.contrib.sessions.models import Session
from django.db import OperationalError, close_old_connections
from django.utils import timezone

from .alerts import clock, outbox
from .alerts.sender import Sender
from .archive import trim
from .letters import pruning as letters
from .models import Fact, Note, SignInLink
from .replay import keeping, pruning
from .store.base import Retention, Store

log = logging.getLogger("weir.work")

EVERY = 60.0


def retention() -> Retention:
    """How long samples and rollups are kept here (WEIR_RETENTION_...)."""
    return Retention(
        raw=settings.WEIR_RETENTION_RAW,
        minute=settings.WEIR_RETENTION_MINUTE,
        hour=settings.WEIR_RETENTION_HOUR,
        disk=settings.WEIR_RETENTION_DISK,
    )


class Worker:
    """Tells people, makes the past small and lets go of it, drops what has ended. `run` blocks until `stop`."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.sender = Sender()
        self._stopped = Event()

    def start(self) -> None:
        """Run in a thread of its own."""
        Thread(target=self.run, name="worker", daemon=True).start()

    def run(self) -> None:
        self.sender.start()
        Thread(target=self._watch_the_clock, name="clock", daemon=True).start()
        while not self._stopped.is_set():
            try:
                close_old_connections()
                if self._is_due():
                    self.tidy()
            except Exception:  # a locked database or a full disk now: the next round tries again
                if self._stopped.is_set():  # what it works on is closed by now
                    return
                log.exception("Tidying up failed; trying again in %d s.", EVERY)
            self._stopped.wait(EVERY)

    def stop(self) -> None:
        self._stopped.set()
        self.sender.stop()

    def _watch_the_clock(self) -> None:
        while not self._stopped.is_set():
            try:
                close_old_connections()
                clock.worker_is_here(time.time())
                clock.turn()
            except Exception:  # a locked database now: the next look finds the same
                if self._stopped.is_set():
                    return
                log.exception("The clock's rules could not be judged; trying again in %d s.", clock.EVERY)
            self._stopped.wait(clock.EVERY)

    def tidy(self) -> None:
        """One round of everything. What frees the disk comes first, and what fails keeps nothing else from its turn:
        a full disk lets files go when it takes no row. Raises the first failure in the end."""
        failures: list[Exception] = []
        for step in (self._tidy_samples, keeping.prune, pruning.prune, self._drop_rows, self._trim_archive):
            try:
                step()
            except Exception as error:
                failures.append(error)
        if failures:
            raise failures[0]

    def _drop_rows(self) -> None:
        now, kept = timezone.now(), timedelta(seconds=settings.WEIR_RETENTION_HOUR)
        Session.objects.filter(expire_date__lt=now).delete()
        SignInLink.objects.filter(expires_at__lt=now - timedelta(days=1)).delete()
        Note.objects.filter(at__lt=now - kept).delete()
        outbox.prune(now, kept)
        letters.prune(now.timestamp(), self._stopped.is_set)

    def _trim_archive(self) -> None:
        trimmed = trim(self.store, timezone.now(), max(settings.WEIR_RETENTION_RAW, settings.WEIR_RETENTION_HOUR))
        if trimmed:
            log.info("Archive: %d queues that are gone for long were deleted.", trimmed)

    def _tidy_samples(self) -> None:
        """Sealing may take a minute or more; it ends early when the worker is asked to."""
        done = self.store.tidy(time.time(), retention(), self._stopped.is_set)
        if done is None:
            return
        for problem in done.problems:
            log.warning("%s", problem)
        if done.sealed or done.rolled or done.expired or done.evicted:
            log.info(
                "Samples: %d hours sealed, %d spans rolled up; dropped %d past their retention, %d over the budget.",
                done.sealed, done.rolled, done.expired, done.evicted,
            )  # fmt: skip

    def _is_due(self) -> bool:
        try:
            return self._claim()
        except OperationalError as error:  # a full disk: samples and files can go without the database
            log.warning("The database cannot be written; what can be tidied up without it is: %s.", error)
            return True

    def _claim(self) -> bool:
        """Whether it is this worker's turn: of several, one moves the time forward by a conditional update."""
        now = time.time()
        fact, _ = Fact.objects.get_or_create(name="tidied_at", defaults={"value": "0"})
        due = float(fact.value) < now - EVERY * 0.9
        return due and bool(Fact.objects.filter(name="tidied_at", value=fact.value).update(value=str(now)))
