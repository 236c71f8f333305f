"""`manage.py import FILE`: history that `export` wrote, here or elsewhere."""

from __future__ import annotations

import gzip
import sys
import zlib
from argparse import ArgumentParser
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import CommandError

from dashboard import audit, history_csv
from dashboard.management.base import DataCommand
from dashboard.samples import close_store, the_store
from dashboard.store.base import StoreError


class Command(DataCommand):
    help = (
        "Take in history that `export` wrote. Brokers are found by their names, and must be here; queues that are not "
        "known yet are made. What is there already stays as it is, so a file may be taken in twice."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", help="where from, - for standard input")

    def handle(self, *args: Any, file: str, **options: Any) -> None:
        try:
            with self._opened(file) as given:
                taken = history_csv.Reader(the_store()).read(given)
        except (ImproperlyConfigured, StoreError, history_csv.HistoryRefused) as error:
            raise CommandError(str(error)) from None
        except (OSError, EOFError, UnicodeDecodeError, zlib.error) as error:
            strange = isinstance(error, UnicodeDecodeError)
            why = "it is no text" if strange else getattr(error, "strerror", None) or error
            raise CommandError(f"{file} cannot be read: {why}.") from None
        finally:
            close_store()
        audit.record("command line", "import history", Path(file).name, lines=taken.lines, queues=taken.queues)
        self.stdout.write(f"{taken.lines} lines taken in, {taken.queues} queues made.")

    def _opened(self, file: str) -> Any:
        if file == "-":
            return nullcontext(sys.stdin)
        if file.endswith(".gz"):
            return gzip.open(file, "rt", newline="")
        return Path(file).open(newline="")
