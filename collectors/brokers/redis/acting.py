"""Tries the commands that looking and replaying need on a Redis, without running one of them.

Each is put into a transaction (MULTI) that is then discarded: the server checks the permissions when a command is
queued, on the command and on its key, and runs nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ...errors import BadAnswer
from ...protocol import Check
from ...url import BrokerURL
from .failures import line, not_allowed, not_allowed_key, unknown_command, who
from .names import SEPARATOR
from .powers import KEY
from .wire import Refusal, Wire, pack

#: Keys whose pattern is tried; one that lets these through rarely stops others.
MOST_KEYS = 20
LOOKING, REPLAYING = "looking", "replaying"


@dataclass(frozen=True, slots=True)
class Command:
    """A command as it is tried on a key: which power needs it, what it gives, its words after and before the key."""

    power: str
    gives: str
    after: tuple[str, ...] = ()
    before: tuple[str, ...] = ()

    def on(self, name: str, key: bytes) -> bytes:
        return pack(name, *self.before, key, *self.after)


_APART = "what RQ, Dramatiq and BullMQ keep beside a job's id cannot be read"
_BACK = "jobs of RQ and Dramatiq cannot go back"

COMMANDS: dict[str, Command] = {
    "TYPE": Command(LOOKING, "it is unknown what lies under a key, so nothing can be looked at"),
    "LRANGE": Command(LOOKING, "messages in lists cannot be looked at", ("0", "0")),
    "XRANGE": Command(LOOKING, "entries of streams cannot be looked at", ("-", "+", "COUNT", "1")),
    "XLEN": Command(LOOKING, "entries of streams cannot be looked at"),
    "ZRANGE": Command(LOOKING, "dead and scheduled jobs of Sidekiq cannot be looked at", ("0", "0")),
    "HGET": Command(LOOKING, _APART, ("x",)),
    "HMGET": Command(LOOKING, _APART, ("x",)),
    "HKEYS": Command(LOOKING, _APART),
    "HSTRLEN": Command(LOOKING, _APART, ("x",)),
    "XREVRANGE": Command(LOOKING, _APART, ("+", "-", "COUNT", "1")),
    "EVAL": Command(REPLAYING, "nothing can be moved in one step", before=("return 1", "1")),
    "RPUSH": Command(REPLAYING, "nothing can be sent to the right end of a list", ("x",)),
    "LPUSH": Command(REPLAYING, "nothing can be sent to the left end of a list", ("x",)),
    "LREM": Command(REPLAYING, "nothing can be taken out of a list", ("1", "x")),
    "XADD": Command(REPLAYING, "nothing can be sent to a stream", ("*", "x", "x")),
    "XACK": Command(REPLAYING, "pending entries of a stream cannot be settled", ("x", "0-1")),
    "XDEL": Command(REPLAYING, "entries cannot be taken out of a stream", ("0-1",)),
    "ZADD": Command(REPLAYING, "deleted jobs of Sidekiq cannot be restored", ("0", "x")),
    "ZREM": Command(REPLAYING, "dead jobs of Sidekiq cannot be taken out", ("x",)),
    "ZSCORE": Command(REPLAYING, "dead jobs of Sidekiq cannot be taken out", ("x",)),
    "SADD": Command(REPLAYING, "Sidekiq and RQ may not know the queue to which a job goes back", ("x",)),
    "HSET": Command(REPLAYING, _BACK, ("x", "x")),
    "HDEL": Command(REPLAYING, _BACK, ("x",)),
    "EXISTS": Command(REPLAYING, _BACK),
    "PERSIST": Command(REPLAYING, _BACK),
}

#: The rules, beside those of polling (`powers.RECIPE`), of a user that can look and replay; `+wait` too with replicas.
ACTING_RECIPE = " ".join(f"+{name.lower()}" for name in ("MULTI", "DISCARD", *COMMANDS))


def check_acting(wire: Wire, url: BrokerURL, keys: Sequence[str], replaying: bool) -> list[Check]:
    """A line for each command, and one for the keys. Raises CollectorError when nothing can be asked."""
    opening = wire.one("MULTI")
    if isinstance(opening, Refusal):  # from here on a command would run: stop
        return [
            Check(REPLAYING if replaying else LOOKING, False, _missing("MULTI", opening, url, "nothing can be tried"))
        ]
    commands = {name: c for name, c in COMMANDS.items() if replaying or c.power == LOOKING}
    tried = _keys(keys) or [KEY]
    probes = [(name, key) for key in tried for name in commands]
    *replies, closing = wire.ask([*(commands[name].on(name, key) for name, key in probes), pack("DISCARD")])
    if isinstance(closing, Refusal):
        wire.drop()  # ends the transaction with its connection
    return _lines(dict(zip(probes, replies, strict=True)), commands, tried, closing, url)


def _lines(
    replies: dict[tuple[str, bytes], object],
    commands: dict[str, Command],
    tried: list[bytes],
    closing: object,
    url: BrokerURL,
) -> list[Check]:
    lines, closed = [], set()
    for name, command in commands.items():
        of = {key: replies[name, key] for key in tried}
        closed |= {key for key, reply in of.items() if not_allowed_key(reply)}
        why = next((r for r in of.values() if isinstance(r, Refusal) and not not_allowed_key(r)), None)
        if why is None and any(reply != b"QUEUED" and not isinstance(reply, Refusal) for reply in of.values()):
            raise BadAnswer(f"The server ran {name} in a transaction that was only to be tried; nothing else was sent.")
        ok = why is None
        said = "Allowed." if why is None else _missing(name, why, url, command.gives)
        lines.append(Check(f"{command.power}: {name}", ok, said))
    if isinstance(closing, Refusal):
        lines.append(Check("DISCARD", False, _missing("DISCARD", closing, url, "a transaction cannot be given up")))
    if closed and closed != {KEY}:
        lines.append(Check("keys", False, _keys_missing(closed, url)))
    return lines


def _missing(name: str, reply: object, url: BrokerURL, gives: str) -> str:
    if not_allowed(reply):
        return f"Missing: {gives}; allow it with ACL SETUSER {url.user or 'default'} +{name.lower()}."
    if unknown_command(reply):
        return f"This server does not know {name}: {gives}."
    return f"The server refused {name}, so {gives}: {line(reply)}."


def _keys_missing(closed: set[bytes], url: BrokerURL) -> str:
    first = min(closed).decode("utf-8", "backslashreplace")[:100]
    many = f" and {len(closed) - 1} more" if len(closed) > 1 else ""
    return (
        f"Missing: user {who(url)} may not both read and write '{first}'{many}; "
        f"let a key pattern match: ACL SETUSER {url.user or 'default'} ~PATTERN."
    )


def _keys(identities: Sequence[str]) -> list[bytes]:
    """The keys behind identities: the stream of a group, no Pub/Sub channels."""
    found = [one.partition(SEPARATOR)[0] for one in identities if SEPARATOR * 2 not in one]
    return [one.encode() for one in dict.fromkeys(found)][:MOST_KEYS]
