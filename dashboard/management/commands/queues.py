"""`manage.py queues`: the queues page for a terminal."""

from __future__ import annotations

import shutil
import time
import zlib
from argparse import ArgumentParser, ArgumentTypeError
from typing import Any

import orjson
from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import CommandError
from django.db import close_old_connections

from dashboard.filters import FilterError
from dashboard.fleet import Fleet
from dashboard.live import sorting, view
from dashboard.management.base import DataCommand
from dashboard.samples import the_store
from dashboard.snapshot import Snapshot, iso
from dashboard.store.base import Store, StoreError
from dashboard.terminal import table
from dashboard.ticks import Ints

EVERY = 2.0  # seconds
TICKS = 20  # enough for the slope behind "clears in"
CLEAR = "\x1b[H\x1b[J"


class Command(DataCommand):
    help = "Show queues with their newest figures: those that need attention first, or by --filter and --sort."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--filter", default="", help="the filter language: 'state:growing depth>1k broker:prod-*'")
        parser.add_argument("--sort", default="", help="a column: depth, lag, name ...; --sort=-depth: largest first")
        parser.add_argument("--limit", type=int, default=50, help="at most so many (default 50; 0 = all)")
        parser.add_argument("--json", action="store_true", help="one JSON object (with --watch, one a line)")
        parser.add_argument(
            "--watch", metavar="SECONDS", nargs="?", type=_seconds, const=EVERY, help="again every 2 s, or so often"
        )

    def handle(self, *args: Any, watch: float | None, **options: Any) -> None:
        self._check(options)
        try:
            shown = _Shown(the_store())
            while True:
                self._tell(shown.snapshot(), watch is not None, options)
                if watch is None:
                    return
                time.sleep(watch)
                close_old_connections()
        except (ImproperlyConfigured, StoreError) as error:
            raise CommandError(str(error)) from None
        except KeyboardInterrupt:
            self.stdout.write("")

    def _check(self, options: dict[str, Any]) -> None:
        try:
            view.parsed(options["filter"].strip())
        except FilterError as error:
            raise CommandError(f"--filter: {error}") from None
        if options["sort"].removeprefix("-") not in sorting.COLUMNS:
            raise CommandError(f"--sort must be one of {', '.join(filter(None, sorting.COLUMNS))}, or -name of one.")
        if options["limit"] < 0:
            raise CommandError("--limit must be 0 or more.")

    def _tell(self, snapshot: Snapshot, again: bool, options: dict[str, Any]) -> None:
        mask = view.mask(options["filter"].strip(), snapshot)
        order: Ints = sorting.Sorter().order(snapshot, options["sort"], mask)
        rows = [snapshot.row(i) for i in order[: options["limit"] or None].tolist()]
        if options["json"]:
            told = {"at": iso(time.time()), "total": len(order), "items": rows}
            self.stdout.write(orjson.dumps(told).decode())
        else:
            clear = CLEAR if again and self.stdout.isatty() else ""
            width = shutil.get_terminal_size((120, 40)).columns
            self.stdout.write(clear + "\n".join([*table(rows, width), *_below(snapshot, len(order), len(rows))]))
        self.stdout.flush()


class _Shown:
    """What the store holds, kept up from one look to the next. There may be no bus between processes."""

    def __init__(self, store: Store) -> None:
        self._store, self._fleet = store, Fleet()
        self._seen: dict[int, float] = {}

    def snapshot(self) -> Snapshot:
        for broker in self._fleet.brokers(max_age=0.0):
            latest = self._store.latest(broker)
            ticks = [latest] if latest is not None and broker in self._seen else self._store.recent(broker, TICKS)
            for tick in ticks:
                tick.inventory = zlib.crc32(tick.ids.tobytes())  # other queues: their names are read again
                self._fleet.accept(tick)
                self._seen[broker] = tick.at
        return self._fleet.snapshot(time.time())


def _below(snapshot: Snapshot, total: int, shown: int) -> list[str]:
    """What stands under the table: how many there are, and brokers of which nothing new is known."""
    more = f", {total - shown:,} of them not shown (--limit)" if total > shown else ""
    lines = [f"{total:,} queue{'s' if total != 1 else ''}{more}"]
    for id, state in snapshot.broker_states.items():
        if state != "reporting":
            why = f": {snapshot.brokers[id].last_error}" if snapshot.brokers[id].last_error else ""
            lines.append(f"broker {snapshot.brokers[id].name} is {state}{why}")
    return lines


def _seconds(text: str) -> float:
    try:
        value = float(text.removesuffix("s"))
    except ValueError:
        value = 0.0
    if not 0.1 <= value <= 3600:
        raise ArgumentTypeError(f"'{text}' is not a number of seconds from 0.1 to 3600")
    return value
