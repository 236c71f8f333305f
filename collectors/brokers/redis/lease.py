"""Letters of one queue on Redis in the hands of a worker.

Nothing is held in Redis: whatever happens to the worker, the letters lie where they lay. On one server (and in a
cluster where both keys lie in one slot) a letter is moved by a script in one step, and its receipt says REMOVED.
Between slots the copy is added first, and the original removed when that is journalled: its receipt says SENT.

A move in one step is replicated as one: a fail-over that loses it leaves the letter where it was. Between slots the
copy can be lost with its node after the server had confirmed it (replication is asynchronous), so there it is waited
for a replica (WAIT) where the node has one; one that does not answer in time is said in the receipt.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from redis.crc import key_slot

from ...errors import CollectorError, Expired, NotSupported
from ...letters import Destination, Outcome, Parcel, Receipt
from . import names
from .failures import Silent, line, not_allowed, who
from .items import Item
from .scripts import BYTES, LETTERS, SCRIPTS, remove, there
from .set_shelf import ApartShelf
from .shelves import Shelf
from .stream_shelf import PoisonShelf
from .target import Copy, Target, Unfit, copy_of, target_of
from .wire import AnyWire, Refusal, Wire, pack

#: Bytes of letters that are taken at once, at most; letters of which the commands go out together.
TAKEN_BYTES, PIPELINE = 8 << 20, 1024
#: Letters that are held at once, and about their bytes.
MOST, HELD_BYTES = 20_000, 128 << 20
#: Arguments with which a command that adds is tried, and not run.
EXAMPLES = {"LPUSH": ("x",), "RPUSH": ("x",), "ZADD": ("NX", "0", "x"), "XADD": ("*", "x", "x")}
GONE = "It is not there any more: somebody else took it."


class RedisLease:
    """`collectors.letters.Lease`."""

    random = True

    def __init__(self, wire: AnyWire, shelf: Shelf, until: float) -> None:
        self._wire, self._shelf, self.until = wire, shelf, until
        self.own_ids = not shelf.by_place or isinstance(shelf, ApartShelf)
        self.atomic = isinstance(wire, Wire)
        self._held: dict[int, Item] = {}
        self._tags = 0
        self._bytes = 0
        self._left_out = 0
        self._after = ""
        self._tried: set[tuple[bytes, str]] = set()
        self._receipts: list[Receipt] = []
        self._closed = False

    @property
    def most_held(self) -> int:
        """Fewer where letters are large: they are held in memory here."""
        return max(10, min(MOST, HELD_BYTES // max(1, self._bytes // max(1, self._tags))))

    # --- taking --------------------------------------------------------------------------------------------------
    def take(self, most: int, seconds: float = 1.0) -> Sequence[Item]:
        """Those that lie behind what is held. Nobody else is kept from them meanwhile."""
        end = time.monotonic() + seconds
        while True:
            taken = self._next(min(most, self.most_held - len(self._held)))
            if taken or time.monotonic() >= end:
                return taken
            time.sleep(min(0.1, max(0.0, end - time.monotonic())))

    def _next(self, most: int) -> list[Item]:
        taken: list[Item] = []
        size = 0
        while len(taken) < most and size < TAKEN_BYTES:
            after = f"{len(self._held) + self._left_out}:" if self._shelf.by_place else self._after
            page = self._shelf.page(after, most - len(taken))
            if not self._shelf.by_place and page.items:
                self._after = page.items[-1].id
            self._left_out += page.left_out
            holds = {item.raw for item in self._held.values()} if not self._shelf.by_place else set()
            for item in page.items:
                if item.raw not in holds:
                    taken.append(self._hold(item))
                    size += item.size
            if not page.after and not (page.left_out and page.items):
                break
        return taken

    def take_these(self, ids: Mapping[str, int]) -> Sequence[Item]:
        """Sought from where the last ones were found, so that ids in the queue's order cost one passage."""
        return [self._hold(item) for item in self._shelf.find(dict(ids), lambda: time.time() >= self.until)]

    def _hold(self, item: Item) -> Item:
        self._tags += 1
        self._bytes += item.size
        item.tag = self._tags
        self._held[item.tag] = item
        return item

    # --- sending -------------------------------------------------------------------------------------------------
    def send(self, parcels: Sequence[Parcel]) -> None:
        """Move, or between slots copy. What it became of is told by `settled`."""
        self._alive()
        for _, alike in groupby(parcels, key=lambda parcel: parcel.to):
            self._send_to(list(alike))

    def _send_to(self, parcels: list[Parcel]) -> None:
        to = parcels[0].to
        try:
            target = None if isinstance(self._shelf, ApartShelf) else target_of(self._wire, to)
        except Unfit as error:
            self._refuse(parcels, str(error))
            return
        for start in range(0, len(parcels), PIPELINE):
            part = parcels[start : start + PIPELINE]
            if time.time() >= self.until:
                self._refuse(part, "The lease passed its time before it was sent.")
            elif target is None:
                self._send_apart(part, to)
            else:
                self._send_part(part, target)

    def _send_part(self, parcels: Sequence[Parcel], target: Target) -> None:
        copies: list[tuple[Item, Copy]] = []
        for parcel in parcels:
            item = self._held[parcel.tag]
            try:
                copies.append((item, copy_of(item, parcel, target)))
            except Unfit as error:
                self._refuse([parcel], str(error))
        if copies and (why := self._forbidden_here(copies)):
            self._refuse([parcel for parcel in parcels if parcel.tag in {item.tag for item, _ in copies}], why)
            return
        self._register([copy for _, copy in copies])
        together = [pair for pair in copies if self._one_slot(self._key(pair[0]), pair[1].key)]
        apart = [pair for pair in copies if not self._one_slot(self._key(pair[0]), pair[1].key)]
        if together:
            self._move(together)
        if apart:
            self._copy(apart)

    def _move(self, copies: Sequence[tuple[Item, Copy]]) -> None:
        """By script, in runs of letters that have both keys in common."""
        source, own = self._source
        runs, commands = [], []
        for run in _runs(copies, lambda pair: (self._key(pair[0]), pair[1].key, pair[1].command, own(pair[0]))):
            item, copy = run[0]
            letters = [part for one, its in run for part in (one.raw, b"%d" % len(its.arguments), *its.arguments)]
            runs.append(run)
            commands.append(
                pack("EVAL", SCRIPTS[source], 2, self._key(item), copy.key, own(item), copy.command, *letters)
            )
        for run, reply in zip(runs, self._asked(commands), strict=True):
            answers = reply if isinstance(reply, list) and len(reply) == len(run) else [reply] * len(run)
            for (item, _), answer in zip(run, answers, strict=True):
                self._moved(item, answer)

    def _moved(self, item: Item, answer: Any) -> None:
        """What the script said of one letter."""
        if answer == 1:
            self._held.pop(item.tag, None)
            self._say(item, Outcome.REMOVED)
        elif answer == 0:
            self._held.pop(item.tag, None)
            self._say(item, Outcome.REFUSED, GONE)
        elif isinstance(answer, list):
            self._say(item, Outcome.SENT, f"The copy is there, but the original was not removed: {_said(answer[0])}.")
        elif isinstance(answer, Silent):
            self._say(item, Outcome.UNKNOWN, f"{line(answer)}.")
        elif isinstance(answer, Refusal):
            self._say(item, Outcome.REFUSED, self._forbidden(answer, "EVAL"))
        else:
            self._say(item, Outcome.REFUSED, f"The server refused it: {_said(answer)}.")

    def _copy(self, copies: Sequence[tuple[Item, Copy]]) -> None:
        """Between slots: the copy alone, for what is there; the original is removed by `remove`."""
        source, own = self._source
        items = [item for item, _ in copies]
        seen = self._asked([there(source, self._key(item), own(item), item.raw) for item in items])
        present = []
        for (item, copy), answer in zip(copies, seen, strict=True):
            if isinstance(answer, Silent):  # nothing was sent
                self._say(item, Outcome.REFUSED, f"{line(answer)}.")
            elif isinstance(answer, Refusal):
                self._moved(item, answer)
            elif answer is None or answer == []:
                self._moved(item, 0)
            else:
                present.append((item, copy))
        added = self._asked([copy.packed for _, copy in present])
        waited = self._wire.replicated([copy.key for _, copy in present]) if present else ""
        for (item, copy), answer in zip(present, added, strict=True):
            if isinstance(answer, Refusal):
                self._moved(item, answer if isinstance(answer, Silent) or not_allowed(answer) else line(answer))
            elif answer == 0 and copy.command == "ZADD":
                self._moved(item, "one that is equal to it lies there already")
            else:
                self._say(item, Outcome.SENT, waited)

    def _send_apart(self, parcels: Sequence[Parcel], to: Destination) -> None:
        """Messages that lie apart from their ids go back by a script of their dialect."""
        shelf, now = self._shelf, time.time()
        assert isinstance(shelf, ApartShelf) and shelf.apart.back is not None
        going, commands = [], []
        for parcel in parcels:
            item = self._held[parcel.tag]
            try:
                if item.gone:
                    raise ValueError("The message itself has expired; only its id is left.")
                if parcel.body is not None or parcel.headers or to.exchange is not None:
                    raise ValueError(f"A message of {shelf.apart.dialect} goes back as it is, to one of its queues.")
                way = shelf.apart.back(item.raw, item.body, names_key(to.queue), now)
            except ValueError as error:
                self._refuse([parcel], str(error))
                continue
            going.append(item)
            commands.append(pack("EVAL", way.script, len(way.keys), *way.keys, *way.arguments))
        for item, answer in zip(going, self._asked(commands), strict=True):
            self._moved(item, answer)

    def settled(self, seconds: float = 1.0) -> Sequence[Receipt]:
        receipts, self._receipts = self._receipts, []
        return receipts

    # --- removing ------------------------------------------------------------------------------------------------
    def remove(self, tags: Sequence[int]) -> Sequence[Receipt]:
        self._alive()
        receipts: list[Receipt] = []
        source, own = self._source
        for start in range(0, len(tags), PIPELINE):
            items = [self._held[tag] for tag in tags[start : start + PIPELINE] if tag in self._held]
            receipts += [
                Receipt(tag, Outcome.REMOVED) for tag in tags[start : start + PIPELINE] if tag not in self._held
            ]
            try:
                answers = self._wire.ask([remove(source, self._key(item), own(item), item.raw) for item in items])
                self._clear(items)
            except CollectorError as error:
                receipts += [Receipt(item.tag, Outcome.UNKNOWN, str(error)) for item in items]
                continue
            for item, answer in zip(items, answers, strict=True):
                if isinstance(answer, Refusal):
                    receipts.append(Receipt(item.tag, Outcome.UNKNOWN, self._forbidden(answer, "removing letters")))
                else:
                    self._held.pop(item.tag)
                    receipts.append(Receipt(item.tag, Outcome.REMOVED))
        return receipts

    def give_back(self, tags: Sequence[int]) -> None:
        """They were never out of the sight of others; from now on they are offered here again."""
        for tag in tags:
            self._held.pop(tag, None)
        self._after, self._left_out = "", 0

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._held.clear()
            self._wire.close()

    # --- small things --------------------------------------------------------------------------------------------
    @property
    def _source(self) -> tuple[str, Any]:
        """The kind of place in the words of `scripts`, and what belongs to the source of a letter there."""
        if isinstance(self._shelf, PoisonShelf):
            group = self._shelf.group
            return "pending", lambda item: group
        if self._shelf.where.type == "stream":
            return "stream", lambda item: b""
        if self._shelf.where.type == "zset" or isinstance(self._shelf, ApartShelf):
            return "zset", lambda item: b""
        return "list", lambda item: b"-1" if item.from_right else b"1"

    def _key(self, item: Item) -> bytes:
        return item.lies_in or self._shelf.where.key

    def _one_slot(self, one: bytes, other: bytes) -> bool:
        return self.atomic or key_slot(one) == key_slot(other)

    def _register(self, copies: Sequence[Copy]) -> None:
        """Sets of a library that have to know a queue; adding to them again changes nothing."""
        known = {(c.entrance.registry, c.entrance.member) for c in copies if c.entrance and c.entrance.registry}
        for (registry, _), reply in zip(
            known, self._wire.ask([pack("SADD", registry, member) for registry, member in known]), strict=True
        ):
            if isinstance(reply, Refusal) and not not_allowed(reply):
                raise NotSupported(f"'{names.text(registry)}' is no set of queue names: {line(reply)}.")

    def _clear(self, items: Sequence[Item]) -> None:
        """Messages that lay apart in a hash of all of them go with their ids."""
        shelf = self._shelf
        if isinstance(shelf, ApartShelf) and not shelf.apart.body and items:
            self._wire.ask([pack("HDEL", shelf.apart.hash_of(item.raw), item.raw) for item in items])

    def _asked(self, commands: Sequence[bytes]) -> list[Any]:
        """The replies; when the connection breaks it cannot be told what was done: `Silent` for each."""
        try:
            return self._wire.ask(commands)
        except CollectorError as error:
            return [Silent(str(error))] * len(commands)

    def _forbidden_here(self, copies: Sequence[tuple[Item, Copy]]) -> str:
        """Why this user may not move letters so, before one is: in a transaction that is given up nothing runs.

        A script in which only the last command is forbidden would add copies, and leave the originals.
        """
        new = {(copy.key, copy.command): (item, copy) for item, copy in copies}
        source, own = self._source
        for key in new.keys() - self._tried:
            item, copy = new[key]
            if not isinstance(self._wire, Wire) or isinstance(self._wire.one("MULTI"), Refusal):
                break
            away = remove(source, self._key(item), own(item), b"0-1")
            example = pack(copy.command, copy.key, *EXAMPLES[copy.command])
            *replies, _ = self._wire.ask([away, example, pack("DISCARD")])
            for reply in replies:
                if not_allowed(reply):
                    return self._forbidden(reply, f"{copy.command} there, and removing here")
            self._tried.add(key)
        return ""

    def _refuse(self, parcels: Sequence[Parcel], why: str) -> None:
        self._receipts += [Receipt(parcel.tag, Outcome.REFUSED, why) for parcel in parcels]

    def _say(self, item: Item, outcome: Outcome, why: str = "") -> None:
        self._receipts.append(Receipt(item.tag, outcome, why))

    def _forbidden(self, answer: object, what: str) -> str:
        if not_allowed(answer):
            return f"Redis user {who(self._wire.url)} may not do that ({what}): {line(answer)}."
        return f"The server refused it: {line(answer)}."

    def _alive(self) -> None:
        if time.time() >= self.until or self._closed:
            raise Expired(f"The lease on '{names.text(self._shelf.where.key)}' has passed its time.")


def names_key(identity: str) -> bytes:
    """The key of a queue of a library that puts its messages apart: its names are plain."""
    return identity.encode()


def _said(answer: Any) -> str:
    return line(answer.decode("utf-8", "replace") if isinstance(answer, bytes) else answer)


def _runs(copies: Sequence[tuple[Item, Copy]], key: Any) -> Iterator[list[tuple[Item, Copy]]]:
    """Neighbours that are alike, in runs that keep the server busy for a short time only."""
    for _, alike in groupby(copies, key=key):
        run: list[tuple[Item, Copy]] = []
        size = 0
        for pair in alike:
            size += len(pair[0].raw) + sum(map(len, pair[1].arguments))
            if run and (len(run) >= LETTERS or size > BYTES):
                yield run
                run, size = [], 0
            run.append(pair)
        if run:
            yield run
