"""Makes `series.json.gz`: twelve minutes of real queues whose true state is known, as Weir's adapters told them.

    python -m tests.recordings.record_series [--seconds 720]

Eight queues of RabbitMQ, Valkey or Redis, and SQS (moto) go through the phases below, polled every five seconds.
"""

from __future__ import annotations

import argparse
import gzip
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from collectors.protocol import Sample
from tests.brokers.lived import Line, ListLine, Phase, RabbitLine, SqsLine, StreamLine
from tests.brokers.watched import engines, watch

FILE = Path(__file__).with_name("series.json.gz")
INTERVAL = 5.0

STEADY = Phase(180, 20, 40, state="steady")
#: Consumers go, and come back.
OUTAGE = (STEADY, Phase(300, 20, 0, "gone", "stalled"), Phase(240, 20, 40, state="draining"))
#: Half of what is needed, and then more than is needed.
SLOW = (STEADY, Phase(300, 20, 10, state="growing"), Phase(240, 5, 12, state="draining"))
HANGS = (STEADY, Phase(300, 20, 0, "hangs", "stalled"), Phase(240, 20, 40))
POISON = (STEADY, Phase(300, 2, 30, "hands back", "stalled"), Phase(240, 2, 20))
AT_REST = (Phase(720, 0, 10, state="idle"),)
FEW = (Phase(180, 2, 4), Phase(300, 4, 2, state="growing"), Phase(240, 0, 2, state="draining"))


def lines(found: Any) -> dict[str, tuple[str, Sequence[Line]]]:
    node, server, peer = found["rabbitmq"], found["redis"], found["sqs"]
    return {
        "RabbitMQ": (node.url(), [
            RabbitLine(node, "/", "outage", OUTAGE, seed=1),
            RabbitLine(node, "/", "slow", SLOW, kind="quorum", seed=2),
            RabbitLine(node, "/", "hangs", HANGS, seed=3),
            RabbitLine(node, "/", "poison", POISON, seed=4),
            RabbitLine(node, "/", "at rest", AT_REST, seed=5),
        ]),
        "Redis": (server.url, [
            ListLine(server.client(), "outage", OUTAGE, seed=6),
            ListLine(server.client(), "slow", SLOW, sidekiq=True, seed=7),
            StreamLine(server.client(), "outage-stream", OUTAGE, seed=8),
        ]),
        "SQS": (peer.url(), [SqsLine(peer.client(), "slow", FEW, seed=9)]),
    }  # fmt: skip


def told(sample: Sample) -> dict[str, Any]:
    """What is known of a queue, and how."""
    fields = {name: value for name, value in asdict(sample).items() if value is not None}
    fields["quality"] = {metric: int(quality) for metric, quality in sample.quality.items()}
    fields["lag_method"] = int(sample.lag_method)
    return {name: value for name, value in fields.items() if name not in ("key", "name", "kind")}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seconds", type=float, default=720.0)
    seconds = parser.parse_args().seconds
    with engines() as found:
        watched = watch(lines(found), seconds, INTERVAL)
    series = []
    for one in watched:
        began = one.line.began
        series.append({
            "name": one.line.name, "broker": one.broker, "interval": INTERVAL,
            "times": [round(at - began, 3) for at, _ in one.polls],
            "samples": [told(sample) for _, sample in one.polls],
            "lag": [round(one.line.ledger.lag(at), 3) for at, _ in one.polls],
            "changes": [[round(at - began, 3), state] for at, state in one.line.changes()],
        })  # fmt: skip
    FILE.write_bytes(gzip.compress(json.dumps(series).encode(), mtime=0))
    print(f"{len(series)} series, {sum(len(one['times']) for one in series):,} polls, {FILE.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
