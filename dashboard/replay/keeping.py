"""Copies of what is deleted, for a while, so that a deletion can be undone.

They lie in a SQLite file of each deletion, encrypted, and go when they expire. A deletion is a replay whose copies
go there instead of to a queue: an original is removed only after its copy is on the disk.
"""

from __future__ import annotations

import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgpack
from django.conf import settings

from collectors.letters import Lease, Letter, Outcome, Parcel, Receipt, Taken
from collectors.powers import PassesOver, Replicates, Verbatim

from ..letters import bodies
from ..models import Replay
from ..models.replays import ACTIVE
from ..secrets import encrypt_bytes
from .journal import Journal
from .report import Asked, Row
from .states import JournalError, State

Db = sqlite3.Connection

#: Bytes of copies that one deletion may keep, and all of them together; and for how long.
MOST_OF_ONE, MOST = 512 * 1024 * 1024, 2 * 1024 * 1024 * 1024
DAYS = 7.0

_SCHEMA = """
create table if not exists kept (
    n integer primary key, id text not null, secret blob, state integer not null default 0,
    why text not null default '', again integer not null default 0, size integer not null default -1,
    at real not null default 0
);
"""
#: What an earlier Weir did not write: how often a copy was put back though it may lie there already; how large the body
#: is, -1 = not known; when it was put back.
_ADDED = {"again": "integer not null default 0", "size": "integer not null default -1", "at": "real not null default 0"}
#: So that how many there are, and how large, is told without reading the copies.
_COUNTED = "create index if not exists counted on kept (state, size)"
_COUNTS = "select state, count(*), sum(max(size, 0)) from kept group by state"
KEPT, RESTORING, RESTORED, NOT_RESTORED = range(4)
_DECIMAL = 1  # of what msgpack has no type for
_WORDS = {KEPT: State.PLANNED, RESTORING: State.SENDING, RESTORED: State.REMOVED, NOT_RESTORED: State.FAILED}


def path_of(own: str) -> Path:
    """Where the copies of a deletion lie."""
    return Path(settings.WEIR_DATA) / "deletions" / f"{own}.sqlite"


@contextmanager
def opened(own: str) -> Iterator[Db]:
    """The file of a deletion. Raises JournalError."""
    path = path_of(own)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        db = sqlite3.connect(path, timeout=10.0, isolation_level=None, check_same_thread=False)
        path.chmod(0o600)
        db.execute("pragma journal_mode=wal")
        db.execute("pragma synchronous=full")
        db.execute(_SCHEMA)
        there = {column[1] for column in db.execute("pragma table_info(kept)")}
        for name in _ADDED.keys() - there:
            db.execute(f"alter table kept add column {name} {_ADDED[name]}")
        db.execute(_COUNTED)
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
    return lambda lease, journal: KeepingLease(lease, replay.own, accepted, surplus(replay.own, journal))


def surplus(own: str, journal: Journal | None) -> Counter[str]:
    """Of which ids more copies are kept than originals are known to be gone, by how many; without a journal, nothing.

    A worker that died had kept these, and perhaps had not come to delete their originals.
    """
    found: Counter[str] = Counter()
    if journal is None or not path_of(own).exists():
        return found
    open_ = journal.open_messages()
    begun = [*{*open_.sending, *open_.sent}]
    gone = journal.gone() if begun else {}
    with opened(own) as db:
        for at in range(0, len(begun), 500):  # each time the whole file is read
            some = begun[at : at + 500]
            marks = ",".join("?" * len(some))
            for id, kept in db.execute(f"select id, count(*) from kept where id in ({marks}) group by id", some):
                found[id] = max(0, kept - gone.get(id, (0, 0))[0])
    return found


class KeepingLease:
    """A lease whose copies go into the file of a deletion.

    What does not fit there is refused, and so not deleted, unless a person has accepted that it cannot be undone.
    """

    def __init__(self, lease: Lease, own: str, accepted: bool = False, there: Counter[str] | None = None) -> None:
        """`there`: ids of which copies are kept already, so many, and no further ones are needed."""
        self._lease, self._own, self._accepted = lease, own, accepted
        self._there = there or Counter()
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
        rows: list[tuple[str, bytes, int]] = []
        room = MOST_OF_ONE - _bytes(self._own)
        everything = MOST - all_bytes()
        for parcel in parcels:
            taken = self._taken.pop(parcel.tag)  # so that its body leaves the memory with the lease's own
            if self._there[taken.id] > 0:
                self._there[taken.id] -= 1
                self._receipts.append(Receipt(parcel.tag, Outcome.SENT))
                continue
            secret = encrypt_bytes(packed(taken.letter(), taken.wire if isinstance(taken, Verbatim) else b""))
            room, everything = room - len(secret), everything - len(secret)
            if min(room, everything) >= 0:
                rows.append((taken.id, secret, taken.size))
                self._receipts.append(Receipt(parcel.tag, Outcome.SENT))
            elif self._accepted:
                self._receipts.append(Receipt(parcel.tag, Outcome.SENT))
            else:
                why = "There is no room left to keep a copy of it, so it was not deleted."
                self._receipts.append(Receipt(parcel.tag, Outcome.REFUSED, why))
        with opened(self._own) as db:
            db.execute("begin immediate")
            db.executemany("insert into kept (id, secret, size) values (?, ?, ?)", rows)
            db.execute("commit")

    def pass_over(self, tags: Sequence[int]) -> None:
        for tag in tags:
            self._taken.pop(tag, None)
        if isinstance(self._lease, PassesOver):
            self._lease.pass_over(tags)

    def settled(self, seconds: float = 1.0) -> Sequence[Receipt]:
        receipts, self._receipts = self._receipts, []
        return receipts

    def remove(self, tags: Sequence[int], wait: bool = True) -> Sequence[Receipt]:
        return self._lease.remove(tags, wait)

    def caught_up(self) -> bool:
        return isinstance(self._lease, Replicates) and self._lease.caught_up()

    def give_back(self, tags: Sequence[int]) -> None:
        self._lease.give_back(tags)

    def close(self) -> None:
        self._lease.close()


