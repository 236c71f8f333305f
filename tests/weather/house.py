"""A collector with one broker, a store and a page; `python -m tests.weather.house SCENE` plays a scene on WEIR_DATA.

Scenes: "locked" (the state database), "full" (the disk). What was seen is printed as one line of JSON.
"""

from __future__ import annotations

import json
import logging
import sqlite3
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import django

if __name__ == "__main__":
    from django.conf import settings

    sqlite = settings.DATABASES["default"]["OPTIONS"]
    sqlite["timeout"], sqlite["init_command"] = 1, sqlite["init_command"].replace("20000", "1000")
    django.setup()

from django.db import connections

from collectors.brokers import memory
from dashboard import collecting, processes
from dashboard.brokers import save_broker
from dashboard.collecting import Collector
from dashboard.live.bus import InProcess
from dashboard.live.feed import Feed
from dashboard.models import Broker
from dashboard.store import connections as store_connections
from dashboard.store import open_store
from dashboard.ticks import Tick
from tests.weather.watch import until

LEASE = 4.0  # seconds, in the scenes


class House:
    """A collector of one broker that is polled once a second, and what the page knows."""

    def __init__(self, folder: Path) -> None:
        self.store, self.bus = open_store(folder), InProcess()
        self.ticks: list[Tick] = []
        self.bus.subscribe(self.ticks.append)
        self.broker = save_broker("memory://shop", name="shop", interval=1.0)
        self.feed = Feed(self.bus, self.store)
        self.collector = Collector(self.store, self.bus)
        self.collector.start()
        self.polls(2)

    def stop(self) -> None:
        self.collector.stop()
        self.feed.stop()
        self.store.close()
        connections.close_all()

    def polls(self, count: int) -> None:
        """Wait until so many more ticks came to the live view."""
        before = len(self.ticks)
        until(lambda: len(self.ticks) >= before + count)

    @property
    def kept(self) -> int:
        return self.store.extent(self.broker.id)[0]

    def said(self) -> str:
        """What the page says of the broker."""
        broker = self.feed.fleet.brokers(0)[self.broker.id]
        return broker.last_error

    def says(self, words: str = "") -> str:
        """What the page says of the broker, once it says something with these words."""
        said = ""

        def heard() -> bool:
            nonlocal said
            said = self.said()
            return bool(said) and words in said

        until(heard)
        return said

    def depths(self) -> list[float]:
        depths: list[float] = self.feed.fleet.snapshot().column("depth").tolist()
        return depths


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """A SQLite file in which somebody else writes all the while."""
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        try:
            yield
        finally:
            other.execute("ROLLBACK")


# --- the scenes ------------------------------------------------------------------------------------------------------
def play_locked(house: House, data: Path) -> dict[str, Any]:
    """Somebody else writes in the state database for longer than its time-out."""
    with locked(Path(settings.DATABASES["default"]["NAME"])):
        said = house.says("database cannot be used")
        memory.world("shop").put("orders-0", 5)
        until(lambda: 8 in house.depths())  # the page goes on
        time.sleep(LEASE + 1)
        memory.world("shop").put("orders-0", 5)
        until(lambda: 13 in house.depths())  # also when no lease could be renewed
        house.polls(3)
    until(lambda: house.said() == "")
    until(lambda: Broker.objects.get(id=house.broker.id).state() == "reporting")
    return {"said": said}


def play_full(house: House, data: Path) -> dict[str, Any]:
    """The disk fills up, and is made empty again."""
    ballast = data / "ballast"
    with ballast.open("wb", buffering=0) as file:
        try:
            while file.write(bytes(4096)):
                pass
        except OSError:
            pass
    said, rows = house.says(), len(house.feed.fleet.snapshot())
    house.polls(3)
    ballast.unlink()
    until(lambda: house.said() == "")
    kept = house.kept
    until(lambda: house.kept > kept)
    return {"said": said, "rows": rows}


class _Kept(logging.Handler):
    """Every record that anybody logged."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


def main(scene: str) -> None:
    from django.core.management import call_command

    kept = _Kept()
    logging.getLogger().addHandler(kept)
    call_command("migrate", verbosity=0)
    data = Path(settings.WEIR_DATA)
    store_connections.BUSY_SECONDS, collecting.LEASE, collecting.RENEW = 1.0, LEASE, 1.0
    processes.all_in_one()
    for n in range(300):
        memory.world("shop").put(f"orders-{n}", 3)
    house = House(data / "samples")
    told = {"locked": play_locked, "full": play_full}[scene](house, data)
    house.stop()
    traces = [r.getMessage() for r in kept.records if r.exc_info or "Traceback" in r.getMessage()]
    print(json.dumps({**told, "traces": traces, "logged": [r.getMessage()[:200] for r in kept.records]}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
