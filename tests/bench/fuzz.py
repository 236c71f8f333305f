"""Strange answers for every parser of what brokers say: python -m tests.bench.fuzz --minutes 10

Each target is a whole poll, or one parser, fed with answers that were recorded or written down and then spoiled. It
may answer with a poll that makes sense, or fail with a CollectorError; anything else is a find. The suite plays a
little of it (tests/weather/test_fuzz.py).
"""

from __future__ import annotations

import argparse
import json
import math
import random
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, cast
from unittest import mock

import numpy as np
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from collectors import registry
from collectors.brokers.rabbitmq.http import decode_json
from collectors.brokers.rabbitmq.prometheus import QueueNames, parse
from collectors.brokers.redis import topology
from collectors.brokers.redis.meter import Meter, PlainConnection
from collectors.brokers.redis.wire import Wire, pack
from collectors.brokers.sqs import attributes as sqs_attributes
from collectors.dialects import ON_REDIS
from collectors.errors import CollectorError, OwnFault
from collectors.protocol import METRICS, Poll
from dashboard.ticks import Tick
from tests.bench.spoiling import spoiled, spoiled_bytes

RECORDINGS = Path(__file__).parent.parent / "recordings"
DETAILED = [
    (RECORDINGS / "rabbitmq-3.10" / "detailed.txt").read_bytes(),
    (RECORDINGS / "written" / "rabbitmq-4.1-detailed.txt").read_bytes(),
]
#: What stands for the answer to each path of RabbitMQ's management API, by how the path begins; the longest wins.
ANSWERS = {
    "/api/overview": "overview.json",
    "/api/nodes": "nodes.json",
    "/api/queues": "queues-full.json",
    "/api/queues?disable_stats=true": "queues.json",
    "/api/queues?disable_stats=true&enable_queue_totals=true": "queues-totals.json",
    "/api/queues/": "queue.json",
    "/api/policies": "policies.json",
    "/api/operator-policies": "operator-policies.json",
    "/api/exchanges": "exchanges.json",
    "/api/bindings": "bindings.json",
}
JSON = {path: json.loads((RECORDINGS / "rabbitmq-3.10" / name).read_text()) for path, name in ANSWERS.items()}


# --- what must hold --------------------------------------------------------------------------------------------------
def makes_sense(poll: Poll) -> None:
    """Everything after an adapter can work with this poll."""
    keys = [sample.key for sample in poll.samples]
    assert len(set(keys)) == len(keys), "two samples of one queue"
    for sample in poll.samples:
        assert isinstance(sample.key, str) and isinstance(sample.name, str) and isinstance(sample.kind, str)
        for metric in METRICS:
            value = getattr(sample, metric)
            assert value is None or isinstance(value, int | float), (metric, value)
            if value is not None and metric != "net_rate":
                assert value >= 0 or math.isnan(value), (metric, value)
    Tick.of(poll, 1, np.arange(len(keys), dtype=np.int64))
    assert all(isinstance(problem, str) for problem in poll.problems)
    json.dumps([[list(pair) for pair in poll.details], poll.version, poll.method])
    for facts in (poll.facts or {}).values():
        json.dumps([list(map(list, facts.facts)), facts.hidden, facts.why_hidden, list(facts.tags)])


def answers_or_says_why(ask: Callable[[], Any]) -> Any:
    """What `ask` answers, None when it failed as it may."""
    try:
        return ask()
    except CollectorError as error:
        assert not isinstance(error, OwnFault)
        assert "\n" not in str(error) and len(str(error)) < 1500, str(error)
        return None


