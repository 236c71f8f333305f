"""Replaying letters of SQS: Weir's lease beside plain boto3, between two queues of one ministack.

    python -m tests.bench.lease_sqs [--ministack DIR] [--letters 10000]

Letters of 1 KB with two attributes are received, sent as copies and deleted: by a lease (500 at a time, with stamps,
digests checked), by boto3 in batches of ten one after the other, and by boto3 one by one, as scripts for a redrive
do it. Each copy is counted in the end: none is missing, none is there twice.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import asdict
from itertools import count
from pathlib import Path
from typing import Any

import psutil

from collectors import registry as brokers
from collectors.brokers.sqs import SQS
from collectors.letters import Bounds, Destination, Outcome, Parcel, Stamp
from tests.servers.sqs import Peer, ministack, moto

from . import report
from .registry import Missing, Table, Target

AT_ONCE = 500
LETTERS, ONE_BY_ONE = 10_000, 1_000
ATTRIBUTES = {
    "kind": {"DataType": "String", "StringValue": "order"},
    "tries": {"DataType": "Number", "StringValue": "3"},
}
_numbers = count(1)

Way = Callable[[Peer, str, str], None]


def filled(peer: Peer, letters: int) -> tuple[str, str]:
    """A queue of so many letters, and an empty one; their names."""
    number = next(_numbers)
    source, to = f"dead-{number}", f"orders-{number}"
    url, client = peer.create(source), peer.client()
    peer.create(to)

    def send(first: int) -> None:
        numbers = range(first, min(first + 10, letters))
        entries = [
            {"Id": str(n), "MessageBody": f"{n:08}" * 128, "MessageAttributes": ATTRIBUTES} for n in numbers
        ]  # fmt: skip
        client.send_message_batch(QueueUrl=url, Entries=entries)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(send, range(0, letters, 10)))
    return source, to


def by_lease(peer: Peer, source: str, to: str) -> None:
    broker = brokers.connect(brokers.parse(peer.url()))
    assert isinstance(broker, SQS)
    lease = broker.lease(peer.key(source), 3600)
    where, stamp = Destination(peer.key(to)), Stamp("replay-1", "2026-11-25T12:00:00Z", "bench")
    while taken := lease.take(AT_ONCE):
        lease.send([Parcel(one.tag, where, stamp) for one in taken])
        sent: list[int] = []
        while len(sent) < len(taken):
            receipts = lease.settled()
            assert all(receipt.outcome is Outcome.SENT for receipt in receipts), receipts[:3]
            sent += [receipt.tag for receipt in receipts]
        assert all(receipt.outcome is Outcome.REMOVED for receipt in lease.remove(sent))
    lease.close()
    broker.close()


def by_boto3(peer: Peer, source: str, to: str, at_once: int) -> None:
    client = peer.client()
    here, there = (client.get_queue_url(QueueName=name)["QueueUrl"] for name in (source, to))
    while messages := client.receive_message(
        QueueUrl=here, MaxNumberOfMessages=at_once, WaitTimeSeconds=1, MessageAttributeNames=["All"]
    ).get("Messages"):
        copies = [
            {"Id": str(n), "MessageBody": one["Body"], "MessageAttributes": one["MessageAttributes"]}
            for n, one in enumerate(messages)
        ]
        handles = [{"Id": str(n), "ReceiptHandle": one["ReceiptHandle"]} for n, one in enumerate(messages)]
        client.send_message_batch(QueueUrl=there, Entries=copies)
        client.delete_message_batch(QueueUrl=here, Entries=handles)


def measured(peer: Peer, name: str, way: Way, letters: int) -> dict[str, Any]:
    source, to = filled(peer, letters)
    began, ours, theirs = time.perf_counter(), time.process_time(), peer.cpu_seconds()
    way(peer, source, to)
    seconds = time.perf_counter() - began - 1.0  # the last receive waits a second for more
    row = {
        "way": name, "letters": letters, "per_second": letters / seconds,
        "our_cpu_us": 1e6 * (time.process_time() - ours) / letters,
        "peer_cpu_us": 1e6 * (peer.cpu_seconds() - theirs) / letters,
        "memory_mb": psutil.Process().memory_info().rss / 1e6,
    }  # fmt: skip
    assert depth(peer, to) == letters and depth(peer, source) == 0
    return row


def depth(peer: Peer, name: str) -> int:
    client = peer.client()
    url = client.get_queue_url(QueueName=name)["QueueUrl"]
    told = client.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    return int(told["ApproximateNumberOfMessages"]) + int(told["ApproximateNumberOfMessagesNotVisible"])


def looks(peer: Peer, sizes: list[int]) -> Table:
    """How long the first page of fifty takes, and what a look costs, by how many letters there are."""
    rows = []
    for size in sizes:
        source, _ = filled(peer, size)
        broker = brokers.connect(brokers.parse(peer.url()))
        assert isinstance(broker, SQS)
        began, before = time.perf_counter(), broker.requests
        look = broker.look(peer.key(source), Bounds())
        rows.append({
            "letters": size, "seen": len(look.letters), "ms": 1e3 * (time.perf_counter() - began),
            "calls": broker.requests - before,
        })  # fmt: skip
        broker.close()
    return Table("A look at the first fifty letters of SQS", rows)


def measure(server: AbstractContextManager[Peer], letters: int, one_by_one: int, sizes: list[int]) -> list[Table]:
    try:
        with server as peer:
            rows = [
                measured(peer, "Weir's lease", by_lease, letters),
                measured(peer, "boto3, batches of ten", lambda *at: by_boto3(*at, 10), letters),
                measured(peer, "boto3, one by one", lambda *at: by_boto3(*at, 1), one_by_one),
            ]
            page = looks(peer, sizes)
    except RuntimeError as error:
        raise Missing(str(error)) from None
    targets = [
        Target("letters a second by a lease", rows[0]["per_second"], 500, at_least=True),
        Target("MB of memory", rows[0]["memory_mb"], 300),
    ]
    note = "Processor time is for each letter; memory that of the whole process, the benchmark's own included."
    return [Table("Letters of 1 KB from one queue of SQS to another", rows, note, targets=targets), page]


def bench(short: bool) -> list[Table]:
    """In short on moto, which is slow and need not be installed first."""
    if short:
        return measure(moto(), 50, 5, [60])
    with tempfile.TemporaryDirectory() as folder:
        return measure(ministack(Path(folder)), LETTERS, ONE_BY_ONE, [100, 10_000])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--ministack", type=Path, help="folder of its virtual environment (default: a temporary one)")
    parser.add_argument("--letters", type=int, default=LETTERS)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = arguments.ministack or Path(folder)
        tables = measure(ministack(home), arguments.letters, ONE_BY_ONE, [100, 10_000])
    print(report.text({"tables": [asdict(table) for table in tables], "seconds": 0}))


if __name__ == "__main__":
    main()
