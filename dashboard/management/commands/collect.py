"""`manage.py collect`: a collector process, for deployments. As many as wanted share the brokers."""

from __future__ import annotations

import signal
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import CommandError

from dashboard import processes
from dashboard.collecting import Collector
from dashboard.configured import from_environment
from dashboard.live.bus import the_bus
from dashboard.management.base import DataCommand
from dashboard.samples import close_store, the_store
from dashboard.store.base import StoreError


class Command(DataCommand):
    help = "Poll the brokers and stream what they say over REDIS_URL. Run as many as wanted; ends cleanly on SIGTERM."

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            processes.needs_bus("manage.py collect")
            from_environment()
            collector = Collector(the_store(), the_bus())
        except (ImproperlyConfigured, StoreError) as error:
            raise CommandError(str(error)) from None
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: collector.stop())
        self.stdout.write(f"Collecting as {collector.name}.")
        self.stdout.flush()
        collector.run()
        close_store()
