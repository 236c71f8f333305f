"""What polling SQS costs: API calls, money, seconds, and processor time of Weir and of the peer.

    python -m tests.bench.poll_sqs [--peer moto|ministack] [--ministack DIR] [--queues 100 1000 5000] [--minutes 30]

One queue in ten changes between two polls, the others stand still. Polls come every ten seconds of a made-up clock,
so that half an hour passes in a few minutes; the budget of calls, the turns of the queues and the prices follow it.
First every queue is asked once, as fast as it goes (`sweep`). Prints a table, then the same as JSON.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from pathlib import Path
from unittest.mock import patch

from collectors import registry
from collectors.brokers.sqs import SQS, price
from tests.servers.sqs import REGION, Peer, ministack, moto

from .registry import Curve, Table, Target

INTERVAL = 10.0
MOVING = 10  # one queue in so many


@dataclass
class Row:
    """One number of queues. What follows `peer_cpu` is of the second half of the time, by the made-up clock."""

    queues: int
    sweep_calls: int
    sweep_seconds: float
    sweep_cpu: float
    peer_cpu: float
    calls_a_minute: float
    dollars_a_month: float
    poll_ms: float
    poll_cpu_ms: float
    oldest_seconds: float
    oldest_moving_seconds: float
    cloudwatch_dollars_a_month: float


class Clock:
    """A monotonic clock and a time of day that go on by `INTERVAL` at each step, and as usual in between."""

    def __init__(self) -> None:
        self.ahead = 0.0
        self._monotonic, self._time = time.monotonic, time.time

    def monotonic(self) -> float:
        return self._monotonic() + self.ahead

    def time(self) -> float:
        return self._time() + self.ahead


def url(peer: Peer, calls: float) -> str:
    return f"sqs://key:secret@{REGION}?endpoint={peer.endpoint}&prefix=bench-&calls={calls:g}&interval={INTERVAL:g}s"


def swept(peer: Peer, queues: int) -> tuple[int, float, float, float]:
    """Every queue once, as fast as it goes: calls, seconds, our processor time and the peer's."""
    broker = registry.connect(registry.parse(url(peer, 1000)))
    calls, began, ours, theirs = 0, time.perf_counter(), time.process_time(), peer.cpu_seconds()
    while True:
        poll = broker.poll()
        calls += poll.cost.requests
        if all(sample.depth is not None for sample in poll.samples):
            break
    broker.close()
    assert len(poll.samples) == queues
    return calls, time.perf_counter() - began, time.process_time() - ours, peer.cpu_seconds() - theirs


def measured(peer: Peer, queues: int, minutes: int) -> Row:
    sweep = swept(peer, queues)
    moving = [f"{peer.endpoint}/{peer.account}/bench-{n:05}" for n in range(0, queues, MOVING)]
    clock, client = Clock(), peer.client()
    with patch("time.monotonic", clock.monotonic), patch("time.time", clock.time):
        broker = registry.connect(registry.parse(url(peer, 20)))
        assert isinstance(broker, SQS)
        wall = cpu = 0.0
        counted, polls = 0, 0
        steps = int(minutes * 60 / INTERVAL)
        since = clock.monotonic()
        for step in range(steps):
            step_at = clock.monotonic()
            with ThreadPoolExecutor(8) as pool:
                list(pool.map(lambda one: client.send_message(QueueUrl=one, MessageBody="x"), moving))
            began, ours = time.perf_counter(), time.process_time()
            poll = broker.poll()
            if step == steps // 2 - 1:
                since = clock.monotonic()
            elif step >= steps // 2:
                wall += time.perf_counter() - began
                cpu += time.process_time() - ours
                counted += poll.cost.requests
                polls += 1
                until = clock.monotonic()
            clock.ahead += max(INTERVAL - (clock.monotonic() - step_at), 0.0)
        broker.close()
    ages = {s.name: 0.0 if s.measured_at is None else poll.at - s.measured_at for s in poll.samples}
    calls = counted / (until - since)  # by the clock that the budget goes by: sending and polling take their time, too
    return Row(
        queues, *sweep, 60 * calls, price.per_month(standard=calls), 1000 * wall / polls, 1000 * cpu / polls,
        max(ages.values()), max(age for name, age in ages.items() if int(name[-5:]) % MOVING == 0),
        price.per_month(metrics=queues * 4 / 300),
    )  # fmt: skip


def bench(short: bool = False) -> list[Table]:
    """moto, which is slow itself: its own time is shown beside ours."""
    rows = []
    for count in (20,) if short else (100, 1000):
        with moto() as peer:
            peer.create_many([f"bench-{n:05}" for n in range(count)])
            rows.append(asdict(measured(peer, count, 1 if short else 6)))
    last = rows[-1]
    money = last["dollars_a_month"] / last["cloudwatch_dollars_a_month"]
    targets = [
        Target("API calls a minute within the budget of 20 a second", last["calls_a_minute"], 1200),
        Target("money beside CloudWatch's for the same queues", money, 1.0),
    ]
    note = "Of the second half of the time by a made-up clock; dollars by Amazon's price list."
    return [Table("Polling SQS", rows, note, Curve("queues", ("poll_cpu_ms",), log=True), [] if short else targets)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--peer", choices=("moto", "ministack"), default="ministack")
    parser.add_argument("--ministack", type=Path, help="folder of its virtual environment (default: a temporary one)")
    parser.add_argument("--queues", type=int, nargs="+", default=[100, 1000, 5000])
    parser.add_argument("--minutes", type=int, default=30, help="of the made-up clock")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = arguments.ministack or Path(folder)
        rows = []
        for count in arguments.queues:
            chosen: AbstractContextManager[Peer] = moto() if arguments.peer == "moto" else ministack(home)
            with chosen as peer:
                peer.create_many([f"bench-{n:05}" for n in range(count)])
                rows.append(measured(peer, count, arguments.minutes))
    heads = ("queues", "sweep calls", "s", "our s", "peer s", "calls/min", "$/month", "poll ms", "our ms", "oldest s",
             "moving s", "CloudWatch $")  # fmt: skip
    print(" ".join(f"{head:>12}" for head in heads))
    for row in rows:
        print(" ".join(f"{value:12,.0f}" if value >= 100 else f"{value:12,.2f}" for value in asdict(row).values()))
    print(json.dumps({"peer": arguments.peer, "minutes": arguments.minutes, "rows": [asdict(row) for row in rows]}))


if __name__ == "__main__":
    main()
