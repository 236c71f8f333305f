"""What the server tells about itself, for the broker's page: INFO, the Pub/Sub clients and their output buffers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .powers import Powers
from .wire import AnyWire, Refusal

#: Seconds between two readings of the client list.
CLIENTS_SECONDS = 15.0
#: Pub/Sub clients above which they are not listed (where the server tells how many there are, from 7.4 on).
MOST_CLIENTS = 5000
#: Share of an output-buffer limit from which on a client is named.
ENDANGERED = 0.5


#: Fields of INFO that are counts, to be added up over the nodes of a cluster.
SUMS = ("used_memory", "maxmemory", "connected_clients", "blocked_clients", "pubsub_channels", "pubsub_clients")


def info(wire: AnyWire, powers: Powers) -> dict[str, str]:
    """INFO as a dictionary, empty where it may not be asked; of a cluster that of one node, with the SUMS of all."""
    replies = [reply for reply in wire.all("INFO") if powers.note("INFO", reply) and isinstance(reply, bytes)]
    nodes = [_fields(reply) for reply in replies]
    if len(nodes) < 2:
        return nodes[0] if nodes else {}
    return nodes[0] | {name: str(sum(count(node, name) for node in nodes)) for name in SUMS if name in nodes[0]}


def count(fields: Mapping[str, str], name: str) -> int:
    """A field as a whole number; 0 where it is absent, or is none."""
    value = fields.get(name, "")
    return int(value) if value.isascii() and value.isdigit() else 0


def _fields(reply: bytes) -> dict[str, str]:
    lines = reply.decode("utf-8", "replace").splitlines()
    return dict(line.split(":", 1) for line in lines if ":" in line and not line.startswith("#"))


def version(server: Mapping[str, str]) -> str:
    """`Valkey 9.1.2` or `Redis 7.0.15`; Valkey's redis_version is that of the Redis it is compatible with."""
    if "valkey_version" in server:
        return f"Valkey {server['valkey_version']}"
    return f"Redis {server['redis_version']}" if "redis_version" in server else "Redis or Valkey, version unknown"


def details(server: Mapping[str, str]) -> list[tuple[str, str]]:
    """Role, memory and clients, in words."""
    if not server:
        return []
    rows = [("Role", _role(server)), ("Memory", _memory(server)), ("Eviction", _eviction(server))]
    rows.append(
        ("Clients", f"{server.get('connected_clients', '?')}, {server.get('blocked_clients', '?')} of them blocked")
    )
    return rows


class Subscribers:
    """Pub/Sub clients, how full their output buffers are, and who is about to be dropped."""

    def __init__(self) -> None:
        self._at = -CLIENTS_SECONDS
        self._rows: list[tuple[str, str]] = []

    def details(self, wire: AnyWire, powers: Powers, server: Mapping[str, str], at: float) -> list[tuple[str, str]]:
        """Rows for the page, asked for again every CLIENTS_SECONDS. `server` is its INFO, `at` monotonic."""
        listening = count(server, "pubsub_clients")
        if listening > MOST_CLIENTS:
            return [("Pub/Sub clients", f"{listening:,}, too many to look at their buffers")]
        if at - self._at >= CLIENTS_SECONDS:
            replies = wire.all("CLIENT", "LIST", "TYPE", "pubsub")
            lists = [reply for reply in replies if powers.note("CLIENT LIST", reply) and isinstance(reply, bytes)]
            if lists:
                self._at = at
                self._rows = self._described(
                    [client for reply in lists for client in _clients(reply)],
                    _limits(wire.one("CONFIG", "GET", "client-output-buffer-limit")),
                )
            else:
                self._rows = []
        return self._rows

    @staticmethod
    def _described(clients: list[dict[str, str]], limits: tuple[int, int] | None) -> list[tuple[str, str]]:
        rows = [("Pub/Sub clients", f"{len(clients):,}")]
        if limits is None:
            rows.append(("Pub/Sub buffer limit", "unknown: CONFIG GET is not allowed"))
        else:
            hard, soft = (size(limit) if limit else "none" for limit in limits)
            rows.append(("Pub/Sub buffer limit", f"{hard} hard, {soft} soft"))
        fullest = sorted(clients, key=_buffered, reverse=True)
        if fullest:
            rows.append(("Fullest Pub/Sub buffer", f"{size(_buffered(fullest[0]))}, {_named(fullest[0])}"))
        smallest = min((limit for limit in limits or () if limit), default=0)
        for client in fullest[:10]:
            if smallest and _buffered(client) > ENDANGERED * smallest:
                rows.append(("About to be dropped", f"{_named(client)}: {size(_buffered(client))} of {size(smallest)}"))
        return rows


def size(number: float) -> str:
    """Bytes for people, `3.1 MB`; by 1024, as Redis itself reads `32mb`."""
    for unit in ("bytes", "KB", "MB", "GB"):
        if number < 1024:
            return f"{number:.0f} {unit}" if unit == "bytes" else f"{number:.1f} {unit}"
        number /= 1024
    return f"{number:.1f} TB"


def _role(server: Mapping[str, str]) -> str:
    if server.get("role") != "slave":
        replicas = server.get("connected_slaves", "?")
        return f"primary, {replicas} replicas" if "role" in server else "unknown"
    link = "" if server.get("master_link_status") == "up" else ", its link to the primary is down"
    return f"replica of {server.get('master_host', '?')}{link}; numbers are as old as the replication"


def _memory(server: Mapping[str, str]) -> str:
    used, most = count(server, "used_memory"), count(server, "maxmemory")
    return f"{size(used)} of {size(most)}" if most else f"{size(used)}, no limit set"


def _eviction(server: Mapping[str, str]) -> str:
    policy = server.get("maxmemory_policy", "unknown")
    if policy == "noeviction":
        return "noeviction: writing fails when memory is full, and no queue is lost"
    return f"{policy}: keys, whole queues too, can be thrown away when memory is full; set maxmemory-policy noeviction"


def _clients(reply: bytes) -> list[dict[str, str]]:
    lines = reply.decode("utf-8", "replace").splitlines()
    return [dict(pair.split("=", 1) for pair in line.split(" ") if "=" in pair) for line in lines if line]


def _limits(reply: Any) -> tuple[int, int] | None:
    """Hard and soft limit of Pub/Sub clients in bytes, 0 = none; None where CONFIG GET is refused."""
    if isinstance(reply, Refusal) or not isinstance(reply, list) or len(reply) < 2:
        return None
    words = reply[1].decode("utf-8", "replace").split() if isinstance(reply[1], bytes) else []
    limits = words[words.index("pubsub") + 1 :][:2] if "pubsub" in words else []
    return (int(limits[0]), int(limits[1])) if len(limits) == 2 and "".join(limits).isdecimal() else None


def _buffered(client: Mapping[str, str]) -> int:
    return count(client, "omem")


def _named(client: Mapping[str, str]) -> str:
    name = client.get("name")
    return f"{client.get('addr', '?')} {name}" if name else client.get("addr", "?")
