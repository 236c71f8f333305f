"""What each command is needed for, which ACL rule allows it, and which were refused."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from ...errors import BadAnswer
from ...protocol import Check
from ...url import BrokerURL
from .failures import Silent, has_gone, line, not_allowed, not_allowed_key, unknown_command, who
from .wire import AnyWire, Refusal, pack


@dataclass(frozen=True, slots=True)
class Power:
    """A command. `gives` completes "without it, ..."; `required`: without it there is no poll at all."""

    rule: str
    gives: str
    probe: tuple[bytes | str | int, ...]
    required: bool = False


KEY = b"weir:check"

POWERS: dict[str, Power] = {
    "SCAN": Power("+scan", "no queue can be found", ("SCAN", "0", "COUNT", 10, "TYPE", "list"), required=True),
    "LLEN": Power("+llen", "the depth of lists is unknown", ("LLEN", KEY), required=True),
    "XINFO GROUPS": Power("+xinfo", "consumer groups of streams are unknown", ("XINFO", "GROUPS", KEY), required=True),
    "XINFO CONSUMERS": Power("+xinfo", "idle consumers are not shown", ("XINFO", "CONSUMERS", KEY, "weir")),
    "XINFO STREAM": Power("+xinfo", "streams cannot be measured", ("XINFO", "STREAM", KEY)),
    "XRANGE": Power(
        "+xrange", "the age of the oldest undelivered entry is unknown", ("XRANGE", KEY, "-", "+", "COUNT", 1)
    ),
    "XPENDING": Power(
        "+xpending", "the age of the oldest pending entry is unknown", ("XPENDING", KEY, "weir", "-", "+", 1)
    ),
    "LINDEX": Power("+lindex", "it is unknown whether the head of a list moves", ("LINDEX", KEY, 0)),
    "LPOS": Power("+lpos", "arrivals at lists are unknown, only their net change", ("LPOS", KEY, "x", "MAXLEN", 1)),
    "MEMORY USAGE": Power(
        "+memory|usage", "lists of large messages cannot be told beforehand", ("MEMORY", "USAGE", KEY)
    ),
    "SCARD": Power("+scard", "queues of Celery and Sidekiq are not recognised", ("SCARD", KEY)),
    "SMEMBERS": Power("+smembers", "queues of Celery and Sidekiq are not recognised", ("SMEMBERS", KEY)),
    "ZCARD": Power("+zcard", "scheduled and dead jobs of Sidekiq are not counted", ("ZCARD", KEY)),
    "HLEN": Power("+hlen", "tasks in flight of Celery are unknown", ("HLEN", KEY)),
    "HVALS": Power("+hvals", "tasks in flight of Celery are not told by queue", ("HVALS", KEY)),
    "TIME": Power("+time", "ages are taken by Weir's own clock", ("TIME",)),
    "INFO": Power("+info", "version, memory and role of the server are unknown", ("INFO", "server")),
    "PUBSUB": Power("+pubsub", "Pub/Sub channels are unknown", ("PUBSUB", "NUMPAT")),
    "CLIENT LIST": Power(
        "+client|list", "output buffers of Pub/Sub clients are unknown", ("CLIENT", "LIST", "TYPE", "pubsub")
    ),
}

#: What the reply to a command is, where it is no refusal. Nothing is taken for a number that is none.
SHAPES: dict[str, tuple[type, ...]] = {
    "SCAN": (list,),
    "LLEN": (int,),
    "XINFO GROUPS": (list,),
    "XINFO CONSUMERS": (list,),
    "XINFO STREAM": (list,),
    "XRANGE": (list,),
    "XPENDING": (list,),
    "LINDEX": (bytes, type(None)),
    "LPOS": (list, type(None)),
    "MEMORY USAGE": (int, type(None)),
    "SCARD": (int,),
    "SMEMBERS": (list,),
    "ZCARD": (int,),
    "HLEN": (int,),
    "HVALS": (list,),
    "TIME": (list,),
    "INFO": (bytes,),
    "PUBSUB": (list,),
    "CLIENT LIST": (bytes,),
}

#: What is said on the page where it is missing, but is no problem: hosting companies switch it off for everybody.
CONFIG = Power(
    "+config|get", "the limits of output buffers are unknown", ("CONFIG", "GET", "client-output-buffer-limit")
)


#: The rules of a user that can do all of this and nothing else; the keys can be narrowed further. From 7.2 on
#: `+client|no-touch` may be added: then reading does not keep keys from eviction (older servers refuse the rule).
RECIPE = (
    "~* resetchannels -@all +select +scan +llen +lindex +lpos +memory|usage +xinfo +xrange +xpending +scard "
    "+smembers +zcard +hlen +hvals +time +info +pubsub +client|list +client|setname +config|get"
)


class Powers:
    """Which commands the server refuses to us: filled by `note`, told by `problems`."""

    def __init__(self, url: BrokerURL) -> None:
        self._url = url
        self._missing: dict[str, str] = {}
        self._keys: set[bytes] = set()

    def __contains__(self, command: str) -> bool:
        """Whether it may be tried."""
        return command not in self._missing

    def begin(self) -> None:
        """A new poll: permissions may have been given meanwhile."""
        self._missing.clear()
        self._keys.clear()

    def note(self, command: str, reply: object, key: bytes = b"") -> bool:
        """Look at a reply: False when it is a refusal, which is remembered for `problems` (a key that went is none).

        Raises BadAnswer for one that no Redis would give.
        """
        if isinstance(reply, SHAPES[command]) and not (isinstance(reply, int) and reply < 0):
            return True
        if not isinstance(reply, Refusal):
            raise strange(self._url, command)
        if isinstance(reply, Silent):  # told by the wire
            return False
        if not_allowed_key(reply):
            self._keys.add(key)
        elif not_allowed(reply) or unknown_command(reply):
            power = POWERS[command]
            why = f"Redis user {who(self._url)} may not run" if not_allowed(reply) else "The server does not know"
            cure = f"; allow it with {power.rule}" if not_allowed(reply) else ""
            self._missing[command] = f"{why} {command}, so {power.gives}{cure}."
        elif not has_gone(reply):
            self._missing[command] = f"The server refused {command}, so {POWERS[command].gives}: {line(reply)}."
        return False

    def problems(self) -> list[str]:
        """A sentence for each command that was refused, and one for the keys that were."""
        sentences = list(dict.fromkeys(self._missing.values()))
        if self._keys:
            sentences.append(
                f"Redis user {who(self._url)} may not read {len(self._keys):,} of the keys that were found; "
                "allow them with a key pattern such as ~*, or leave them out with keys=."
            )
        return sentences


def strange(url: BrokerURL, command: str) -> BadAnswer:
    """The error for a reply that no Redis would give."""
    place = f"{url.host}:{url.port(6379)}"
    return BadAnswer(f"Redis at {place} answered {command} in a shape that is not known; is it a Redis or Valkey?")


@contextmanager
def understood(url: BrokerURL, command: str) -> Iterator[None]:
    """What goes wrong while the reply to a command is taken apart, as `strange`."""
    try:
        yield
    except (TypeError, ValueError, LookupError, AttributeError):
        raise strange(url, command) from None


def tried(wire: AnyWire, url: BrokerURL) -> list[Check]:
    """Each command tried once on a key that does not exist: what works, and the ACL rule for what does not."""
    checks = []
    powers = {**POWERS, "CONFIG GET": CONFIG}
    replies = wire.ask([pack(*power.probe) for power in powers.values()])
    for (command, power), reply in zip(powers.items(), replies, strict=True):
        if not_allowed_key(reply):
            cure = f"Not tried: user {who(url)} may run it, but not on a key of any name."
            checks.append(Check(command, True, cure))
        elif not_allowed(reply):
            needed = " Nothing can be polled." if power.required else ""
            cure = f"Missing: {power.gives}; allow it with ACL SETUSER {url.user or 'default'} {power.rule}.{needed}"
            checks.append(Check(command, False, cure))
        elif unknown_command(reply):
            checks.append(Check(command, False, f"This server does not know it: {power.gives}."))
        else:
            checks.append(Check(command, True, "Allowed."))
    return checks
