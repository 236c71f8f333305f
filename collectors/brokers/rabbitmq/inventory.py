"""The queues that a broker has, with what rarely changes about each: asked seldom, in the cheapest form."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .management import Row, key_of
from .prometheus import QueueKey

#: Between a key's virtual host and name: a character that neither can hold in practice.
SEPARATOR = "\x1f"

DOWN = ("down", "stopped", "crashed", "terminated")


@dataclass(slots=True, frozen=True)
class QueueRow:
    """One queue. `kind` is classic, quorum or stream; `key` and `name` are those of its samples."""

    vhost: str
    queue: str
    kind: str
    durable: bool = True
    exclusive: bool = False
    auto_delete: bool = False
    node: str = ""
    members: tuple[str, ...] = ()
    down: bool = False
    arguments: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> str:
        return sample_key(self.vhost, self.queue)

    @property
    def name(self) -> str:
        return sample_name(self.vhost, self.queue)


def sample_key(vhost: str, queue: str) -> str:
    return f"{vhost}{SEPARATOR}{queue}"


def sample_name(vhost: str, queue: str) -> str:
    """What people call the queue: its virtual host stands in front unless it is the default one."""
    return queue if vhost == "/" else f"{vhost}/{queue}"


def queue_key(key: str) -> QueueKey | None:
    """The inverse of `sample_key`; None for a key that is not one."""
    vhost, separator, queue = key.partition(SEPARATOR)
    return (vhost, queue) if separator else None


def kind_of(type_name: str) -> str:
    """classic, quorum or stream, from what RabbitMQ says in one place ("quorum") or another ("rabbit_quorum_queue")."""
    return type_name.removeprefix("rabbit_").removesuffix("_queue")


def read_rows(rows: Iterable[Row]) -> dict[QueueKey, QueueRow]:
    """Rows of `/api/queues`, in any of its forms, as an inventory."""
    return {key_of(row): _read(row) for row in rows if row.get("name")}


def _read(row: Row) -> QueueRow:
    arguments = row.get("arguments")
    return QueueRow(
        vhost=str(row.get("vhost", "")),
        queue=str(row["name"]),
        kind=kind_of(str(row.get("type") or "classic")),
        durable=bool(row.get("durable")),
        exclusive=bool(row.get("exclusive")),
        auto_delete=bool(row.get("auto_delete")),
        node=str(row.get("leader") or row.get("node") or ""),
        members=tuple(row.get("members") or ()),
        down=row.get("state") in DOWN,
        arguments=arguments if isinstance(arguments, Mapping) else {},
    )
