"""What rarely changes about each queue, for its page; and how the queues hang together."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from collectors.protocol import QueueFacts, Relation

from .deadletters import DeadLetters, dead_letters_of, words
from .hidden import why_hidden
from .inventory import QueueRow
from .management import Management
from .policies import Policies, Settings
from .prometheus import QueueKey
from .relations import relations_of
from .routes import Routes

_KINDS = {"classic": "Classic queue", "quorum": "Quorum queue", "stream": "Stream"}

#: Settings that are worth a line, with how their values read.
_SETTINGS: tuple[tuple[str, str, Callable[[Any], str]], ...] = (
    ("message-ttl", "Messages live", lambda v: _duration(v)),
    ("expires", "Removed when unused for", lambda v: _duration(v)),
    ("max-length", "Holds at most", lambda v: f"{v} messages"),
    ("max-length-bytes", "Holds at most", lambda v: f"{v} bytes"),
    ("overflow", "When full", lambda v: str(v)),
    ("delivery-limit", "Delivery limit", lambda v: str(v)),
    ("max-priority", "Priorities", lambda v: str(v)),
    ("single-active-consumer", "Single active consumer", lambda v: "yes" if v is True else "no"),
    ("max-age", "Keeps messages for", lambda v: str(v)),
    ("queue-mode", "Mode", lambda v: str(v)),
    ("ha-mode", "Mirrored", lambda v: str(v)),
)


def look_up(management: Management, rows: Mapping[QueueKey, QueueRow]) -> tuple[dict[str, QueueFacts], list[Relation]]:
    """Facts by sample key, and all relations. Four requests. Raises CollectorError."""
    policies = Policies(management.policies(), management.operator_policies())
    return describe(rows, policies, Routes(management.exchanges(), management.bindings(), rows))


def describe(
    rows: Mapping[QueueKey, QueueRow], policies: Policies, routes: Routes
) -> tuple[dict[str, QueueFacts], list[Relation]]:
    """The same from answers at hand."""
    settings = {key: policies.settings(row) for key, row in rows.items()}
    found = {key: dead_letters_of(row, settings[key], routes) for key, row in rows.items()}
    facts = {row.key: _facts(row, settings[key], found[key], routes) for key, row in rows.items()}
    return facts, relations_of(rows, settings, found)


def without_routes(rows: Mapping[QueueKey, QueueRow]) -> dict[str, QueueFacts]:
    """What the inventory alone tells, where policies and bindings cannot be read."""
    return {
        row.key: QueueFacts(tuple(_about(row)), hidden=bool(why_hidden(row)), why_hidden=why_hidden(row))
        for row in rows.values()
    }


def _facts(row: QueueRow, settings: Settings, letters: DeadLetters | None, routes: Routes) -> QueueFacts:
    lines = _about(row)
    for name, label, read in _SETTINGS:
        value = settings.get(name)
        if value is not None:
            lines.append((label, f"{read(value)} ({settings.source(name)})"))
    if settings.policy:
        lines.append(("Policy", settings.policy))
    if settings.operator_policy:
        lines.append(("Operator policy", settings.operator_policy))
    bound = routes.bound.get((row.vhost, row.queue))
    if bound:
        lines.append(("Bound to", _bindings(bound)))
    if row.kind != "stream":
        lines.append(("Dead letters go to", words(letters, row, routes)))
    why = why_hidden(row)
    keeps = _keeps(row, settings, letters)
    return QueueFacts(tuple(lines), hidden=bool(why), why_hidden=why, keeps_seconds=keeps)


def _keeps(row: QueueRow, settings: Settings, letters: DeadLetters | None) -> float | None:
    """The age at which messages are dropped for good: those that expire into another queue are not."""
    if row.kind == "stream":
        return _age(settings.get("max-age"))
    ttl = settings.get("message-ttl")
    return ttl / 1000 if isinstance(ttl, int | float) and letters is None else None


_AGES = {"Y": 365 * 86400, "M": 30 * 86400, "D": 86400, "h": 3600, "m": 60, "s": 1}


def _age(text: Any) -> float | None:
    """Seconds of a stream's max-age: "7D"."""
    number, unit = (text[:-1], text[-1:]) if isinstance(text, str) else ("", "")
    return float(number) * _AGES[unit] if number.isdecimal() and unit in _AGES else None


def _about(row: QueueRow) -> list[tuple[str, str]]:
    lines = [("Type", _KINDS.get(row.kind, row.kind)), ("Virtual host", row.vhost)]
    flags = [word for word, holds in (("exclusive", row.exclusive), ("auto-delete", row.auto_delete)) if holds]
    lines.append(("Kept over a restart", ", ".join(["yes" if row.durable else "no", *flags])))
    if row.node:
        lines.append(("Node", row.node))
    if len(row.members) > 1:
        lines.append(("Members", ", ".join(row.members)))
    if row.kind == "stream":
        lines.append(("Depth", "a stream keeps its messages when they are read, so that their number is no backlog"))
    return lines


def _bindings(bound: list[tuple[str, str]]) -> str:
    texts = [f"{exchange} ({key})" if key else exchange for exchange, key in sorted(set(bound))]
    return ", ".join(texts[:5]) + (f" and {len(texts) - 5} more" if len(texts) > 5 else "")


def _duration(milliseconds: Any) -> str:
    if not isinstance(milliseconds, int | float):
        return str(milliseconds)
    seconds = milliseconds / 1000
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size and seconds % size == 0:
            return f"{seconds / size:g} {unit}"
    return f"{seconds:g} s"
