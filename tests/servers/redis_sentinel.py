"""Redis with Sentinels for tests: a primary, a replica, and Sentinels that watch them and fail over when told to."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from .redis import Server, running

SERVICE = "queues"
#: Milliseconds after which a server is down that does not answer: so many that a busy machine makes none seem dead,
#: and where one is dead.
PATIENT, HASTY = 60_000, 700


@dataclass
class Watched:
    """A service that Sentinels watch."""

    primary: Server
    replica: Server
    sentinels: list[Server]

    @property
    def url(self) -> str:
        hosts = ",".join(f"127.0.0.1:{sentinel.port}" for sentinel in self.sentinels)
        return f"redis+sentinel://{hosts}/{SERVICE}/0"

    def primary_port(self) -> int:
        """That of the primary, as the first Sentinel has it."""
        told = self.sentinels[0].client().execute_command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", SERVICE)
        return int(told[1])

    def give_up(self) -> None:
        """A server that does not answer is given up soon from now on: there is a fail-over."""
        self._patience(HASTY)

    def be_patient(self) -> None:
        """Undo `give_up`: what was only slow is not failed over."""
        self._patience(PATIENT)

    def _patience(self, milliseconds: int) -> None:
        for sentinel in self.sentinels:
            told = ("SENTINEL", "SET", SERVICE, "down-after-milliseconds", milliseconds)
            sentinel.client().execute_command(*told)

    def replica_link(self) -> str:
        """The link between replica and primary, as the first Sentinel has it: "ok" or "err"."""
        told = self.sentinels[0].client().execute_command("SENTINEL", "REPLICAS", SERVICE)
        return _facts(told)["master-link-status"]


@contextmanager
def redis_with_sentinels(engine: str, *options: str, sentinels: int = 1) -> Iterator[Watched]:
    """A primary with a replica in step, and Sentinels that know of both; `options` are those of the two servers."""
    with ExitStack() as stack:
        own = ("--repl-diskless-sync-delay", "0", *options)
        primary, replica = (stack.enter_context(running(engine, *own)) for _ in range(2))
        replica.client().replicaof("127.0.0.1", primary.port)  # type: ignore[arg-type]
        watching = [stack.enter_context(_sentinel(engine, primary.port, sentinels)) for _ in range(sentinels)]
        deadline = time.monotonic() + 60
        while not primary.client().wait(1, 500):
            assert time.monotonic() < deadline, "the replica did not come in step"
        while not all(_knows_both(sentinel, sentinels) for sentinel in watching):
            assert time.monotonic() < deadline, "the Sentinels found no replica"
            time.sleep(0.1)
        yield Watched(primary, replica, watching)


@contextmanager
def _sentinel(engine: str, port: int, count: int) -> Iterator[Server]:
    quorum = count // 2 + 1
    settings = [
        f"monitor {SERVICE} 127.0.0.1 {port} {quorum}",
        f"down-after-milliseconds {SERVICE} {PATIENT}",
        f"failover-timeout {SERVICE} 3000",
        f"parallel-syncs {SERVICE} 1",
    ]
    with running(engine, sentinel=[f"sentinel {line}" for line in settings]) as server:
        yield server


def _knows_both(sentinel: Server, count: int) -> bool:
    told = sentinel.client().execute_command("SENTINEL", "MASTERS")
    facts = _facts(told[SERVICE] if isinstance(told, dict) else told)
    return facts["num-slaves"] == "1" and facts["num-other-sentinels"] == str(count - 1)


def _facts(told: Any) -> dict[str, str]:
    """The first server of a Sentinel's answer, which redis-py has turned into a dictionary or not."""
    first = told[0] if isinstance(told, list) else told
    pairs = first.items() if isinstance(first, dict) else zip(first[::2], first[1::2], strict=True)
    return {_text(k): _text(v) for k, v in pairs}


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