# --- RabbitMQ --------------------------------------------------------------------------------------------------------
def poll_rabbitmq(dice: random.Random) -> None:
    """Three polls of a RabbitMQ, of whose answers some are spoiled."""
    prometheus = "prometheus=http://h:1" if dice.random() < 0.7 else "prometheus=http://h:1&management=none"
    adapter = cast(Any, registry.connect(registry.parse(f"amqp://h/?{prometheus}")))
    often = dice.choice([0.05, 0.3, 1.0])

    def get(endpoint: Any, path: str) -> bytes:
        if path.startswith("/metrics"):
            text = dice.choice(DETAILED)
            return spoiled_bytes(text, dice, dice.randrange(4)) if dice.random() < often else text
        known = max((one for one in JSON if path.startswith(one)), key=len)
        answer = JSON[known]
        if dice.random() < often:
            answer = spoiled(answer, dice, dice.randrange(1, 6))
        return json.dumps(answer).encode()

    adapter._http.get = get
    for _ in range(3):
        poll = answers_or_says_why(adapter.poll)
        if poll is not None:
            makes_sense(poll)
            adapter.watch([sample.key for sample in poll.samples[:3]])
        adapter._seen._tried_at = adapter._described_at = float("-inf")
        adapter._measure._until = 0.0
    adapter.close()


def parse_prometheus(dice: random.Random) -> None:
    text = spoiled_bytes(dice.choice(DETAILED), dice, dice.randrange(1, 8)).decode("utf-8", "replace")
    found = answers_or_says_why(lambda: parse(text, "http://h:1"))
    names = QueueNames()
    for lines in (found[0] if found else {}).values():
        for labels in lines:
            assert len(names.of(labels)) == 2


def parse_json(dice: random.Random) -> None:
    raw = spoiled_bytes(json.dumps(dice.choice(list(JSON.values()))).encode(), dice, dice.randrange(1, 5))
    answers_or_says_why(lambda: decode_json(raw, "http://h:1"))


# --- Redis -----------------------------------------------------------------------------------------------------------
_ENTRY = [b"1700000000000-0", [b"field", b"value"]]
_STREAM = [
    b"length", 3, b"radix-tree-keys", 1, b"last-generated-id", b"1700000000002-0", b"entries-added", 3,
    b"groups", 1, b"first-entry", _ENTRY, b"last-entry", [b"1700000000002-0", [b"field", b"value"]],
]  # fmt: skip
_GROUP = [
    b"name", b"shop", b"consumers", 1, b"pending", 1, b"last-delivered-id", b"1700000000000-0", b"entries-read", 1,
    b"lag", None,
]  # fmt: skip
_INFO = b"# Server\r\nredis_version:7.0.15\r\nrole:master\r\nused_memory:1000\r\npubsub_channels:1\r\n"
_TASK = b'{"body":"e30=","properties":{"delivery_info":{"exchange":"","routing_key":"celery"}},"headers":{}}'
_JOB = b'{"class":"A","jid":"x","enqueued_at":1700000000.5,"queue":"default"}'
REPLIES: dict[bytes, Any] = {
    b"TIME": [b"1700000010", b"5"],
    b"INFO": _INFO,
    b"SCAN list": [b"0", [b"mail", b"celery", b"queue:default"]],
    b"SCAN stream": [b"0", [b"orders"]],
    b"SCAN set": [b"0", [b"_kombu.binding.celery"]],
    b"LLEN": 3,
    b"LINDEX": _JOB,
    b"LPOS": [1],
    b"MEMORY": 300,
    b"ZCARD": 2,
    b"SCARD": 2,
    b"SMEMBERS": [b"default", b"celery\x06\x16\x06\x16celery"],
    b"HLEN": 1,
    b"HVALS": [b'[%s,"","celery"]' % _TASK],
    b"XINFO STREAM": _STREAM,
    b"XINFO GROUPS": [_GROUP],
    b"XINFO CONSUMERS": [[b"name", b"worker", b"pending", 1, b"idle", 5]],
    b"XRANGE": [_ENTRY],
    b"XPENDING": [[b"1700000000000-0", b"worker", 5, 1]],
    b"PUBSUB CHANNELS": [b"news"],
    b"PUBSUB NUMPAT": 1,
    b"PUBSUB NUMSUB": [b"news", 2],
    b"CLIENT LIST": b"id=1 addr=127.0.0.1:1 name=a omem=0\nid=2 addr=127.0.0.1:2 omem=9\n",
    b"CONFIG": [b"client-output-buffer-limit", b"normal 0 0 0 slave 1 2 3 pubsub 33554432 8388608 60"],
    b"CLUSTER": [[0, 16383, [b"h", 6379, b"id"], [b"h", 6380, b"id"]]],
}


