"""Copies of what is deleted, for a while, so that a deletion can be undone.

They lie in a SQLite file of each deletion, encrypted, and go when they expire. A deletion is a replay whose copies
go there instead of to a queue: an original is removed only after its copy is on the disk.
"""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgpack
from django.conf import settings

from collectors.errors import CollectorError, NotSupported
from collectors.letters import Destination, Lease, Letter, Outcome, Parcel, Receipt, Sends, Taken

from ..letters import bodies, looks
from ..models import Queue, Replay
from ..refused import DeedRefused
from ..secrets import SecretError, decrypt_bytes, encrypt_bytes
from . import orders
from .journal import Journal
from .report import Asked, Row
from .states import Counts, JournalError, State

log = logging.getLogger("weir.replay")

if TYPE_CHECKING:
    from .telling import Desk

#: Bytes of copies that one deletion may keep, and all of them together; and for how long.
MOST_OF_ONE, MOST = 512 * 1024 * 1024, 2 * 1024 * 1024 * 1024
DAYS = 7.0

_SCHEMA = """
create table if not exists kept (
    n integer primary key, id text not null, secret blob, state integer not null default 0, why text not null default ''
);
"""
KEPT, RESTORING, RESTORED, NOT_RESTORED = range(4)
_WORDS = {KEPT: State.PLANNED, RESTORING: State.SENDING, RESTORED: State.REMOVED, NOT_RESTORED: State.FAILED}


def path_of(own: str) -> Path:
    """Where the copies of a deletion lie."""
    return Path(settings.WEIR_DATA) / "deletions" / f"{own}.sqlite"


@contextmanager
def _opened(own: str) -> Iterator[sqlite3.Connection]:
    path = path_of(own)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        db = sqlite3.connect(path, timeout=10.0, isolation_level=None, check_same_thread=False)
        path.chmod(0o600)
        db.execute("pragma journal_mode=wal")
        db.execute("pragma synchronous=full")
        db.execute(_SCHEMA)
    except (sqlite3.Error, OSError) as error:
        raise JournalError(f"The copies of a deletion cannot be kept: {error}.") from error
    try:
        yield db
    except sqlite3.Error as error:
        raise JournalError(f"The copies of a deletion cannot be kept: {error}.") from error
    finally:
        db.close()


def wrapper(replay: Replay) -> Callable[[Lease, Journal], Lease]:
    """Puts around each lease of a deletion what keeps copies."""
    accepted = bool(replay.selection.get("beyond_bound"))
    return lambda lease, journal: KeepingLease(lease, replay.own, accepted)


class KeepingLease:
    """A lease whose copies go into the file of a deletion.

    What does not fit there is refused, and so not deleted, unless a person has accepted that it cannot be undone.
    """

    def __init__(self, lease: Lease, own: str, accepted: bool = False) -> None:
        self._lease, self._own, self._accepted = lease, own, accepted
        self._taken: dict[int, Taken] = {}
        self._receipts: list[Receipt] = []
        self.until, self.random, self.own_ids = lease.until, lease.random, lease.own_ids
        self.atomic = self.keeps = False

    @property
    def most_held(self) -> int:
        """As many as the lease can hold now: where letters are large, fewer than at its beginning."""
        return self._lease.most_held

    @property
    def lost_until(self) -> float:
        return self._lease.lost_until

    def take(self, most: int, seconds: float = 1.0) -> Sequence[Taken]:
        return self._noted(self._lease.take(most, seconds))

    def take_these(self, ids: Mapping[str, int]) -> Sequence[Taken]:
        return self._noted(self._lease.take_these(ids))

    def _noted(self, taken: Sequence[Taken]) -> Sequence[Taken]:
        self._taken.update((one.tag, one) for one in taken)
        return taken

    def send(self, parcels: Sequence[Parcel]) -> None:
        """Keep copies: they are on the disk before this returns."""
        rows: list[tuple[str, bytes | None]] = []
        room = MOST_OF_ONE - _bytes(self._own)
        everything = MOST - all_bytes()
        for parcel in parcels:
            taken = self._taken.pop(parcel.tag)  # so that its body leaves the memory with the lease's own
            secret = encrypt_bytes(_packed(taken.letter()))
            room, everything = room - len(secret), everything - len(secret)
            if min(room, everything) >= 0:
                rows.append((taken.id, secret))
                self._receipts.append(Receipt(parcel.tag, Outcome.SENT))
            elif self._accepted:
                self._receipts.append(Receipt(parcel.tag, Outcome.SENT))
            else:
                why = "There is no room left to keep a copy of it, so it was not deleted."
                self._receipts.append(Receipt(parcel.tag, Outcome.REFUSED, why))
        with _opened(self._own) as db:
            db.execute("begin immediate")
            db.executemany("insert into kept (id, secret) values (?, ?)", rows)
            db.execute("commit")

    def settled(self, seconds: float = 1.0) -> Sequence[Receipt]:
        receipts, self._receipts = self._receipts, []
        return receipts

    def remove(self, tags: Sequence[int], wait: bool = True) -> Sequence[Receipt]:
        return self._lease.remove(tags, wait)

    def give_back(self, tags: Sequence[int]) -> None:
        self._lease.give_back(tags)

    def close(self) -> None:
        self._lease.close()


