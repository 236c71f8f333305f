"""One round of tidying up: hours are sealed, sealed hours rolled up, and what is past its retention goes.

Every step makes its seal beside what readers see, chunk after chunk in short transactions, and puts it in use with one
last transaction, in which the ticks or seals it was made from step back. A process that dies in between leaves a seal
that nobody reads; the next round removes it and begins again. Who tidies holds a lease in the file, so that of several
processes one is at it; it is taken over a minute after its owner was last heard of.
"""

from __future__ import annotations

import sqlite3
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from . import dropping, layout, making
from .base import Retention, StoreError, Tidied
from .connections import Connections, FullError
from .levels import HOUR, IN_USE, LEVELS, MAKING, MINUTE, RAW, REMOVED, SEAL_COLUMNS, Level, Seal, pack_times, seal_of

#: Newest ticks of a broker that stay hot: its ring is refilled with them.
HOT_TICKS = 60
#: A lease that was not renewed for so many seconds has lost its owner.
LEASE_SECONDS = 60.0
#: Chunks written per transaction.
CHUNKS_AT_ONCE = 250


def _forget_unfinished(writer: sqlite3.Connection) -> None:
    """Put seals out of use whose making came to no end."""
    writer.execute("UPDATE seal SET state = ? WHERE state = ?", (REMOVED, MAKING))


class Stopped(Exception):
    """The round was asked to end."""


@dataclass(slots=True)
class Round:
    """One round, with the lease it holds."""

    connections: Connections
    now: float
    retention: Retention
    stopped: Callable[[], bool]
    token: str = field(default_factory=lambda: uuid.uuid4().hex)
    done: Tidied = field(default_factory=Tidied)
    full: bool = False
    _renewed: float = field(default_factory=time.monotonic)

    @classmethod
    def held(cls, connections: Connections, stopped: Callable[[], bool]) -> Round:
        """A round for something else than tidying up, once nobody else is at it: waited for a minute at most."""
        this = cls(connections, time.time(), Retention(0, 0, 0), stopped)
        until = time.monotonic() + LEASE_SECONDS
        while not this.take_lease():
            if time.monotonic() > until:
                raise StoreError("The samples are being tidied up by another process; try again in some minutes.")
            time.sleep(0.5)
        return this

    def take_lease(self) -> bool:
        with self.connections.writing() as writer:
            found = writer.execute("SELECT value FROM about WHERE name = 'tidying'").fetchone()
            if found:
                owner, until = str(found[0]).split()
                if owner != self.token and time.time() < float(until) < time.time() + 2 * LEASE_SECONDS:
                    return False
            writer.execute("INSERT OR REPLACE INTO about VALUES('tidying', ?)", (self._lease(),))
            _forget_unfinished(writer)
        return True

    def note(self, error: StoreError) -> None:
        """Something could not be done; a full disk is met once more with the room that is kept aside for it."""
        self.done.problems.append(str(error))
        self.full |= isinstance(error, FullError)

    def give_back(self) -> None:
        with self.connections.writing() as writer:
            writer.execute("DELETE FROM about WHERE name = 'tidying' AND value LIKE ?", (f"{self.token} %",))

    def resting(self) -> bool:
        """Whether to stop, asked in the midst of long work; keeps the lease meanwhile."""
        if time.monotonic() - self._renewed > LEASE_SECONDS / 6 and not self.stopped():
            self.write(lambda writer: None)
        return self.stopped()

    def _lease(self) -> str:
        return f"{self.token} {time.time() + LEASE_SECONDS}"

    def write(self, deed: Callable[..., None]) -> None:
        """A short transaction under the lease, and a pause as long as it took. StoreError when the lease is lost."""
        if self.stopped():
            raise Stopped
        with self.connections.writing() as writer:
            began = time.monotonic()
            renewed = writer.execute(
                "UPDATE about SET value = ? WHERE name = 'tidying' AND value LIKE ?", (self._lease(), f"{self.token} %")
            )
            if not renewed.rowcount:
                raise StoreError("Another process took over the tidying up of the samples; this one left it.")
            deed(writer)
        self._renewed = time.monotonic()
        dropping.breathe(time.monotonic() - began)

    # --- making a seal ---------------------------------------------------------------------------------------------

    def begin(self, broker: int, level: Level, start: int) -> int:
        """A new seal that nobody reads yet."""
        made: list[int] = []

        def insert(writer: sqlite3.Connection) -> None:
            cursor = writer.execute(
                "INSERT INTO seal(broker, level, start, state, rolled, ticks, interval) VALUES(?, ?, ?, ?, 0, 0, 0)",
                (broker, level.number, start, MAKING),
            )
            made.append(cursor.lastrowid or 0)

        self.write(insert)
        return made[0]

    def keep(self, seal: int, chunks: Iterator[tuple[int, bytes]]) -> None:
        """Write the chunks (queue, bytes) of a seal."""
        some: list[tuple[int, bytes]] = []

        def insert(writer: sqlite3.Connection) -> None:
            writer.executemany("INSERT INTO chunk VALUES(?, ?)", some)

        for queue, data in chunks:
            some.append((layout.chunk_id(seal, queue), data))
            if len(some) >= CHUNKS_AT_ONCE:
                self.connections.need_room()
                self.write(insert)
                some.clear()
        self.write(insert)

    def finish(
        self, seal: int, made: making.Made, replaced: Seal | None, ticks: Sequence[int], below: list[Seal]
    ) -> None:
        """Put a seal in use; what it was made from steps back in the same transaction."""

        def switch(writer: sqlite3.Connection) -> None:
            used = writer.execute(
                "UPDATE seal SET state = ?, ticks = ?, interval = ?, times = ? WHERE id = ? AND state = ?",
                (IN_USE, len(made.times), made.interval, pack_times(made.times), seal, MAKING),
            )
            if not used.rowcount:  # its broker was forgotten meanwhile
                return
            if replaced:
                writer.execute("UPDATE seal SET state = ? WHERE id = ?", (REMOVED, replaced.id))
            writer.executemany("INSERT OR IGNORE INTO leftover VALUES(?)", ((tick,) for tick in ticks))
            writer.executemany("DELETE FROM tick WHERE id = ?", ((tick,) for tick in ticks))
            writer.executemany("UPDATE seal SET rolled = 1 WHERE id = ?", ((one.id,) for one in below))

        self.write(switch)


