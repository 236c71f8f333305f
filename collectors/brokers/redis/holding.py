"""What makes a Redis one whose letters can be looked at and leased, beside being polled.

Looks have a connection of their own, and so has each lease: polling goes on meanwhile, and what a large letter does to
a connection it does to no other.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from ...dialects import RETURNING
from ...errors import BadAnswer, NotSupported
from ...letters import Bounds, Destination, Look, Price
from ...url import BrokerURL
from . import look as looks
from . import names
from .groups import pairs, raw
from .keys import checked, where
from .lease import RedisLease
from .powers import understood
from .relations import apart_of
from .target import OPTIONS, Unfit, among_the_dead, new_message, target_of
from .wire import AnyWire


class HoldsLetters:
    """Inherited by the adapters, which say how a server is connected (`_new_wire`)."""

    _url: BrokerURL
    most_headers: int | None = None
    options: Mapping[str, str] = {**OPTIONS, **{k: words for one in RETURNING for k, words in one.options.items()}}

    def __init__(self) -> None:
        self._letters: AnyWire | None = None

    def _new_wire(self, url: BrokerURL) -> AnyWire:
        raise NotImplementedError

    def price(self, key: str) -> Price:
        """Always free."""
        return looks.price(self._looking(), key)

    def look(self, key: str, bounds: Bounds, after: str = "", stop: Callable[[], bool] = lambda: False) -> Look:
        return looks.look(self._looking(), key, bounds, after, stop)

    def lease(self, key: str, seconds: float) -> RedisLease:
        """Redis holds nothing back, so there is no limit of its own to keep. Raises CollectorError."""
        wire = self._new_wire(self._url)
        try:
            wire.begin()
            shelf = looks.shelf_of(wire, key)
            if shelf.refused:
                raise NotSupported(shelf.refused)
            return RedisLease(wire, shelf, time.time() + seconds)
        except BaseException:
            wire.close()
            raise

    def stamps(self, key: str, to: Destination) -> str:
        """Only entries of streams have fields to spare."""
        try:
            kind = target_of(self._looking(), to).type
        except Unfit:
            kind = "stream"  # nothing can go there anyway
        if kind == "stream":
            return ""
        return "A message in a list or sorted set of Redis is its body alone, with no room for stamps."

    def receivers(self, to: Destination, beside: str = "") -> list[str] | None:
        """The groups of a stream, each of which gets every entry; else the queue alone."""
        wire = self._looking()
        try:
            target = target_of(wire, to)
        except Unfit:
            return []
        if target.type != "stream":
            return [names.text(target.key)]
        reply = checked(wire.one("XINFO", "GROUPS", target.key), wire.url, "XINFO")
        with understood(wire.url, "XINFO GROUPS"):
            groups = [raw(pairs(about)[b"name"]) for about in reply]
        name = names.text(target.key)
        return [f"{name} · {names.text(group)}" for group in groups] or [name]

    def send_new(self, to: Destination, body: bytes, headers: Mapping[str, Any], properties: Mapping[str, str]) -> str:
        """To the end of a list where the newest are, as an entry of a stream, or with the score of now.

        The properties of a letter that was looked at (`Letter.properties`) say how it was written.
        """
        wire = self._looking()
        told = [(k.encode(), v if isinstance(v, bytes) else str(v).encode()) for k, v in headers.items()]
        place = where(wire, to.queue) if to.queue and to.exchange is None else None
        apart = apart_of(place.key) if place is not None and place.type in ("zset", "none") else None
        try:
            if place is not None and apart is not None:
                commands = among_the_dead(place.key, apart, body, told, properties)
            else:
                commands = [new_message(target_of(wire, to), body, told, properties).packed]
        except Unfit as error:
            raise BadAnswer(str(error)) from error
        replies = [checked(reply, wire.url, "it") for reply in wire.ask(commands)]
        return names.text(replies[-1]) if isinstance(replies[-1], bytes) else ""

    def _looking(self) -> AnyWire:
        """The connection of looks, ready for the next one."""
        if self._letters is None:
            self._letters = self._new_wire(self._url)
        self._letters.begin()
        return self._letters

    def _close_letters(self) -> None:
        if self._letters is not None:
            self._letters.close()
