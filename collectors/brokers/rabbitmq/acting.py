"""Tries the permissions that looking and replaying need on a RabbitMQ, over AMQP, without touching a message.

kombu makes the connection. Two requests are refused for a missing permission before they are refused for being
wrong (rabbit_channel checks the permission first), and so they try it on a real queue and do nothing:
consuming with an argument that cannot be ("x-priority" as a text), and publishing to the default exchange, mandatory,
with the name of a queue that does not exist: the message comes back.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from secrets import token_hex
from typing import Any
from urllib.parse import unquote

from amqp import exceptions as amqp

from collectors.protocol import Check
from collectors.url import BrokerURL

from .connecting import signed_in
from .http import TIMEOUT
from .inventory import queue_key

#: Queues that are tried one by one; a pattern that lets these through rarely stops others.
MOST_QUEUES = 20

LOOKING, SENDING = "looking", "replaying"


def check_acting(url: BrokerURL, keys: Sequence[str], replaying: bool) -> list[Check]:
    """A line for each virtual host and power: what works, or the permission that is missing. Raises CollectorError."""
    lines: list[Check] = []
    for vhost, queues in _by_vhost(url, keys).items():
        with signed_in(url, vhost) as connection:
            lines.append(_looking(connection, url, vhost, queues))
            if replaying:
                lines.append(_sending(connection, url, vhost))
    return lines


def _by_vhost(url: BrokerURL, keys: Sequence[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for key in [key for key in map(queue_key, keys) if key is not None][:MOST_QUEUES]:
        found.setdefault(key[0], []).append(key[1])
    return found or {unquote(url.path) or "/": []}


def _looking(connection: Any, url: BrokerURL, vhost: str, queues: Sequence[str]) -> Check:
    """May every one of these queues be read? Where there is none, the pattern is tried on a name that is free."""
    refused = []
    for queue in queues or [f"weir.check.{token_hex(6)}"]:

        def consume(channel: Any, queue: str = queue) -> None:
            channel.basic_consume(queue, arguments={"x-priority": "none"})

        if _is_refused(connection, consume):
            refused.append(queue)
    if not refused:
        read = f"{len(queues)} queues may be read" if len(queues) != 1 else f"'{queues[0]}' may be read"
        return Check(LOOKING, True, f"Allowed in virtual host '{vhost}': {read}.")
    many = f" and {len(refused) - 1} more" if len(refused) > 1 else ""
    what = f"'{refused[0]}'{many}" if queues else "the queues"
    return Check(LOOKING, False, _missing(url, vhost, "read", f"{what} of virtual host '{vhost}'", "READ"))


def _sending(connection: Any, url: BrokerURL, vhost: str) -> Check:
    def publish(channel: Any) -> None:
        returned: list[object] = []
        channel.events["basic_return"].add(lambda *message: returned.append(message))
        message = channel.prepare_message(b"", content_type="text/plain")
        channel.confirm_select()
        channel.basic_publish(message, "", f"weir.check.{token_hex(12)}", mandatory=True)
        while not returned:
            connection.drain_events(timeout=url.get_seconds("timeout", TIMEOUT))

    if _is_refused(connection, publish):
        what = f"to the default exchange (its name is amq.default) of virtual host '{vhost}'"
        return Check(SENDING, False, _missing(url, vhost, "write", what, "WRITE"))
    return Check(SENDING, True, f"Allowed in virtual host '{vhost}': messages may be sent to any queue.")


def _missing(url: BrokerURL, vhost: str, verb: str, what: str, pattern: str) -> str:
    user = url.user or "guest"
    cure = f"rabbitmqctl set_permissions -p {vhost} {user} CONFIGURE WRITE READ, with a {pattern} that matches it"
    return f"Missing: user '{user}' may not {verb} {what}; allow it with: {cure}."


def _is_refused(connection: Any, ask: Callable[[Any], None]) -> bool:
    """Whether the permission for a request is missing. A request that fails as it is meant to says that it is there."""
    channel = connection.channel()
    try:
        ask(channel)
    except amqp.AccessRefused:
        return True
    except (amqp.PreconditionFailed, amqp.NotFound, amqp.NoConsumers):
        return False
    finally:
        if channel.is_open:
            channel.close()
    return False
