"""Brokers on the usual ports of this machine, offered by `up` when nothing was configured."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import dataclass

from collectors import registry
from collectors.errors import CollectorError

#: (name, port that must be open, URL with what a fresh installation answers to)
USUAL = (
    ("local RabbitMQ", 5672, "amqp://guest:guest@127.0.0.1:5672/?look_only=true"),
    ("local Redis", 6379, "redis://127.0.0.1:6379/0?look_only=true"),
)


@dataclass(slots=True, frozen=True)
class Nearby:
    """A broker that answered here, and how many queues it showed."""

    name: str
    url: str
    queues: int


def find() -> Iterator[Nearby]:
    """Every usual broker that answers to a poll. One that refuses, or is not there, is left out."""
    for name, port, text in USUAL:
        if not _open(port):
            continue
        broker = registry.connect(registry.parse(text))
        try:
            yield Nearby(name, text, len(broker.poll().samples))
        except CollectorError:
            continue
        finally:
            broker.close()


def _open(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=0.3):
            return True
    except OSError:
        return False
