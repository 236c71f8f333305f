"""The properties of a copy: the original's bytes, but for what must go and what Weir adds. Pure.

What goes, and why:

- `x-delivery-count`, `x-acquired-count`: the broker's own count, which a new message has not.
- `x-death` and its family, and what Spring, MassTransit and NServiceBus write when they give a message up: libraries
  take them for retries done, and would park the copy at once. They stay with the option `keep_deaths`.
- `CC`: RabbitMQ would send the copy to each queue named in it as well. Kept as the header `replay-cc`; it acts again
  with the option `keep_cc`.
- the property `user_id`: it must be that of the connection. Kept as the header `replay-user-id`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from collectors.errors import BadAnswer
from collectors.letters import REPLAY_COUNT, REPLAY_ID, REPLAYED_AT, REPLAYED_BY, STAMPS, Stamp

from .fields import Fields, entry, in_order, kind_of, written
from .letters import KEPT_CC, KEPT_USER, OFFSET

KEEP_DEATHS, KEEP_CC, RESTORE_EXPIRATION = "keep_deaths", "keep_cc", "restore_expiration"
OPTIONS = {
    KEEP_DEATHS: (
        "Keep x-death and what libraries wrote when they gave up: for applications that count their retries by it."
    ),
    KEEP_CC: "Keep CC, so that each copy goes to the further queues named in it as well.",
    RESTORE_EXPIRATION: "Give a letter that had expired its time to live again, so that it may expire again.",
}

_COUNTS = frozenset((b"x-delivery-count", b"x-acquired-count", OFFSET))
_STAMPS = frozenset(name.encode() for name in STAMPS)
#: The stamp that is another in each copy, as a header of text without its text.
_ID = bytes([len(REPLAY_ID)]) + REPLAY_ID.encode() + b"S"
_COUNT, _CC = REPLAY_COUNT.encode(), b"CC"
_DEATHS: tuple[bytes, ...] = (b"x-death", b"x-first-death-", b"x-last-death-", b"x-exception-", b"x-original-")
_DEATHS += (b"MT-Fault-", b"NServiceBus.Retries", b"NServiceBus.FailedQ", b"NServiceBus.TimeOfFailure")
_DEATHS += (b"NServiceBus.ExceptionInfo.",)
#: What becomes of a header in a copy: it stays, it goes, or it goes and something comes of it.
_STAYS, _GOES, _TURNS = 0, 1, 2
_MOST_NAMES = 10_000


class Copier:
    """Makes the properties of copies that bear one stamp (None = none) and were ordered with the same options."""

    def __init__(self, stamp: Stamp | None = None, options: frozenset[str] = frozenset()) -> None:
        self._stamp: Stamp | None = None
        self._keeps_deaths, self._keeps_cc = KEEP_DEATHS in options, KEEP_CC in options
        self._restores = RESTORE_EXPIRATION in options
        self._fates: dict[bytes, int] = {}
        self._first = self._rest = b""
        if stamp is not None:
            self._rest = entry(REPLAY_COUNT, 1) + entry(REPLAYED_AT, stamp.at) + entry(REPLAYED_BY, stamp.by)
            self.stamp(stamp)

    def stamp(self, stamp: Stamp) -> None:
        """From now on copies bear this stamp, which differs from the one before in its id alone."""
        self._stamp = stamp
        raw = stamp.replay_id.encode("utf-8", "replace")
        self._first = b"".join((_ID, len(raw).to_bytes(4, "big"), raw, self._rest))

    def copy(self, fields: Fields, headers: Mapping[str, Any] | None = None) -> bytes:
        """Properties as bytes. `headers`: changed ones (None removes one). Raises BadAnswer for what has no bytes."""
        kept, turns = [], False
        fates = self._fates
        for name, raw in fields.headers or ():
            fate = fates.get(name)
            if fate is None:
                fate = self._fate(name)
            if not fate:
                kept.append(raw)
            elif fate == _TURNS:
                turns = True
        if headers:
            kept = self._changed(fields, kept, headers)
        kept.append(self._stamps(fields) if turns else self._first)
        parts = fields.parts
        if turns or "user_id" in parts or self._restores:
            parts, told = self._acted_upon(fields)
            kept += told
        table = b"".join(kept)
        return written(parts, table if table or fields.headers == [] else None)

    def _fate(self, name: bytes) -> int:
        if len(self._fates) > _MOST_NAMES:
            self._fates.clear()
        self._fates[name] = fate = self._judge(name)
        return fate

    def _judge(self, name: bytes) -> int:
        if name in _COUNTS:
            return _GOES
        if name == _CC:
            return _STAYS if self._keeps_cc else _TURNS
        if name in _STAMPS and self._stamp is not None:
            return _TURNS if name == _COUNT else _GOES
        return _GOES if name.startswith(_DEATHS) and not self._keeps_deaths else _STAYS

    def _changed(self, fields: Fields, kept: list[bytes], headers: Mapping[str, Any]) -> list[bytes]:
        """The headers that stay, without those that are changed; and these, of the types that they had."""
        changed = {name.encode("utf-8", "replace"): value for name, value in headers.items()}
        kinds = {header[0]: kind_of(header) for header in fields.headers or ()}
        stay = [raw for raw in kept if raw[1 : 1 + raw[0]] not in changed]
        return stay + [
            entry(name, value, kinds.get(name.encode(), "")) for name, value in headers.items() if value is not None
        ]

    def _stamps(self, fields: Fields) -> bytes:
        """The stamps of a letter that was replayed before."""
        before = fields.header(_COUNT)
        again = isinstance(before, int) and 0 <= before < 1 << 30
        return _stamps(self._stamp, before + 1) if again and self._stamp is not None else self._first

    def _acted_upon(self, fields: Fields) -> tuple[dict[str, bytes], list[bytes]]:
        """The properties, and what RabbitMQ would act upon under names upon which it does not."""
        parts, told = dict(fields.parts), []
        if parts.pop("user_id", None) is not None:
            told.append(entry(KEPT_USER, fields.text("user_id")))
        routed = None if self._keeps_cc else next((raw for name, raw in fields.headers or () if name == _CC), None)
        if routed is not None:
            told.append(bytes([len(KEPT_CC)]) + KEPT_CC.encode() + routed[1 + len(_CC) :])
        expiration = _first_expiration(fields) if self._restores and "expiration" not in parts else b""
        if expiration:
            parts = in_order({**parts, "expiration": bytes([len(expiration)]) + expiration})
        return parts, told


#: For a copy that takes its original's place in the same queue: its deaths stay as well.
RENEWING = Copier(None, frozenset((KEEP_DEATHS,)))


def _stamps(stamp: Stamp, count: int) -> bytes:
    told = ((REPLAY_ID, stamp.replay_id), (REPLAY_COUNT, count), (REPLAYED_AT, stamp.at), (REPLAYED_BY, stamp.by))
    return b"".join(entry(name, value) for name, value in told)


def _first_expiration(fields: Fields) -> bytes:
    """The time to live that it had, which RabbitMQ took away at its first death lest it expire again; b"" = none."""
    try:
        told = fields.header(b"x-death")
    except BadAnswer:
        return b""
    deaths = [death for death in told if isinstance(death, Mapping)] if isinstance(told, list) else []
    lived = [str(death["original-expiration"]) for death in deaths if "original-expiration" in death]
    return next((text.encode() for text in lived if text.isdecimal() and len(text) < 20), b"")