def _packed(letter: Letter) -> bytes:
    """A letter with its whole body."""
    return bytes(msgpack.packb([bodies.packed(replace(letter, body=b"")), letter.body]))


def _unpacked(data: bytes) -> Letter:
    rest, body = msgpack.unpackb(data)
    return replace(bodies.unpacked(rest), body=body)


def _bytes(own: str) -> int:
    return sum(path.stat().st_size for path in path_of(own).parent.glob(f"{own}.sqlite*"))


def all_bytes() -> int:
    """What copies of all deletions take on the disk."""
    return sum(path.stat().st_size for path in path_of("").parent.glob("*.sqlite*"))


def counts(own: str) -> dict[str, int]:
    """How many copies a deletion has, and how many of them were restored."""
    if not path_of(own).exists():
        return {"kept": 0, "restored": 0, "not_restored": 0}
    with _opened(own) as db:
        found = dict(db.execute("select state, count(*) from kept group by state").fetchall())
    return {
        "kept": sum(found.values()),
        "restored": found.get(RESTORED, 0),
        "not_restored": found.get(NOT_RESTORED, 0),
    }


def report(own: str, asked: Asked) -> tuple[list[Row], int]:
    """What became of the copies of a deletion when they were put back, and how many such there are."""
    wanted = [kept for kept, one in _WORDS.items() if not asked.kind or one.word == asked.kind]
    if not path_of(own).exists() or not wanted:
        return [], 0
    (holding, values), (page, bounds) = asked.holding("id", "why"), asked.page()
    there = f"from kept where state in ({','.join(map(str, wanted))}) and {holding}"
    with _opened(own) as db:
        rows = db.execute(f"select n, id, state, why {there} and {page}", (*values, *bounds)).fetchall()
        (total,) = db.execute(f"select count(*) {there}", values).fetchone()
    found = [Row(n, id, _WORDS[kept], -1, "", 0, False, why, 0.0) for n, id, kept, why in rows]
    return found, total


def prune(now: float | None = None) -> int:
    """Delete the files of deletions whose time is over; how many."""
    now, gone = time.time() if now is None else now, 0
    if not path_of("").parent.exists():
        return 0
    kept = set(
        Replay.objects.filter(deed=Replay.Deed.DELETE, undone_until__isnull=False).values_list("own", "undone_until")
    )
    alive = {own for own, until in kept if until.timestamp() > now}
    for path in path_of("").parent.glob("*.sqlite"):
        if path.stem not in alive and path.stat().st_mtime < now - 3600:
            for file in path.parent.glob(f"{path.stem}.sqlite*"):
                file.unlink(missing_ok=True)
            gone += 1
    return gone