def packed(letter: Letter, wire: bytes = b"") -> bytes:
    """A letter with its whole body and all its headers, which keep their types; `wire` as the broker wrote them."""
    rest = bodies.packed(replace(letter, body=b"", headers={}))
    parts = [rest, letter.body, dict(letter.headers), wire]
    return bytes(msgpack.packb(parts, datetime=True, default=_as_text, unicode_errors="surrogatepass"))


def unpacked(data: bytes) -> tuple[Letter, bytes]:
    """What `packed` was given; an earlier Weir kept nothing as the broker wrote it, and headers with the rest."""
    rest, body, *more = msgpack.unpackb(
        data, timestamp=3, ext_hook=_from_text, strict_map_key=False, unicode_errors="surrogatepass"
    )
    letter = replace(bodies.unpacked(rest), body=body)
    return replace(letter, headers=more[0]) if more else letter, more[1] if len(more) > 1 else b""


def _as_text(value: Any) -> Any:
    if isinstance(value, Decimal):
        return msgpack.ExtType(_DECIMAL, str(value).encode())
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _from_text(kind: int, data: bytes) -> Any:
    return Decimal(data.decode()) if kind == _DECIMAL else data


def _bytes(own: str) -> int:
    return sum(path.stat().st_size for path in path_of(own).parent.glob(f"{own}.sqlite*"))


def all_bytes() -> int:
    """What copies of all deletions take on the disk."""
    return sum(path.stat().st_size for path in path_of("").parent.glob("*.sqlite*"))


def counts(own: str) -> dict[str, int]:
    """How many copies a deletion has, how many of them were restored, and how many bytes their bodies have."""
    if not path_of(own).exists():
        return {"kept": 0, "restored": 0, "not_restored": 0, "kept_bytes": 0}
    with opened(own) as db:
        rows = db.execute(_COUNTS).fetchall()
    found = {state: count for state, count, _ in rows}
    return {
        "kept": sum(found.values()),
        "restored": found.get(RESTORED, 0),
        "not_restored": found.get(NOT_RESTORED, 0),
        "kept_bytes": sum(size for *_, size in rows),
    }


def report(own: str, asked: Asked) -> tuple[list[Row], int]:
    """What became of the copies of a deletion when they were put back, and how many such there are."""
    wanted = [kept for kept, one in _WORDS.items() if not asked.kind or one.word == asked.kind]
    if not path_of(own).exists() or not wanted:
        return [], 0
    (holding, values), (page, bounds) = asked.holding("id", "why"), asked.page()
    there = f"from kept where state in ({','.join(map(str, wanted))}) and {holding}"
    with opened(own) as db:
        rows = db.execute(
            f"select n, id, state, why, again, size, at {there} and {page}", (*values, *bounds)
        ).fetchall()
        (total,) = db.execute(f"select count(*) {there}", values).fetchone()
    found = [Row(n, id, _WORDS[kept], size, "", again, False, why, at) for n, id, kept, why, again, size, at in rows]
    return found, total


def prune(now: float | None = None) -> int:
    """Delete the files of deletions whose time is over, and that are not just being put back; how many."""
    now, gone = time.time() if now is None else now, 0
    if not path_of("").parent.exists():
        return 0
    kept = set(
        Replay.objects.filter(deed=Replay.Deed.DELETE, undone_until__isnull=False).values_list("own", "undone_until")
    )
    alive = {own for own, until in kept if until.timestamp() > now}
    restoring = Replay.objects.filter(deed=Replay.Deed.RESTORE, state__in=(*ACTIVE, Replay.State.PAUSED))
    alive |= set(restoring.exclude(repeats=None).values_list("repeats__own", flat=True))
    for path in path_of("").parent.glob("*.sqlite"):
        if path.stem not in alive and path.stat().st_mtime < now - 3600:
            for file in path.parent.glob(f"{path.stem}.sqlite*"):
                file.unlink(missing_ok=True)
            gone += 1
    return gone
