"""Redis Cluster: one table of queues over all primaries.

Every command goes to the primary that holds its key, in one pipeline per node; what is about no key goes to all
of them. Slots that move are followed (MOVED, ASK), a node that does not answer leaves its queues out of the poll.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, ClassVar

from redis.crc import key_slot
from redis.exceptions import AskError, ClusterDownError, MovedError, TryAgainError

from ...errors import BadAnswer, BadURL, CollectorError, Unreachable
from ...url import BrokerURL
from .broker import Redis
from .failures import Silent, line, refused, who
from .meter import TooLarge
from .replication import behind, wait_for_one
from .topology import SLOTS, Address, Topology, slot_of, written
from .wire import AnyWire, Refusal, Wire, pack

#: Seconds after which the slots are asked for again although nothing moved.
FRESH_SECONDS = 60.0
#: How often a command follows a slot that moved, within one poll.
HOPS = 3
#: Seconds until a command about keys of a slot on its way is asked again.
SOON = 0.1
_ASKING = pack("ASKING")


class RedisCluster(Redis):
    """Watches all primaries of a cluster. The URL names one node or several; the others are found."""

    PARAMETERS: ClassVar = ("keys", "timeout", "ca_file", "tls")

    def _new_wire(self, url: BrokerURL) -> AnyWire:
        return ClusterWire(url)


class ClusterWire:
    """The same questions as `Wire`, to many servers. The reply of one that is silent is `Silent`."""

    def __init__(self, url: BrokerURL) -> None:
        if url.path not in ("", "0"):
            raise BadURL(f"A Redis Cluster has only database 0; leave '/{url.path}' out of the URL.")
        self.url = url
        self._scheme = "rediss" if url.get_bool("tls") else "redis"
        self._seeds = [(host, port or 6379) for host, port in url.hosts] or [("localhost", 6379)]
        self._wires: dict[Address, Wire] = {self._seeds[0]: self._wire_to(self._seeds[0])}
        self._topology = Topology()
        self._fresh_until = 0.0
        self._silent: dict[Address, str] = {}
        self._down = ""
        self._closed = False
        self.requests = 0
        self.received = 0
        self.connections = 0

    @property
    def nodes(self) -> tuple[str, ...]:
        """The primaries, by what `ask_each` calls them."""
        return tuple(map(written, self._topology.primaries))

    @property
    def problems(self) -> tuple[str, ...]:
        """What is left out of this poll."""
        silent = self._silent.values()
        found = [f"A node of the cluster did not answer, its queues are left out: {why}" for why in silent]
        if self._topology.unserved:
            found.append(f"{self._topology.unserved:,} of {SLOTS:,} slots of the cluster are served by no node.")
        if self._down:
            found.append(f"The cluster says that it is down, and tells nothing of its queues: {self._down}.")
        return tuple(found)

    @property
    def details(self) -> tuple[tuple[str, str], ...]:
        replicas = self._topology.replicas
        rows = [("Cluster", f"{len(replicas)} primaries, {sum(replicas.values())} replicas")]
        for address in self._topology.primaries:
            held = self._topology.of_slot.count(address)
            state = "silent" if address in self._silent else "answers"
            rows.append((f"Node {written(address)}", f"{held:,} slots, {replicas[address]} replicas, {state}"))
        return tuple(rows)

    def begin(self) -> None:
        """A new poll: nodes that were silent are tried again. Raises CollectorError when no node tells the slots."""
        self.requests = self.received = 0
        known_silent = tuple(self._silent)
        self._silent, self._down = {}, ""
        if time.monotonic() >= self._fresh_until:
            self._refresh(known_silent)

    def ask(self, commands: Sequence[bytes]) -> list[Any]:
        """The reply to each command, in order. Raises CollectorError when no primary answers at all."""
        return self._ask([(self._holder(slot_of(command)), command) for command in commands])

    def ask_each(self, commands: Sequence[tuple[str, bytes]]) -> list[Any]:
        """The reply of the named node to each command."""
        named = {written(address): address for address in self._topology.primaries}
        return self._ask([(named.get(node), command) for node, command in commands])

    def all(self, *parts: bytes | str | int) -> list[Any]:
        """The replies of all primaries to one command that is about no key."""
        command = pack(*parts)
        return self._ask([(address, command) for address in self._topology.primaries])

    def one(self, *parts: bytes | str | int) -> Any:
        """The reply to one command, or its `Refusal`."""
        return self.ask([pack(*parts)])[0]

    def replicated(self, keys: Iterable[bytes], since: int) -> str:
        """Which nodes have replicas is known from the slots."""
        holders = {self._holder(key_slot(key)) for key in keys}
        with_replica = [one for one in holders if one is not None and self._topology.replicas.get(one)]
        command = pack(*wait_for_one(self.url.get_seconds("timeout", 5.0)))
        try:
            replies = self._ask([(address, command) for address in with_replica])
        except CollectorError as error:
            return f"Whether a replica has it is not known: {error}"
        said = [behind(written(one), n, who(self.url)) for one, n in zip(with_replica, replies, strict=True)]
        return next(filter(None, said), "")

    def close(self) -> None:
        self._closed = True
        for wire in list(self._wires.values()):
            wire.close()

    # --- one node after another ----------------------------------------------------------------------------------
    def _ask(self, addressed: Sequence[tuple[Address | None, bytes]]) -> list[Any]:
        replies: list[Any] = [Silent("no node serves its slot")] * len(addressed)
        going = dict(enumerate(addressed))
        for _ in range(HOPS):
            groups: dict[Address, list[int]] = defaultdict(list)
            for i, (address, _command) in going.items():
                if address is not None:
                    groups[address].append(i)
            onward: dict[int, tuple[Address | None, bytes]] = {}
            for address, mine in groups.items():
                answers = self._ask_node(address, [going[i][1] for i in mine])
                for i, answer in zip(mine, answers, strict=True):
                    replies[i] = self._followed(going[i][1], answer, address, onward, i)
            going = onward
            if not going:
                break
        return replies

    def _followed(
        self, command: bytes, answer: Any, asked: Address, onward: dict[int, tuple[Address | None, bytes]], i: int
    ) -> Any:
        """An answer; where it sends elsewhere, the answer from there, or `onward` to be asked there."""
        if isinstance(answer, MovedError):
            address = (answer.host or asked[0], answer.port)
            self._topology.moved(answer.slot_id % SLOTS, address)
            self._fresh_until = 0.0
            onward[i] = (address, command)
            return Silent("its slot is moving")
        if isinstance(answer, AskError):
            return self._ask_node((answer.host or asked[0], answer.port), [_ASKING, command])[1]
        if isinstance(answer, TryAgainError):  # of two keys one is there already, and one is still here
            time.sleep(SOON)
            onward[i] = (asked, command)
        if isinstance(answer, ClusterDownError):
            self._down, self._fresh_until = line(answer), 0.0
            return Silent("the cluster is down")
        return answer

    def _ask_node(self, address: Address, commands: Sequence[bytes]) -> list[Any]:
        if address not in self._silent:
            wire = self._wires.get(address)
            if wire is None:
                wire = self._wires[address] = self._wire_to(address)
            if self._closed:
                wire.close()
            before = wire.received
            try:
                answers = wire.ask(commands)
                self.requests += len(commands)
                self.received += wire.received - before
                return answers
            except TooLarge:  # the node is well
                raise
            except CollectorError as error:
                self._note_silent(address, error)
        return [Silent(self._silent[address])] * len(commands)

    def _note_silent(self, address: Address, error: CollectorError) -> None:
        """A node that is silent is not asked again in this poll; when all are, the poll fails."""
        self._silent[address] = str(error)
        self._fresh_until = 0.0
        if self._closed or all(primary in self._silent for primary in self._topology.primaries):
            raise error

    def _holder(self, slot: int | None) -> Address | None:
        """The node to ask about a slot; for None any that answers."""
        if slot is not None:
            return self._topology.of_slot[slot]
        return next((a for a in self._topology.primaries if a not in self._silent), None)

    # --- who holds what ------------------------------------------------------------------------------------------
    def _refresh(self, doubtful: Sequence[Address]) -> None:
        """Ask any node for the slots, those that were silent last."""
        known = [*self._wires, *self._topology.primaries, *self._seeds]
        failures: list[CollectorError] = []
        for address in sorted(dict.fromkeys(known), key=lambda one: one in doubtful):
            wire = self._wires.get(address) or self._wire_to(address)
            try:
                self._take(wire.one("CLUSTER", "SLOTS"), address, wire.url)
            except BadURL:
                raise
            except CollectorError as error:
                failures.append(error)
                wire.close()
                self._wires.pop(address, None)
                continue
            self._wires[address] = wire
            return
        raise (
            failures[0]
            if len(failures) == 1
            else Unreachable(
                f"None of the {len(failures)} known nodes of the Redis Cluster answers; of the first: {failures[0]}"
            )
        )

    def _take(self, reply: Any, asked: Address, url: BrokerURL) -> None:
        """New slots; connections to nodes that are no primary any more are closed. Raises CollectorError."""
        if isinstance(reply, Refusal):
            if "cluster support disabled" in str(reply):
                raise BadURL(f"Redis at {written(asked)} is no cluster; write redis:// for redis+cluster://.")
            raise refused(reply, url, "CLUSTER SLOTS", "+cluster|slots")
        try:
            topology = Topology.of(reply, asked)
        except (TypeError, ValueError, IndexError, AttributeError, KeyError):
            raise BadAnswer(f"Redis at {written(asked)} answered CLUSTER SLOTS in a shape that is not known.") from None
        if not topology.replicas:
            raise BadAnswer(f"The Redis Cluster at {written(asked)} has no node that serves a slot.")
        self._topology = topology
        self._fresh_until = time.monotonic() + FRESH_SECONDS
        for address in [a for a in self._wires if a not in topology.replicas]:
            self._wires.pop(address).close()

    def _wire_to(self, address: Address) -> Wire:
        return Wire(replace(self.url, scheme=self._scheme, hosts=(address,), path=""))
