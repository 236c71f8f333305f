"""`manage.py demo`: the demo alone, to be watched by `manage.py up --broker URL` or by any other tool."""

from __future__ import annotations

import signal
import threading
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from dashboard.demo import Demo, DemoSQS, DemoUnavailable


class Command(BaseCommand):  # type: ignore[misc]
    help = (
        "The demo alone: an embedded Redis-compatible server and an embedded SQS with the traffic of a made-up shop, "
        "which shows every state within a minute. Prints the URLs to watch it by; ends cleanly on SIGINT and SIGTERM."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--port", type=int, help="the server's port on 127.0.0.1 (default: a free one)")

    def handle(self, *args: Any, port: int | None = None, **options: Any) -> None:
        ended = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: ended.set())
        try:
            with Demo(port) as demo:
                self.stdout.write(demo.describe())
                self.stdout.write(f"Watch it: manage.py up --no-demo --broker '{demo.url}'")
                self.stdout.write("Ctrl-C ends it.")
                self.stdout.flush()
                with DemoSQS(self._say_sqs, self.stderr.write):
                    ended.wait()
        except DemoUnavailable as error:
            raise CommandError(str(error)) from error

    def _say_sqs(self, url: str) -> None:
        self.stdout.write(f"Its SQS: --broker '{url}'")
        self.stdout.flush()