def _reply(command: bytes) -> Any:
    words = command.split(b"\r\n")[2::2]
    if words[0] == b"SCAN":
        return REPLIES[b"SCAN " + words[-1]]
    return REPLIES.get(b" ".join(words[:2]), REPLIES.get(words[0], b"OK"))


def written(reply: Any) -> bytes:
    """A reply as the protocol writes it (RESP2)."""
    if reply is None:
        return b"$-1\r\n"
    if isinstance(reply, bool | float | dict):
        return b"+%s\r\n" % str(reply).encode()
    if isinstance(reply, int):
        return b":%d\r\n" % reply
    if isinstance(reply, list):
        return b"*%d\r\n" % len(reply) + b"".join(map(written, reply))
    raw = reply if isinstance(reply, bytes) else reply.encode()
    return b"$%d\r\n%s\r\n" % (len(raw), raw)


class Spoiler:
    """A socket at whose other end a Redis answers, whose replies are spoiled as values, as bytes, or not."""

    def __init__(self, dice: random.Random, often: float) -> None:
        self.dice, self.often, self.waiting = dice, often, bytearray()

    def sendall(self, data: bytes) -> None:
        while data:
            command, data = _first_command(data)
            reply = _reply(command)
            if self.dice.random() < self.often:
                reply = spoiled(reply, self.dice, 1 + self.dice.randrange(2))
            self.waiting += written(reply)
        if self.dice.random() < self.often / 10:
            self.waiting = bytearray(spoiled_bytes(bytes(self.waiting), self.dice, 2))

    def recv(self, size: int) -> bytes:
        if not self.waiting:
            raise TimeoutError
        taken = bytes(self.waiting[:size])
        del self.waiting[:size]
        return taken

    def settimeout(self, timeout: float | None) -> None: ...
    def shutdown(self, how: int) -> None: ...
    def close(self) -> None: ...


def _first_command(data: bytes) -> tuple[bytes, bytes]:
    end = data.index(b"\r\n")
    at = end + 2
    for _ in range(int(data[1:end])):
        end = data.index(b"\r\n", at)
        at = end + 2 + int(data[at + 1 : end]) + 2
    return data[:at], data[at:]


def poll_redis(dice: random.Random, scheme: str = "redis") -> None:
    """Three polls of a Redis (or a cluster of one), of whose replies some are spoiled."""
    often = dice.choice([0.01, 0.05, 0.5])

    def connect(connection: Any) -> Any:
        connection.meter = Meter(cast(Any, Spoiler(dice, often)), 5.0, "h:6379")
        return connection.meter

    with mock.patch.object(PlainConnection, "_connect", connect):
        adapter = cast(Any, registry.connect(registry.parse(f"{scheme}://h:6379")))
        for _ in range(3):
            poll = answers_or_says_why(adapter.poll)
            if poll is not None:
                makes_sense(poll)
        answers_or_says_why(adapter.check)
        adapter.close()


def parse_dialects(dice: random.Random) -> None:
    """Every dialect, on registries and messages that are spoiled."""
    members = [b"default", b"celery\x06\x16\x06\x16celery", b"a\x06\x16b\x06\x16c"]
    for layout in ON_REDIS:
        registries = {
            key.replace(b"*", b"celery"): frozenset(
                spoiled_bytes(member, dice, dice.randrange(3)) for member in members
            )
            for key in layout.registries
        }
        laid = layout.lay(
            registries, [b"celery", b"celery\x06\x163", b"queue:default", spoiled_bytes(b"celery", dice, 1)]
        )
        for place in laid.places:
            if place.sent_at is not None:
                at = place.sent_at(spoiled_bytes(_JOB, dice, dice.randrange(4)))
                assert at is None or isinstance(at, float)
        for ledger in laid.ledgers:
            owner = ledger.owner(spoiled_bytes(REPLIES[b"HVALS"][0], dice, dice.randrange(4)))
            assert owner is None or isinstance(owner, bytes)