def tidy(
    connections: Connections, now: float, retention: Retention, stopped: Callable[[], bool] = lambda: False
) -> Tidied | None:
    """`Store.tidy`."""
    this, held, ended = Round(connections, now, retention, stopped), True, None
    try:
        held = _tidy(this)
    except FullError as error:
        this.note(error)
        ended = error
    if this.full and connections.spare.give():
        connections.move_log()
        held = _tidy(this, again=True)
    elif ended:
        raise ended
    return this.done if held else None


def _tidy(this: Round, again: bool = False) -> bool:
    """One round, from the lease to its end; False when another process is at it. `again`: with the room that was kept
    aside, after one that was ended by a full disk."""
    if not this.take_lease():
        return False
    try:
        _let_go(this)
        for broker in _brokers(this.connections):
            try:
                _seal_hours(this, broker)
                _roll_up(this, broker, RAW, MINUTE)
                _roll_up(this, broker, MINUTE, HOUR)
            except StoreError as error:  # what is old can still go, and makes room
                this.note(error)
                this.write(_forget_unfinished)  # it took room, too
        _let_go(this)
        _evict(this)
        if again or not this.full:
            _give_back_room(this)
    except Stopped:
        this.done.problems.append("Tidying up the samples was stopped before it was done; it goes on later.")
    finally:
        with suppress(FullError):  # it ends by itself, LEASE_SECONDS from now
            this.give_back()
    this.done.bytes = dropping.used_bytes(this.connections)
    return True


def _let_go(this: Round) -> None:
    """Put out of sight what is past its retention, and remove all that is out of sight."""
    _expire(this)
    dropping.remove(this.connections, this.resting)


def _give_back_room(this: Round) -> None:
    """To the file system, where it is much, or where it is too full for some to be kept aside."""
    dropping.shrink(this.connections, this.resting)
    if this.connections.spare.keep():
        return
    dropping.shrink(this.connections, this.resting, full=True)
    this.connections.move_log()  # which makes the file shorter
    this.connections.spare.keep()


def _brokers(connections: Connections) -> list[int]:
    with connections.reading() as reader:
        return [row[0] for row in reader.execute("SELECT DISTINCT broker FROM queue ORDER BY broker")]


def find_seals(connections: Connections, which: str, values: Sequence[float]) -> list[Seal]:
    with connections.reading() as reader:
        found = reader.execute(
            f"SELECT {SEAL_COLUMNS} FROM seal WHERE state = {IN_USE} AND {which} ORDER BY start", values
        )
        return [seal_of(row) for row in found]


