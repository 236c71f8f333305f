"""`manage.py export FILE`: history as CSV."""

from __future__ import annotations

import gzip
import sys
import time
from argparse import ArgumentParser
from contextlib import nullcontext
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import CommandError

from dashboard import history_csv
from dashboard.environment import seconds
from dashboard.management.base import DataCommand
from dashboard.models import Broker, Queue
from dashboard.samples import close_store, the_store
from dashboard.store.base import StoreError

STEPS = {"sample": 0, "minute": 60, "hour": 3600}


class Command(DataCommand):
    help = (
        "Write history as CSV, one line per metric and time: samples as far as they are kept, before them rollups by "
        "the minute, before them by the hour. A name that ends in .gz is compressed, - is standard output."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", help="where to, - for standard output")
        parser.add_argument("--last", default="400d", help="how far back, such as 24h or 30d (default: all)")
        parser.add_argument("--step", choices=STEPS, default="sample", help="nothing finer than this (default: sample)")
        parser.add_argument("--broker", help="only this broker's queues")
        parser.add_argument("--queue", default="*", help="only queues whose name fits, such as 'orders-*'")

    def handle(self, *args: Any, file: str, last: str, step: str, queue: str, **options: Any) -> None:
        try:
            now = time.time()
            brokers = Broker.objects.filter(name=options["broker"]) if options["broker"] else Broker.objects.all()
            if options["broker"] and not brokers:
                raise CommandError(f"There is no broker named {options['broker']}.")
            queues = [one for one in Queue.objects.filter(broker__in=brokers) if fnmatchcase(one.name, queue)]
            with self._opened(file) as out:
                span = (now - seconds("--last", last), now + 1)
                lines = history_csv.write(out, the_store(), brokers, queues, *span, STEPS[step])
        except (ImproperlyConfigured, StoreError) as error:
            raise CommandError(str(error)) from None
        except OSError as error:
            raise CommandError(f"{file} cannot be written: {error.strerror}.") from None
        finally:
            close_store()
        self.stderr.write(f"{lines} lines of {len(queues)} queues.")

    def _opened(self, file: str) -> Any:
        if file == "-":
            return nullcontext(sys.stdout)
        if file.endswith(".gz"):
            return gzip.open(file, "wt", newline="")
        return Path(file).open("w", newline="")
