"""`manage.py work`: a worker process, for deployments."""

from __future__ import annotations

import signal
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import CommandError

from dashboard import processes
from dashboard.housekeeping import Worker
from dashboard.letters.reader import Reader
from dashboard.live.bus import the_bus
from dashboard.management.base import DataCommand
from dashboard.replay.working import Replayer
from dashboard.samples import close_store, the_store
from dashboard.store.base import StoreError


class Command(DataCommand):
    help = "Do what is slow: tidy up, read dead letters where looking is free. Run as many as wanted; ends on SIGTERM."

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            processes.needs_bus("manage.py work")
            worker, reader, replayer = Worker(the_store()), Reader(), Replayer(the_bus())
        except (ImproperlyConfigured, StoreError) as error:
            raise CommandError(str(error)) from None
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: worker.stop())
        self.stdout.write("Working.")
        self.stdout.flush()
        reader.start()
        replayer.start()
        worker.run()
        replayer.stop()
        reader.stop()
        close_store()