def _settled(connections: Connections, broker: int) -> float:
    """The time of the oldest of the newest HOT_TICKS: what is before it may be sealed. Negative: nothing may be."""
    with connections.reading() as reader:
        newest = "SELECT at FROM tick WHERE broker = ? ORDER BY at DESC LIMIT 1 OFFSET ?"
        found = reader.execute(newest, (broker, HOT_TICKS - 1)).fetchone()
    return float(found[0]) if found else -1.0


def _seal_hours(this: Round, broker: int) -> None:
    """Seal each hour that is before the newest ticks, or past the retention of samples; late ticks join its seal."""
    settled = max(_settled(this.connections, broker), this.now - this.retention.raw)
    with this.connections.reading() as reader:
        sql = "SELECT DISTINCT CAST(at AS INTEGER) / ? AS hour FROM tick WHERE broker = ? AND at < ? ORDER BY 1"
        hours = [row[0] * RAW.span for row in reader.execute(sql, (RAW.span, broker, settled)).fetchall()]
    for hour in hours:
        if hour + RAW.span > settled:
            continue
        before = find_seals(this.connections, "broker = ? AND level = ? AND start = ?", (broker, RAW.number, hour))
        replaced = before[0] if before else None
        made = making.Hour(this.connections, broker, hour, replaced)
        seal = this.begin(broker, RAW, hour)
        this.keep(seal, made.chunks())
        this.finish(seal, made, replaced, made.tick_ids, [])
        this.done.sealed += 1
        dropping.remove(this.connections, this.resting)


def _roll_up(this: Round, broker: int, level: Level, into: Level) -> None:
    """Roll up the seals of a level whose span of the next one is over, or that are past their retention."""
    settled = _settled(this.connections, broker)
    past = this.now - {RAW.number: this.retention.raw, MINUTE.number: this.retention.minute}[level.number]
    waiting = find_seals(this.connections, "broker = ? AND level = ? AND rolled = 0", (broker, level.number))
    spans: dict[int, list[Seal]] = {}
    for seal in waiting:
        over = level is MINUTE or into.start(seal.start) + into.span <= settled
        if over or seal.end <= past:
            spans.setdefault(into.start(seal.start), []).append(seal)
    for start, below in spans.items():
        before = find_seals(this.connections, "broker = ? AND level = ? AND start = ?", (broker, into.number, start))
        replaced = before[0] if before else None
        made = making.Rollup(this.connections, broker, into, below, replaced)
        number = this.begin(broker, into, start)
        this.keep(number, made.chunks())
        this.finish(number, made, replaced, [], below)
        this.done.rolled += 1


def _expire(this: Round) -> None:
    """Put out of sight what is past its retention, and rolled up where there is a next level."""

    def expire(writer: sqlite3.Connection) -> None:
        for level, kept in zip(LEVELS, (this.retention.raw, this.retention.minute, this.retention.hour), strict=True):
            gone = writer.execute(
                "UPDATE seal SET state = ? WHERE state = ? AND level = ? AND start <= ? AND (rolled = 1 OR level = ?)",
                (REMOVED, IN_USE, level.number, this.now - kept - level.span, HOUR.number),
            )
            this.done.expired += gone.rowcount

    this.write(expire)


def _evict(this: Round) -> None:
    """While all takes more than the budget: drop the seal that is oldest for its level, compared with its retention."""
    kept = {RAW.number: this.retention.raw, MINUTE.number: this.retention.minute, HOUR.number: this.retention.hour}
    while this.retention.disk and (used := dropping.used_bytes(this.connections)) > this.retention.disk:
        able = find_seals(this.connections, "(rolled = 1 OR level = ?)", (HOUR.number,))
        if not able:
            this.done.problems.append(
                f"The samples take {used} bytes, more than the budget of {this.retention.disk}, and what is left "
                "is too new to be dropped; give them more room, or poll less often."
            )
            return
        oldest = max(able, key=lambda seal: (this.now - seal.end) / kept[seal.level.number])

        def evict(writer: sqlite3.Connection, number: int = oldest.id) -> None:
            writer.execute("UPDATE seal SET state = ? WHERE id = ?", (REMOVED, number))

        this.write(evict)
        this.done.evicted += 1
        dropping.remove(this.connections, this.resting)
