"""From the key of a queue, as the dashboard has it, back to what it is called in Redis and what lies there."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from ...errors import BadAnswer, NotSupported, Unreachable
from ...url import BrokerURL
from . import names
from .failures import Silent, refused
from .groups import pairs, raw
from .names import SEPARATOR
from .powers import understood
from .wire import AnyWire, Refusal, pack

#: Pages of SCAN in which a key is sought of which the identity tells the beginning only.
MOST_PAGES = 2000
#: Those that were found: a digest is of one key only, whatever server it is on.
MOST_FOUND = 1000
_found: dict[str, bytes] = {}


@dataclass(frozen=True, slots=True)
class Where:
    """A queue in Redis. `type` as TYPE says it, "none" for an empty list; `group` of a stream; `poison`: of that group
    the pending entries that were delivered again and again."""

    key: bytes
    type: str
    group: bytes | None = None
    poison: bool = False


def where(wire: AnyWire, identity: str) -> Where:
    """Where a queue lies. Raises CollectorError: it cannot be found, or keeps nothing."""
    name, *rest = identity.split(SEPARATOR)
    if rest and rest[0] == "":
        raise NotSupported(f"Pub/Sub keeps no message, so in the channel '{rest[-1]}' there is none to look at.")
    key = _key(wire, name)
    kind = type_of(wire, key)
    if not rest:
        return Where(key, kind)
    if kind != "stream":
        raise BadAnswer(f"There is no stream '{name}' any more.")
    return Where(key, kind, _group(wire, key, rest[0]), poison=len(rest) > 1)


def type_of(wire: AnyWire, key: bytes) -> str:
    reply = checked(wire.one("TYPE", key), wire.url, "TYPE")
    with understood(wire.url, "TYPE"):
        return str(reply.decode() if isinstance(reply, bytes) else reply)


def checked(reply: Any, url: BrokerURL, command: str) -> Any:
    """A reply, unless it is a refusal: then the error is raised that says what to do."""
    if isinstance(reply, Silent):
        raise Unreachable(f"A node of the cluster did not answer {command}: {reply}.")
    if isinstance(reply, Refusal):
        raise refused(reply, url, command, f"+{command.lower()}")
    return reply


def _key(wire: AnyWire, name: str) -> bytes:
    """The key of an identity. One that is too long to be written there is sought among all keys."""
    if not names.stands_for_another(name) or type_of(wire, name.encode()) != "none":
        return name.encode()
    if (key := _found.get(name, names.written(name))) is not None:  # an emptied list is not among all keys
        return key
    start = re.split(r"[^\x20-\x7e]|\\", name[:-17])[0][:100]
    pattern = re.sub(r"([*?\[\]\\])", r"\\\1", start).encode() + b"*"
    for node in wire.nodes:
        cursor = b"0"
        for _ in range(MOST_PAGES):
            asked = [(node, pack("SCAN", cursor, "MATCH", pattern, "COUNT", 1000))]
            reply = checked(wire.ask_each(asked)[0], wire.url, "SCAN")
            with understood(wire.url, "SCAN"):
                cursor, keys = reply
                found = next((raw(key) for key in keys if names.identity(raw(key)) == name), None)
            if found is not None:
                if len(_found) < MOST_FOUND:
                    _found[name] = found
                return found
            if cursor == b"0":
                break
    raise BadAnswer(f"There is no key '{name}' any more.")


def _group(wire: AnyWire, key: bytes, name: str) -> bytes:
    reply = checked(wire.one("XINFO", "GROUPS", key), wire.url, "XINFO")
    with understood(wire.url, "XINFO GROUPS"):
        groups = [raw(pairs(about)[b"name"]) for about in reply]
    for group in groups:
        if names.identity(group) == name:
            return group
    raise BadAnswer(f"The stream '{names.text(key)}' has no group '{name}' any more.")
