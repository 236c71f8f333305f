"""How letters get from one key to another: by scripts in one step, or between two slots of a cluster in two.

Each way answers for every letter with an outcome and a sentence. What the server does at a stretch is bounded: in a
list a letter is found by walking to it from the end, so of letters that lie deep in it only few are moved in one run.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from typing import Any

from redis.crc import key_slot

from ...errors import Busy, CollectorError
from ...letters import Destination, Outcome, Parcel, Receipt
from . import names
from .failures import Silent, for_now, line, not_allowed, who
from .items import Item
from .scripts import BYTES, LETTERS, SCRIPTS, remove, there
from .server import size
from .set_shelf import ApartShelf
from .shelves import Shelf
from .stream_shelf import PoisonShelf
from .target import Copy
from .wire import AnyWire, Refusal, Wire, pack

Pair = tuple[Item, Copy]

#: Elements of a list that one run of a script walks over, and all runs whose replies are waited for together.
STEPS, ALL_STEPS = 100_000, 5_000_000
#: Arguments with which a command that adds is tried, and not run.
EXAMPLES = {"LPUSH": ("x",), "RPUSH": ("x",), "ZADD": ("NX", "0", "x"), "XADD": ("*", "x", "x")}
STRANGE = Silent("What the server answered to a move has a shape that is not known")
GONE = "It is not there any more: somebody else took it."


class Moves:
    """Moves letters of one shelf. `atomic`: every two keys lie on one server.

    steps  over how many elements the server walks to a letter, about
    """

    def __init__(self, wire: AnyWire, shelf: Shelf, steps: Callable[[Item], int]) -> None:
        self._wire, self._shelf, self._steps = wire, shelf, steps
        self.atomic = isinstance(wire, Wire)
        self._tried: set[tuple[bytes, str]] = set()
        self._source, self._own = _source(shelf)

    def move(self, copies: Sequence[Pair], keeps: bool = False) -> list[Receipt]:
        """Every letter with its copy; `keeps`: copies alone. Raises CollectorError only before anything was sent."""
        why = self._forbidden_here(copies) or self._register([copy for _, copy in copies])
        if why:
            return [Receipt(item.tag, Outcome.REFUSED, why) for item, _ in copies]
        together = [pair for pair in copies if self._one_slot(pair) and not keeps]
        apart = [pair for pair in copies if keeps or not self._one_slot(pair)]
        return [*self._in_one_step(together), *self._in_two_steps(apart)]

    def move_apart(self, parcels: Sequence[tuple[Item, Parcel]], to: Destination) -> list[Receipt]:
        """Messages that lie apart from their ids go back by a script of their dialect."""
        shelf, now = self._shelf, time.time()
        assert isinstance(shelf, ApartShelf) and shelf.apart.back is not None
        receipts: list[Receipt] = []
        going: list[Item] = []
        commands: list[bytes] = []
        for item, parcel in parcels:
            try:
                if item.gone:
                    raise ValueError("The message itself has expired; only its id is left.")
                if len(item.body) != item.size and not shelf.apart.body:
                    raise ValueError(f"It has {size(item.size)}, which is too large to be written anew.")
                if parcel.keeps:
                    raise ValueError(
                        f"A message of {shelf.apart.dialect} lies there under its id alone: no copy is made."
                    )
                if parcel.body is not None or parcel.headers or to.exchange is not None:
                    raise ValueError(f"A message of {shelf.apart.dialect} goes back as it is, to one of its queues.")
                way = shelf.apart.back(item.raw, item.body, to.queue.encode(), now)
            except ValueError as error:
                receipts.append(Receipt(item.tag, Outcome.REFUSED, str(error)))
                continue
            going.append(item)
            commands.append(pack("EVAL", way.script, len(way.keys), *way.keys, *way.arguments))
        return receipts + [self._told(*one) for one in zip(going, self._asked(commands), strict=True)]

    def remove(self, items: Sequence[Item]) -> list[Receipt]:
        """Originals, for good."""
        receipts: list[Receipt] = []
        for part in _stretches(items, self._steps):
            answers = self._asked([remove(self._source, self._key(i), self._own(i), i.raw) for i in part])
            for item, answer in zip(part, answers, strict=True):
                if isinstance(answer, Silent):
                    receipts.append(Receipt(item.tag, Outcome.UNKNOWN, f"{line(answer)}."))
                elif isinstance(answer, Refusal):
                    receipts.append(Receipt(item.tag, Outcome.UNKNOWN, self._refused(answer, "removing letters")))
                else:
                    receipts.append(Receipt(item.tag, Outcome.REMOVED))
            self._clear(part)
        return receipts

    # --- one step ------------------------------------------------------------------------------------------------
    def _in_one_step(self, copies: Sequence[Pair]) -> list[Receipt]:
        """By script, in runs of letters that have both keys in common."""
        receipts: list[Receipt] = []
        runs = list(_runs(copies, self._alike, self._steps))
        for part in _stretches(runs, lambda run: sum(self._steps(item) for item, _ in run)):
            for run, reply in zip(part, self._asked([self._script(run) for run in part]), strict=True):
                whole = isinstance(reply, list) and len(reply) == len(run)
                answers = reply if whole else [reply if isinstance(reply, Refusal) else STRANGE] * len(run)
                receipts += [self._told(item, answer) for (item, _), answer in zip(run, answers, strict=True)]
        return receipts

    def _script(self, run: Sequence[Pair]) -> bytes:
        item, copy = run[0]
        letters = [part for one, its in run for part in (one.raw, b"%d" % len(its.arguments), *its.arguments)]
        script = SCRIPTS[self._source]
        return pack("EVAL", script, 2, self._key(item), copy.key, self._own(item), copy.command, *letters)

    def _told(self, item: Item, answer: Any) -> Receipt:
        """What a script said of one letter."""
        if answer == 1:
            return Receipt(item.tag, Outcome.REMOVED)
        if answer == 0:
            return Receipt(item.tag, Outcome.GONE, GONE)
        if isinstance(answer, list) and answer:
            why = f"The copy is there, but the original was not removed: {_said(answer[0])}."
            return Receipt(item.tag, Outcome.SENT, why)
        if isinstance(answer, Silent):
            return Receipt(item.tag, Outcome.UNKNOWN, f"{line(answer)}.")
        if for_now(answer):
            return Receipt(item.tag, Outcome.LATE, f"The server takes nothing now: {_said(answer)}.")
        if isinstance(answer, Refusal):
            return Receipt(item.tag, Outcome.REFUSED, self._refused(answer, "EVAL"))
        if isinstance(answer, bytes | str):
            return Receipt(item.tag, Outcome.REFUSED, f"The server refused it: {_said(answer)}.")
        return Receipt(item.tag, Outcome.UNKNOWN, f"{STRANGE}.")

    # --- two steps -----------------------------------------------------------------------------------------------
    def _in_two_steps(self, copies: Sequence[Pair]) -> list[Receipt]:
        """Between slots: the copy alone, for what is there; the original is removed when that is journalled."""
        receipts: list[Receipt] = []
        for part in _stretches(copies, lambda pair: self._steps(pair[0])):
            present: list[Pair] = []
            seen = self._asked([there(self._source, self._key(i), self._own(i), i.raw) for i, _ in part])
            for pair, answer in zip(part, seen, strict=True):
                if isinstance(answer, Silent):  # nothing was sent
                    receipts.append(Receipt(pair[0].tag, Outcome.LATE, f"{line(answer)}."))
                elif isinstance(answer, Refusal):
                    receipts.append(self._told(pair[0], answer))
                elif answer is None or answer == []:
                    receipts.append(self._told(pair[0], 0))
                else:
                    present.append(pair)
            receipts += self._added(present)
        return receipts

    def _added(self, copies: Sequence[Pair]) -> list[Receipt]:
        receipts = []
        answers = self._asked([copy.packed for _, copy in copies])
        waited = self._wire.replicated([copy.key for _, copy in copies], self._wire.connections) if copies else ""
        for (item, copy), answer in zip(copies, answers, strict=True):
            if isinstance(answer, Refusal):
                known = isinstance(answer, Silent) or not_allowed(answer) or for_now(answer)
                receipts.append(self._told(item, answer if known else line(answer)))
            elif answer == 0 and copy.command == "ZADD":
                receipts.append(self._told(item, "one that is equal to it lies there already"))
            else:
                receipts.append(Receipt(item.tag, Outcome.SENT, waited, bool(waited)))
        return receipts

    # --- before and after ----------------------------------------------------------------------------------------
    def _forbidden_here(self, copies: Sequence[Pair]) -> str:
        """Why this user may not move letters so, before one is: in a transaction that is given up nothing runs. Raises
        Busy where the server takes nothing for now.

        A script in which only the last command is forbidden would add copies, and leave the originals.
        """
        new = {(copy.key, copy.command): (item, copy) for item, copy in copies}
        for key in new.keys() - self._tried:
            item, copy = new[key]
            if not isinstance(self._wire, Wire) or isinstance(self._wire.one("MULTI"), Refusal):
                break
            away = remove(self._source, self._key(item), self._own(item), b"0-1")
            example = pack(copy.command, copy.key, *EXAMPLES[copy.command])
            *replies, _ = self._wire.ask([away, example, pack("DISCARD")])
            for reply in replies:
                if for_now(reply):
                    raise Busy(f"Redis at {self._wire.url.label} takes nothing now: {line(reply)}.")
                if not_allowed(reply):
                    return self._refused(reply, f"{copy.command} there, and removing here")
            self._tried.add(key)
        return ""

    def _register(self, copies: Sequence[Copy]) -> str:
        """Sets of a library that have to know a queue; adding to them again changes nothing. Why that fails, or ""."""
        known = {(c.entrance.registry, c.entrance.member) for c in copies if c.entrance and c.entrance.registry}
        replies = self._wire.ask([pack("SADD", registry, member) for registry, member in known])
        for (registry, _), reply in zip(known, replies, strict=True):
            if isinstance(reply, Refusal) and not not_allowed(reply):
                return f"'{names.text(registry)}' cannot be told of that queue: {line(reply)}."
        return ""

    def _clear(self, items: Sequence[Item]) -> None:
        """Messages that lay apart in a hash of all of them go with their ids."""
        shelf = self._shelf
        if isinstance(shelf, ApartShelf) and not shelf.apart.body:
            self._asked([pack("HDEL", shelf.apart.hash_of(item.raw), item.raw) for item in items])

    def _asked(self, commands: Sequence[bytes]) -> list[Any]:
        """The replies; when the connection breaks it cannot be told what was done: `Silent` for each."""
        try:
            return self._wire.ask(commands)
        except CollectorError as error:
            return [Silent(str(error))] * len(commands)

    def _alike(self, pair: Pair) -> tuple[bytes, ...]:
        item, copy = pair
        return self._key(item), copy.key, copy.command.encode(), self._own(item)

    def _key(self, item: Item) -> bytes:
        return item.lies_in or self._shelf.where.key

    def _one_slot(self, pair: Pair) -> bool:
        return self.atomic or key_slot(self._key(pair[0])) == key_slot(pair[1].key)

    def _refused(self, answer: object, what: str) -> str:
        if not_allowed(answer):
            return f"Redis user {who(self._wire.url)} may not do that ({what}): {line(answer)}."
        return f"The server refused it: {line(answer)}."


def _source(shelf: Shelf) -> tuple[str, Callable[[Item], bytes]]:
    """The kind of place in the words of `scripts`, and what belongs to the source of a letter there."""
    if isinstance(shelf, PoisonShelf):
        group = shelf.group
        return "pending", lambda item: group
    if shelf.where.type == "stream":
        return "stream", lambda item: b""
    if shelf.where.type == "zset" or isinstance(shelf, ApartShelf):
        return "zset", lambda item: b""
    return "list", lambda item: b"-1" if item.from_right else b"1"


def _runs(
    copies: Sequence[Pair], alike: Callable[[Pair], object], steps: Callable[[Item], int]
) -> Iterator[list[Pair]]:
    """Neighbours that are alike, in runs that keep the server busy for a short time only."""
    for _, group in groupby(copies, key=alike):
        run: list[Pair] = []
        length = walked = 0
        for pair in group:
            own, far = len(pair[0].raw) + sum(map(len, pair[1].arguments)), steps(pair[0])
            if run and (len(run) >= LETTERS or length + own > BYTES or walked + far > STEPS):
                yield run
                run, length, walked = [], 0, 0
            run.append(pair)
            length, walked = length + own, walked + far
        if run:
            yield run


def _stretches(things: Sequence[Any], steps: Callable[[Any], int]) -> Iterator[list[Any]]:
    """What is asked for at once: no more than is done before patience with the server ends."""
    part: list[Any] = []
    walked = 0
    for one in things:
        if part and walked + steps(one) > ALL_STEPS:
            yield part
            part, walked = [], 0
        part.append(one)
        walked += steps(one)
    if part:
        yield part


def _said(answer: Any) -> str:
    return line(answer.decode("utf-8", "replace") if isinstance(answer, bytes) else answer)
