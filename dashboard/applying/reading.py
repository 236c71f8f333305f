"""A TOML file of brokers, alerts and tags, read and checked: each mistake with its line, and no secret in any sentence.

::

    [[brokers]]
    name = "prod"
    url = "env:PROD_RABBIT"                                   # the whole URL from the environment
    acting_url = "amqp://operator:file:/run/secrets/rabbit@rabbit.internal:5672"   # or a password from a file
    interval = 5

    [[notifiers]]
    name = "#ops"
    url = "env:SLACK_OPS"

    [[rules]]
    name = "Lag of orders"
    filter = "orders*"
    condition = {metric = "lag_seconds", op = ">", value = 300, for = "2m"}
    notifiers = ["#ops"]

    [[silences]]
    reason = "backup"
    starts_at = 2026-11-30T02:00:00Z
    ends_at = 2026-11-30T03:00:00Z
    repeat = "daily"

    [[tags]]
    broker = "prod*"                                          # globs, on names; both may be left out
    queues = "orders-*"
    tags = ["team:shop"]

A section that is left out is left alone; an empty one (`brokers = []`) takes everything away that an earlier file gave.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from collectors.errors import CollectorError
from collectors.url import seconds

from ..queue_deeds import checked_tag
from .lines import Lines

_INSIDE = re.compile(r"(?<=://)([^:/@\s]*):((?:env|file):[^@\s]+)@")


class FileRefused(ValueError):
    """The file cannot be applied. `mistakes` are sentences, each with its line."""

    def __init__(self, mistakes: Sequence[str]) -> None:
        super().__init__("\n".join(mistakes))
        self.mistakes = list(mistakes)


@dataclass(frozen=True, slots=True)
class DeclaredBroker:
    """A broker as the file wants it; `interval` in seconds, None = as its URL says. `line` is where it stands."""

    line: int
    url: str
    name: str = ""
    acting_url: str = ""
    interval: float | None = None
    look_only: bool | None = None
    paused: bool | None = None


@dataclass(frozen=True, slots=True)
class DeclaredTags:
    """Tags for queues by name; both names are globs."""

    line: int
    tags: tuple[str, ...]
    broker: str = "*"
    queues: str = "*"


@dataclass(frozen=True, slots=True)
class DeclaredNotifier:
    """A way of telling people."""

    line: int
    name: str
    url: str
    allow_private: bool = False
    per_minute: int = 20


@dataclass(frozen=True, slots=True)
class DeclaredRule:
    """A rule; notifiers by name, in `escalation` too."""

    line: int
    name: str
    condition: Mapping[str, Any]
    filter: str = ""
    severity: str = "warning"
    per: str = "queue"
    notifiers: tuple[str, ...] = ()
    escalation: tuple[Mapping[str, Any], ...] = ()
    quiet: Mapping[str, str] = field(default_factory=dict)
    enabled: bool = True


@dataclass(frozen=True, slots=True)
class DeclaredSilence:
    """A silence, or a window that comes again."""

    line: int
    reason: str
    starts_at: datetime
    ends_at: datetime
    filter: str = ""
    rule: str = ""
    repeat: str = ""
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Declared:
    """The whole file. None: the section is not there, and what it would manage is left alone."""

    brokers: tuple[DeclaredBroker, ...] | None = None
    tags: tuple[DeclaredTags, ...] | None = None
    notifiers: tuple[DeclaredNotifier, ...] | None = None
    rules: tuple[DeclaredRule, ...] | None = None
    silences: tuple[DeclaredSilence, ...] | None = None


Reader = Callable[[Any], Any]


def read(text: str) -> Declared:
    """Read a file's text. Raises FileRefused with everything that is wrong in it."""
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise FileRefused([f"this is not TOML: {error}."]) from None
    return _Reading(Lines(text)).whole(tables)


