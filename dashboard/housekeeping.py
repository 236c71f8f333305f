"""What has to be tidied up now and then, by one worker at a time."""

from __future__ import annotations

import logging
import time
from datetime import timedelta
from threading import Event, Thread

from django.conf import settings
from django.contrib.sessions.models import Session
from django.db import close_old_connections
from django.utils import timezone

from .models import Fact, SignInLink
from .store.base import Store

log = logging.getLogger("weir.work")

EVERY = 60.0


class Worker:
    """Prunes samples past their retention, ended sessions and sign-in links. `run` blocks until `stop`."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._stopped = Event()

    def start(self) -> None:
        """Run in a thread of its own."""
        Thread(target=self.run, name="worker", daemon=True).start()

    def run(self) -> None:
        while not self._stopped.is_set():
            try:
                close_old_connections()
                if self._claim():
                    self.tidy()
            except Exception:  # a locked database or a full disk now: the next round tries again
                log.exception("Tidying up failed; trying again in %d s.", EVERY)
            self._stopped.wait(EVERY)

    def stop(self) -> None:
        self._stopped.set()

    def tidy(self) -> None:
        """One round of everything."""
        pruned = self.store.prune(before=time.time() - settings.WEIR_RETENTION_RAW)
        if pruned:
            log.info("Dropped %d ticks older than WEIR_RETENTION_RAW.", pruned)
        now = timezone.now()
        Session.objects.filter(expire_date__lt=now).delete()
        SignInLink.objects.filter(expires_at__lt=now - timedelta(days=1)).delete()

    def _claim(self) -> bool:
        """Whether it is this worker's turn: of several, one moves the time forward by a conditional update."""
        now = time.time()
        fact, _ = Fact.objects.get_or_create(name="tidied_at", defaults={"value": "0"})
        due = float(fact.value) < now - EVERY * 0.9
        return due and bool(Fact.objects.filter(name="tidied_at", value=fact.value).update(value=str(now)))