# --- undoing ---------------------------------------------------------------------------------------------------------
def restore(replay: Replay, desk: Desk) -> None:
    """Put the copies of a deletion back into its queue, one after another. After a crash it goes on; the one that
    was being sent is sent again, and counted as possibly duplicated. Raises CollectorError, DeedRefused."""
    deletion = replay.repeats
    queue = replay.queue
    if deletion is None or queue is None:
        raise JournalError("The deletion, or its queue, is no longer known here.")
    broker = orders.adapter(queue.broker)
    close = broker.close
    try:
        if not isinstance(broker, Sends):
            raise NotSupported(f"Nothing can be put into queues of {queue.broker.kind} from here.")
        with _opened(deletion.own) as db:
            end = _Restoring(broker, queue.key, db, desk).run()
        known = _look_again(queue, broker) if end is not None and end.sent else ""
    finally:
        close()
    if end is not None:
        words = f"{_restored_words(end)} {known}".rstrip()
        desk.tell("done" if not end.failed else "failed", words, end, end.total)


def _look_again(queue: Queue, broker: Any) -> str:
    """So that the inbox knows what was put back: where looking is free it is read by itself within seconds, elsewhere
    a look is spent, never of the last half of a budget. What is to be done where that is not enough, a sentence."""
    later = "Dead letters shows them after the next look into the queue."
    try:
        offer = looks.offer_by(queue, broker)
        if offer.price.free:
            return ""
        if offer.refused or (offer.left is not None and offer.left <= (offer.place.limit or 0) / 2):
            return later
        seen = looks.by_itself(queue, broker)
    except (DeedRefused, CollectorError) as error:
        log.info("What was put back into %s is not looked at: %s", queue.name, error)
        return later
    return "" if seen.of is not None and len(seen.letters) >= seen.of else later


class _Restoring:
    """Sends what is kept."""

    def __init__(self, broker: Sends, key: str, db: sqlite3.Connection, desk: Desk) -> None:
        self.broker, self.key, self.db, self.desk = broker, key, db, desk
        rows = dict(db.execute("select state, count(*) from kept group by state").fetchall())
        self.counts = Counts(total=sum(rows.values()), sent=rows.get(RESTORED, 0), removed=rows.get(RESTORED, 0))
        self.counts.possibly_duplicated = rows.get(RESTORING, 0)

    def run(self) -> Counts | None:
        """The counts at the end; None = it was halted."""
        rows = self.db.execute("select n from kept where state != ? order by n", (RESTORED,)).fetchall()
        for (n,) in rows:
            if not self.desk.go_on():
                self.desk.tell("", "", self.counts, self.counts.total)
                return None
            self._one(n)
            if self.counts.sent % 50 == 0:
                self.desk.tell("running", "", self.counts, self.counts.total)
        return self.counts

    def _one(self, n: int) -> None:
        (secret,) = self.db.execute("select secret from kept where n=?", (n,)).fetchone()
        self.db.execute("update kept set state=?, why='' where n=?", (RESTORING, n))
        try:
            self._send(_unpacked(decrypt_bytes(secret)))
        except (CollectorError, SecretError) as error:
            self.db.execute("update kept set state=?, why=? where n=?", (NOT_RESTORED, str(error)[:500], n))
            self.counts.failed += 1
            return
        self.db.execute("update kept set state=? where n=?", (RESTORED, n))
        self.counts.sent += 1
        self.counts.removed += 1

    def _send(self, letter: Letter) -> None:
        """With its properties where the broker takes them."""
        properties = dict(letter.properties)
        to = Destination(self.key)
        while True:
            try:
                self.broker.send_new(to, letter.body, letter.headers, properties)
                return
            except NotSupported as error:
                refused = [name for name in properties if f"'{name}'" in str(error)]
                if not refused:
                    raise
                with suppress(KeyError):
                    del properties[refused[0]]


def _restored_words(counts: Counts) -> str:
    if counts.failed:
        return f"{counts.failed} could not be put back; they are still kept."
    return f"{counts.sent} were put back."
