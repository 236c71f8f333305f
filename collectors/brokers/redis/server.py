"""What the server tells about itself, for the broker's page: INFO, the Pub/Sub clients and their output buffers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .powers import Powers
from .wire import Refusal, Wire

#: Seconds between two readings of the client list.
CLIENTS_SECONDS = 15.0
#: Pub/Sub clients above which they are not listed (where the server tells how many there are, from 7.4 on).
MOST_CLIENTS = 5000
#: Share of an output-buffer limit from which on a client is named.
ENDANGERED = 0.5


def info(wire: Wire, powers: Powers) -> dict[str, str]:
    """INFO as a dictionary, empty where it may not be asked."""
    reply = wire.one("INFO")
    if not powers.note("INFO", reply) or not isinstance(reply, bytes):
        return {}
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

    def details(self, wire: Wire, powers: Powers, server: Mapping[str, str], at: float) -> list[tuple[str, str]]:
        """Rows for the page, asked for again every CLIENTS_SECONDS. `server` is its INFO, `at` monotonic."""
        count = int(server.get("pubsub_clients", 0))
        if count > MOST_CLIENTS:
            return [("Pub/Sub clients", f"{count:,}, too many to look at their buffers")]
        if at - self._at >= CLIENTS_SECONDS:
            reply = wire.one("CLIENT", "LIST", "TYPE", "pubsub")
            if powers.note("CLIENT LIST", reply) and isinstance(reply, bytes):
                self._at = at
                self._rows = self._described(
                    _clients(reply), _limits(wire.one("CONFIG", "GET", "client-output-buffer-limit"))
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


def size(count: float) -> str:
    """Bytes for people, `3.1 MB`; by 1024, as Redis itself reads `32mb`."""
    for unit in ("bytes", "KB", "MB", "GB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TB"


def _role(server: Mapping[str, str]) -> str:
    if server.get("role") != "slave":
        replicas = server.get("connected_slaves", "?")
        return f"primary, {replicas} replicas" if "role" in server else "unknown"
    link = "" if server.get("master_link_status") == "up" else ", its link to the primary is down"
    return f"replica of {server.get('master_host', '?')}{link}; numbers are as old as the replication"


def _memory(server: Mapping[str, str]) -> str:
    used, most = int(server.get("used_memory", 0)), int(server.get("maxmemory", 0))
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
    words = reply[1].decode().split()
    at = words.index("pubsub") if "pubsub" in words else -1
    return (int(words[at + 1]), int(words[at + 2])) if at >= 0 else None


def _buffered(client: Mapping[str, str]) -> int:
    return int(client.get("omem", 0))


def _named(client: Mapping[str, str]) -> str:
    name = client.get("name")
    return f"{client.get('addr', '?')} {name}" if name else client.get("addr", "?")
