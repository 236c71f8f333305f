"""Which node of a Redis Cluster holds which of the 16,384 slots, and which slot a command is about. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from redis.crc import key_slot

SLOTS = 16_384

#: Commands whose key is not their first argument: where it is, 0 = they have none.
_KEY_AT = {
    b"XINFO": 2,
    b"MEMORY": 2,
    b"EVAL": 3,
    b"EVALSHA": 3,
    b"WAIT": 0,
    b"SCAN": 0,
    b"INFO": 0,
    b"TIME": 0,
    b"PUBSUB": 0,
    b"CLIENT": 0,
    b"CONFIG": 0,
}

#: Host and port.
Address = tuple[str, int]


@dataclass(slots=True)
class Topology:
    """Primaries by slot. `replicas` counts them by primary."""

    of_slot: list[Address | None] = field(default_factory=lambda: [None] * SLOTS)
    replicas: dict[Address, int] = field(default_factory=dict)

    @classmethod
    def of(cls, reply: Any, asked: Address) -> Topology:
        """From CLUSTER SLOTS, as the node `asked` answered it. Raises ValueError (or its like) for another shape."""
        topology = cls()
        for first, last, primary, *replicas in reply:
            address = _address(primary, asked)
            topology.replicas[address] = len(replicas)
            for slot in range(max(0, int(first)), min(SLOTS - 1, int(last)) + 1):
                topology.of_slot[slot] = address
        return topology

    @property
    def primaries(self) -> list[Address]:
        """In a stable order."""
        return sorted(self.replicas)

    @property
    def unserved(self) -> int:
        """How many slots no node serves."""
        return self.of_slot.count(None)

    def moved(self, slot: int, address: Address) -> None:
        """A node said that this slot is now elsewhere."""
        self.of_slot[slot] = address
        self.replicas.setdefault(address, 0)


def slot_of(command: bytes) -> int | None:
    """The slot of a packed command's key; None where it is about no key."""
    arguments = _arguments(command)
    position = _KEY_AT.get(next(arguments), 1)
    if position == 0:
        return None
    for _ in range(position - 1):
        next(arguments)
    slot: int = key_slot(next(arguments))
    return slot


def written(address: Address) -> str:
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _arguments(command: bytes) -> Iterator[bytes]:
    at = command.index(b"\r\n") + 2
    while at < len(command):
        end = command.index(b"\r\n", at)
        begin = end + 2
        at = begin + int(command[at + 1 : end])
        yield command[begin:at]
        at += 2


def _address(node: Any, asked: Address) -> Address:
    """A node without a host is where the answer came from (announced so behind an address translation)."""
    host, port = (node[0] or b"").decode(), int(node[1])
    if not host.isprintable() or not 0 < port < 65536:
        raise ValueError
    return host or asked[0], port
