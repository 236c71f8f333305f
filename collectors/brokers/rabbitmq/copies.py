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

from .fields import Entry, Fields, entry
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
_DEATHS: tuple[bytes, ...] = (
    b"x-death",
    b"x-first-death-",
    b"x-last-death-",
    b"x-exception-",
    b"x-original-",
    b"MT-Fault-",
)
_DEATHS += (b"NServiceBus.Retries", b"NServiceBus.FailedQ", b"NServiceBus.TimeOfFailure", b"NServiceBus.ExceptionInfo.")


def copied(
    fields: Fields,
    stamp: Stamp | None = None,
    options: frozenset[str] = frozenset(),
    headers: Mapping[str, Any] | None = None,
) -> bytes:
    """The properties of a copy. `headers`: changed ones (None removes one). Raises BadAnswer for what has no bytes."""
    changed = {name.encode("utf-8", "replace"): value for name, value in (headers or {}).items()}
    keeps_deaths, keeps_cc = KEEP_DEATHS in options, KEEP_CC in options

    def drops(name: bytes) -> bool:
        if name in _COUNTS or name in changed or (stamp is not None and name in _STAMPS):
            return True
        if name == b"CC":
            return not keeps_cc
        return not keeps_deaths and name.startswith(_DEATHS)

    added = _stamps(fields, stamp) if stamp is not None else b""
    if changed:
        added += _changed(fields, changed)
    added += _kept(fields, keeps_cc)
    copy = fields.without(("user_id",), drops)
    if copy.headers == [] and fields.headers:
        copy.headers = None
    if RESTORE_EXPIRATION in options and "expiration" not in copy.parts:
        _restore_expiration(fields, copy)
    return copy.written(added)


def renewed(fields: Fields) -> bytes:
    """The properties of a copy that takes its original's place in the same queue: its deaths stay as well."""
    return copied(fields, None, frozenset((KEEP_DEATHS,)))


def _stamps(fields: Fields, stamp: Stamp) -> bytes:
    before = fields.header(REPLAY_COUNT.encode())
    count = before + 1 if isinstance(before, int) and 0 <= before < 1 << 30 else 1
    told = ((REPLAY_ID, stamp.replay_id), (REPLAY_COUNT, count), (REPLAYED_AT, stamp.at), (REPLAYED_BY, stamp.by))
    return b"".join(entry(name, value) for name, value in told)


def _changed(fields: Fields, changed: Mapping[bytes, Any]) -> bytes:
    kinds = {one.name: one.kind for one in fields.headers or ()}
    return b"".join(
        entry(name.decode("utf-8", "replace"), value, kinds.get(name, ""))
        for name, value in changed.items()
        if value is not None
    )


def _kept(fields: Fields, keeps_cc: bool) -> bytes:
    """What RabbitMQ would act upon, under names upon which it does not."""
    kept = b""
    if "user_id" in fields.parts:
        kept += entry(KEPT_USER, fields.text("user_id"))
    routed = None if keeps_cc else next((one for one in fields.headers or () if one.name == b"CC"), None)
    if routed is not None:
        kept += _renamed(routed, KEPT_CC.encode())
    return kept


def _renamed(one: Entry, name: bytes) -> bytes:
    return bytes([len(name)]) + name + one.raw[1 + len(one.name) :]


def _restore_expiration(fields: Fields, copy: Fields) -> None:
    """The time to live of its first death, which RabbitMQ took away lest it expire again."""
    try:
        told = fields.header(b"x-death")
    except BadAnswer:
        return
    for death in told if isinstance(told, list) else ():
        ttl = death.get("original-expiration") if isinstance(death, Mapping) else None
        if isinstance(ttl, str) and ttl.isdecimal() and len(ttl) < 20:
            copy.parts["expiration"] = bytes([len(ttl)]) + ttl.encode()
            return
