"""`manage.py demo`: the demo alone, to be watched by `manage.py up --broker URL` or by any other tool."""

from __future__ import annotations

import signal
import threading
import time
from argparse import ArgumentParser
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError

from collectors import registry
from collectors.errors import CollectorError
from dashboard.brokers import save_broker
from dashboard.demo import Demo, DemoSQS, DemoUnavailable
from dashboard.demo.history import write_history
from dashboard.environment import seconds
from dashboard.inventory import Inventory
from dashboard.models import Broker
from dashboard.samples import close_store, the_store
from dashboard.store.base import StoreError

from ..base import migrate, port

#: Polls, a second apart, after which the demo's queues tell rates.
SETTLING = 4


class Command(BaseCommand):  # type: ignore[misc]
    help = (
        "The demo alone: an embedded Redis-compatible server and an embedded SQS with the traffic of a made-up shop, "
        "which shows every state within a minute. Prints the URLs to watch it by; ends cleanly on SIGINT and SIGTERM."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--port", type=port, help="the server's port on 127.0.0.1 (default: a free one)")
        parser.add_argument(
            "--history",
            metavar="SPAN",
            help="write a made-up past of its queues, such as 7d, into the data folder; their pages say so",
        )

    def handle(self, *args: Any, port: int | None = None, history: str | None = None, **options: Any) -> None:
        ended = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: ended.set())
        try:
            span = seconds("--history", history) if history else 0
            with Demo(port) as demo:
                self.stdout.write(demo.describe())
                if span:
                    self._write_history(demo.url, span)
                self.stdout.write(f"Watch it: manage.py up --no-demo --broker '{demo.url}'")
                self.stdout.write("Ctrl-C ends it.")
                self.stdout.flush()
                with DemoSQS(self._say_sqs, self.stderr.write):
                    ended.wait()
        except (DemoUnavailable, ImproperlyConfigured, StoreError, CollectorError) as error:
            raise CommandError(str(error)) from error

    def _write_history(self, url: str, span: float) -> None:
        """Poll the demo until it tells rates, then write the past of its queues under a broker of that name."""
        migrate()
        row = save_broker(url, name="demo", broker=Broker.objects.filter(name="demo").first())
        broker = registry.connect(registry.parse(url))
        try:
            for _ in range(SETTLING):
                poll = broker.poll()
                time.sleep(1.0)
            minutes = write_history(the_store(), row.pk, poll, Inventory(row.pk).resolve(poll), span, time.time())
        finally:
            broker.close()
            close_store()
        self.stdout.write(f"{minutes:,} minutes of a made-up past were written for {len(poll.samples)} queues.")

    def _say_sqs(self, url: str) -> None:
        self.stdout.write(f"Its SQS: --broker '{url}'")
        self.stdout.flush()
