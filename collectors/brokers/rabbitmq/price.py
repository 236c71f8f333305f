"""What a look into a queue costs, decided from its kind, its settings and RabbitMQ's version. Pure.

What each version does was read in its source (rabbit_fifo.erl, rabbit_fifo_client.erl); 3.10 was tried. In a quorum
queue the count towards `delivery-limit` is the header `x-delivery-count` of what is delivered:

    3.10 to 3.13    every return counts; no limit unless one is set
    4.0 to 4.2      every return counts (the header shows what is acquired); the limit is 20 unless one is set
    4.3 and later   basic.nack does not count, a connection that is lost does; the limit is 20 unless one is set

A letter dies when its count would exceed the limit. What a quorum queue gets back because a channel was closed keeps
its place. By `basic.nack` it goes to the end where there is no limit, and before 4.0 more than 32 letters at once come
back in no order (they pass through an Erlang map): so channels are closed wherever that counts no more than nack does.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeGuard

from collectors.letters import Price

DEFAULT_LIMIT = 20  # from 4.0
#: A letter is renewed when it may be lost from sight only so many times more: a look that breaks off counts too.
SPARE = 3
SHORT_TTL = 60_000
_UNLIMITED_BY_SIGN = ("delivery-limit",)


@dataclass(slots=True, frozen=True)
class Rules:
    """How one queue must be looked at.

    kind       classic, quorum, stream
    limit      a letter dies beyond so many counted deliveries; None = never
    counts     whether giving back by basic.nack counts
    by_closing letters are given back by closing the channel, which keeps their places
    price      what is said before a look
    timeout    seconds after which the broker takes back what is held
    kept       seconds after which the broker drops what came here
    """

    kind: str
    limit: int | None
    counts: bool
    by_closing: bool
    price: Price
    timeout: float = 1800.0
    kept: float | None = None

    def at_limit(self, count: int) -> bool:
        """Whether a letter delivered with this count must not simply be given back."""
        return self.limit is not None and count + SPARE >= self.limit


def rules_of(row: Mapping[str, Any], version: str, seconds: float) -> Rules:
    """The rules of a queue, from its row in the management API. `seconds`: how long a look may hold letters."""
    kind = str(row.get("type") or "classic")
    settings = effective(row)
    release = release_of(version)
    limit = limit_of(settings, release) if kind == "quorum" else None
    counts = limit is not None and release < (4, 3)
    timeout, ttl = settings.get("consumer-timeout"), settings.get("message-ttl")
    return Rules(
        kind=kind,
        limit=limit,
        counts=counts,
        by_closing=kind == "quorum" and (limit is None or counts),
        price=_price(row, kind, settings, limit, counts, seconds),
        timeout=timeout / 1000 if isinstance(timeout, int) and timeout > 0 else 1800.0,
        kept=ttl / 1000 if _is_number(ttl) else None,
    )


def effective(row: Mapping[str, Any]) -> dict[str, Any]:
    """Settings by their names in policies, of the queue's arguments and its policy; of two numbers the smaller."""
    policy = row.get("effective_policy_definition")
    found: dict[str, Any] = dict(policy) if isinstance(policy, Mapping) else {}
    arguments = row.get("arguments")
    for name, value in (arguments if isinstance(arguments, Mapping) else {}).items():
        if name.startswith("x-"):
            found[name[2:]] = _both(name[2:], value, found.get(name[2:]))
    return found


def _both(name: str, value: Any, policy: Any) -> Any:
    if not (_is_number(value) and _is_number(policy)):
        return value
    if name in _UNLIMITED_BY_SIGN and min(value, policy) < 0:
        return max(value, policy)
    return min(value, policy)


def _is_number(value: Any) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def release_of(version: str) -> tuple[int, int]:
    """(4, 1) of "4.1.0-beta.2"; a version that cannot be read is taken for 4.0, the strictest."""
    match = re.match(r"(\d+)\.(\d+)", version)
    return (int(match[1]), int(match[2])) if match else (4, 0)


def limit_of(settings: Mapping[str, Any], release: tuple[int, int]) -> int | None:
    """The delivery limit of a quorum queue, None = there is none."""
    limit = settings.get("delivery-limit")
    if _is_number(limit):
        return limit if limit >= 0 else None
    return DEFAULT_LIMIT if release >= (4, 0) else None


def refused(row: Mapping[str, Any], kind: str, settings: Mapping[str, Any], limit: int | None) -> str:
    """Why a queue must not be looked at, "" = it may."""
    if row.get("exclusive"):
        return "This queue belongs to one connection alone, and no other can look into it."
    if settings.get("single-active-consumer") is True:
        return "This queue has a single active consumer: a look would take its place, or wait for it."
    if kind not in ("classic", "quorum", "stream"):
        return f"What a look does to a queue of the type '{kind}' is not known."
    if limit == 0:
        return "The delivery limit of this queue is 0: a look that breaks off would make letters die."
    return ""


def _price(
    row: Mapping[str, Any], kind: str, settings: Mapping[str, Any], limit: int | None, counts: bool, seconds: float
) -> Price:
    why = refused(row, kind, settings, limit)
    if why:
        return Price(f"It must not be looked at. {why}", refused=why)
    if kind == "stream":
        return Price("Free: a stream is read without taking anything, and no offset is stored.", free=True)
    beyond = _beyond(settings) if limit is not None else ""
    sentences = [
        f"Letters are taken for up to {seconds:g} seconds and given back in their order, marked as redelivered."
    ]
    if counts:
        sentences.append(
            f"Each look counts as a delivery; after {limit} {beyond}. Before that Weir replaces a letter by a "
            "confirmed copy at the end of the queue, which needs the permission to write to the default exchange."
        )
    elif limit is not None:
        sentences.append(
            f"Giving back does not count as a delivery, but a connection that is lost does; after {limit} {beyond}. "
            "Before that Weir replaces a letter by a confirmed copy at the end of the queue."
        )
    sentences += _besides(row, settings, seconds)
    return Price(
        " ".join(sentences),
        limit=limit if counts else None,
        beyond=beyond,
        renews=limit is not None,
        hidden_seconds=seconds,
    )


def _beyond(settings: Mapping[str, Any]) -> str:
    exchange = settings.get("dead-letter-exchange")
    return "the broker drops it" if exchange is None else f"the broker moves it to the exchange '{exchange}'"


def _besides(row: Mapping[str, Any], settings: Mapping[str, Any], seconds: float) -> list[str]:
    """What else a look may do here, one sentence for each."""
    found = []
    consumers, ttl = row.get("consumers"), settings.get("message-ttl")
    if isinstance(consumers, int) and consumers:
        who = "a consumer, which does" if consumers == 1 else f"{consumers} consumers, which do"
        found.append(f"This queue has {who} not get those letters meanwhile.")
    full = settings.get("max-length") is not None or settings.get("max-length-bytes") is not None
    if full and settings.get("overflow", "drop-head") == "drop-head":
        found.append("Its length is limited: where new messages fill it meanwhile, the oldest are dropped as ever.")
    if _is_number(ttl) and ttl <= SHORT_TTL:
        found.append(f"Its letters live for {ttl / 1000:g} seconds, and may expire as soon as they are given back.")
    if settings.get("delayed-retry-type") in ("all", "returned"):
        found.append("It delays what is given back, so that letters stay out of sight for a while.")
    return found