def parse_slots(dice: random.Random) -> None:
    with suppress(TypeError, ValueError, IndexError, AttributeError, KeyError):
        topology.Topology.of(spoiled(REPLIES[b"CLUSTER"], dice, 2), ("h", 1))
    key = dice.randbytes(dice.randrange(30))
    assert topology.slot_of(pack(b"LLEN", key)) == topology.slot_of(pack(b"XINFO", b"STREAM", key))


def ask_sentinel(dice: random.Random) -> None:
    """What a Sentinel says, spoiled."""
    told = [b"name", b"shop", b"ip", b"h", b"port", b"6379", b"flags", b"master"]
    with mock.patch.object(Wire, "one", lambda self, *parts: spoiled(told, dice, 2)):
        adapter = cast(Any, registry.connect(registry.parse("redis+sentinel://h/shop?replica=true")))
        answers_or_says_why(adapter._wire._locate)


# --- SQS -------------------------------------------------------------------------------------------------------------
_SQS = {
    "ApproximateNumberOfMessages": "3",
    "ApproximateNumberOfMessagesNotVisible": "1",
    "ApproximateNumberOfMessagesDelayed": "0",
    "CreatedTimestamp": "1700000000",
    "MessageRetentionPeriod": "345600",
    "RedrivePolicy": '{"deadLetterTargetArn":"arn:aws:sqs:eu-west-1:123456789012:dead","maxReceiveCount":3}',
    "RedriveAllowPolicy": '{"redrivePermission":"byQueue","sourceQueueArns":["arn:aws:sqs:eu-west-1:123456789012:a"]}',
    "FifoQueue": "true",
}


def parse_sqs(dice: random.Random) -> None:
    answer = spoiled(_SQS, dice, dice.randrange(1, 5))
    if isinstance(answer, dict):
        found = sqs_attributes.read(answer)
        assert all(count is None or count >= 0 for count in found.counts)


TARGETS: dict[str, Callable[[random.Random], None]] = {
    "a poll of RabbitMQ": poll_rabbitmq,
    "Prometheus text": parse_prometheus,
    "JSON of the management API": parse_json,
    "a poll of Redis": poll_redis,
    "a poll of a Redis Cluster": lambda dice: poll_redis(dice, "redis+cluster"),
    "dialects on Redis": parse_dialects,
    "slots of a Redis Cluster": parse_slots,
    "what a Sentinel says": ask_sentinel,
    "attributes of SQS": parse_sqs,
}


def play(target: Callable[[random.Random], None], examples: int, *, shrink: bool = True) -> None:
    """So many examples of a target; raises what went wrong with the smallest one found."""
    phases = [Phase.explicit, Phase.generate, *([Phase.shrink] if shrink else [])]

    @settings(
        max_examples=examples, deadline=None, database=None, phases=phases, suppress_health_check=list(HealthCheck)
    )
    @given(st.integers(0, 2**64))
    def one(seed: int) -> None:
        target(random.Random(seed))

    one()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--only", default="", help="targets whose names hold this")
    arguments = parser.parse_args()
    chosen = {name: target for name, target in TARGETS.items() if arguments.only in name}
    end = time.monotonic() + 60 * arguments.minutes
    rounds = 0
    while time.monotonic() < end:
        for name, target in chosen.items():
            began = time.monotonic()
            play(target, 200)
            print(f"{name}: 200 examples in {time.monotonic() - began:.1f} s")
        rounds += 1
    print(f"{rounds} rounds, nothing found")


if __name__ == "__main__":
    main()