class _Reading:
    def __init__(self, lines: Lines) -> None:
        self.lines = lines
        self.mistakes: list[str] = []

    def whole(self, tables: Mapping[str, Any]) -> Declared:
        for section in tables:
            if section not in _SECTIONS:
                self.wrong(
                    section, 0, "", f"there is no section '{section}'; this version knows {', '.join(_SECTIONS)}"
                )
        brokers = self.section(tables, "brokers", DeclaredBroker, ("url",))
        tags = self.section(tables, "tags", DeclaredTags, ("tags",))
        notifiers = self.section(tables, "notifiers", DeclaredNotifier, ("name", "url"))
        rules = self.section(tables, "rules", DeclaredRule, ("name", "condition"))
        silences = self.section(tables, "silences", DeclaredSilence, ("reason", "starts_at", "ends_at"))
        self.once(notifiers or (), "notifiers", "name", lambda one: one.name)
        self.once(rules or (), "rules", "name", lambda one: one.name)
        self.once(brokers or (), "brokers", "name", lambda one: one.name)
        self.once(tags or (), "tags", "queues", lambda one: f"{one.broker} {one.queues}")
        if self.mistakes:
            raise FileRefused(self.mistakes)
        return Declared(brokers, tags, notifiers, rules, silences)

    def section(self, tables: Mapping[str, Any], name: str, kind: type, needed: tuple[str, ...]) -> Any:
        rows = tables.get(name)
        if rows is None:
            return None
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            self.wrong(name, 0, "", f"'{name}' is a list of tables: write [[{name}]] before each")
            return None
        found = [self.table(name, index, row, needed) for index, row in enumerate(rows)]
        made = [(index, row) for index, row in enumerate(found) if row is not None]
        return tuple(kind(line=self.lines.of(name, index), **row) for index, row in made)

    def table(self, section: str, index: int, row: Mapping[str, Any], needed: tuple[str, ...]) -> dict[str, Any] | None:
        before, keys = len(self.mistakes), _SECTIONS[section]
        values = {}
        for key, value in row.items():
            if key not in keys:
                self.wrong(section, index, key, f"'{key}' is not known here; there are {', '.join(keys)}")
                continue
            try:
                values[key] = keys[key](value)
            except (ValueError, CollectorError) as error:
                self.wrong(section, index, key, f"{key}: {error}")
        for key in needed:
            if key not in row:
                self.wrong(section, index, "", f"a table of {section} needs '{key}'")
        return values if len(self.mistakes) == before else None

    def once(self, rows: Sequence[Any], section: str, key: str, name_of: Callable[[Any], str]) -> None:
        seen: dict[str, int] = {}
        for index, row in enumerate(rows):
            name = name_of(row)
            if name and name in seen:
                self.wrong(section, index, key, f"'{name}' stands in line {seen[name]} already")
            seen.setdefault(name, row.line)

    def wrong(self, section: str, index: int, key: str, what: str) -> None:
        self.mistakes.append(f"line {self.lines.of(section, index, key)}: {what.rstrip('.')}.")


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError("it must be a text")
    return value.strip()


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("it must be true or false")
    return value


def _seconds(value: Any) -> float:
    if isinstance(value, str):
        return seconds(value, "interval")
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError('it must be a number of seconds, or a text such as "30s"')
    return float(value)


def _tags(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not value or not all(isinstance(one, str) for one in value):
        raise ValueError("it must be a list of texts")
    return tuple(dict.fromkeys(checked_tag(one) for one in value))


def _any_text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("it must be a text")
    return value.strip()


def _texts(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise ValueError("it must be a list of texts")
    return tuple(dict.fromkeys(value))


def _whole(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError("it must be a whole number")
    return value


def _table(value: Any) -> Mapping[str, Any]:
    """A table whose durations may be written as texts: for = "2m" says for_seconds = 120."""
    if not isinstance(value, dict):
        raise ValueError('it must be a table, such as {metric = "lag_seconds", op = ">", value = 300}')
    words = {"for": "for_seconds", "clear": "clear_seconds", "window": "window_seconds", "horizon": "horizon_seconds"}
    return {words.get(str(key), str(key)): _seconds(one) if key in words else one for key, one in value.items()}


def _steps(value: Any) -> tuple[Mapping[str, Any], ...]:
    if not isinstance(value, list) or not all(
        isinstance(one, dict) and set(one) == {"after", "notifiers"} for one in value
    ):
        raise ValueError('it must be a list of {after = "10m", notifiers = ["name"]}')
    return tuple({"after_seconds": _seconds(one["after"]), "notifiers": _texts(one["notifiers"])} for one in value)


def _moment(value: Any) -> datetime:
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise ValueError("it must be a time with its zone, such as 2026-11-30T02:00:00Z")
    return value


def _url(value: Any) -> str:
    """A URL, whose whole or whose password may be env:NAME or file:PATH."""
    text = _text(value)
    if text.startswith(("env:", "file:")):
        return _secret(text)
    return _INSIDE.sub(lambda found: f"{found[1]}:{quote(_secret(found[2]), safe='')}@", text)


def _secret(reference: str) -> str:
    """What env:NAME or file:PATH stands for. Raises ValueError, which never holds it."""
    kind, _, name = reference.partition(":")
    if kind == "env":
        if not os.environ.get(name, "").strip():
            raise ValueError(f"the environment has no {name}")
        return os.environ[name].strip()
    try:
        content = Path(name).read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not text"
        raise ValueError(f"{name} cannot be read: {why}") from None
    if not content:
        raise ValueError(f"{name} is empty")
    return content


_SECTIONS: Mapping[str, Mapping[str, Reader]] = {
    "brokers": {
        "name": _text,
        "url": _url,
        "acting_url": _url,
        "interval": _seconds,
        "look_only": _flag,
        "paused": _flag,
    },
    "tags": {"broker": _text, "queues": _text, "tags": _tags},
    "notifiers": {"name": _text, "url": _url, "allow_private": _flag, "per_minute": _whole},
    "rules": {
        "name": _text,
        "filter": _any_text,
        "condition": _table,
        "severity": _text,
        "per": _text,
        "notifiers": _texts,
        "escalation": _steps,
        "quiet": _table,
        "enabled": _flag,
    },
    "silences": {
        "reason": _text,
        "filter": _any_text,
        "rule": _text,
        "starts_at": _moment,
        "ends_at": _moment,
        "repeat": _text,
        "until": _moment,
    },
}
