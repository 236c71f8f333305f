"""Short words for letters of SQS in tests, read and written by a client of the test's own."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from functools import cache
from itertools import count
from typing import Any

import boto3

from collectors.brokers.sqs.lease import SQSLease
from collectors.letters import Parcel
from tests.dashboard.replays import Desk
from tests.servers.aws_proxy import AwsProxy
from tests.servers.sqs import REGION, Peer

_numbers = count(1)


@cache
def _client(endpoint: str) -> Any:
    """One client for each peer: making one takes longer than any call."""
    return boto3.client(
        "sqs", region_name=REGION, endpoint_url=endpoint, aws_access_key_id="key", aws_secret_access_key="secret"
    )


def everything(peer: Peer, url: str, at_least: int = 0, seconds: float = 5.0) -> list[dict[str, Any]]:
    """What can be received now, deleted; waits for so many."""
    client = _client(peer.endpoint)
    found: list[dict[str, Any]] = []
    deadline = time.monotonic() + seconds
    while True:
        answer = client.receive_message(
            QueueUrl=url, MaxNumberOfMessages=10, MessageSystemAttributeNames=["All"], MessageAttributeNames=["All"]
        )
        for message in answer.get("Messages", []):
            found.append(message)
            client.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        if not answer.get("Messages") and (len(found) >= at_least or time.monotonic() > deadline):
            return found


def counts(peer: Peer, url: str) -> tuple[int, int]:
    """Visible, in flight."""
    told = _client(peer.endpoint).get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    return int(told["ApproximateNumberOfMessages"]), int(told["ApproximateNumberOfMessagesNotVisible"])


def url_of(peer: Peer, key: str) -> str:
    return f"{peer.endpoint}/{peer.account}/{key.rpartition(':')[2]}"


def put(peer: Peer, key: str, body: str, group: str = "all", **more: Any) -> None:
    """Send one message; to a FIFO queue in a group."""
    if key.endswith(".fifo"):
        more |= {"MessageGroupId": group, "MessageDeduplicationId": f"test-{next(_numbers)}"}
    _client(peer.endpoint).send_message(QueueUrl=url_of(peer, key), MessageBody=body, **more)


def in_groups(peer: Peer, key: str, groups: int, each: int) -> None:
    """Bodies are numbers; the group of number n is g(n modulo groups)."""
    for n in range(groups * each):
        put(peer, key, str(n), group=f"g{n % groups}")


class Slows(Desk):
    """Forty letters a second until so many were sent, then four: whoever wants to be there before it is done may come
    late."""

    def __init__(self, quick: int) -> None:
        self.quick, real = quick, SQSLease.send

        def send(lease: SQSLease, parcels: Sequence[Parcel]) -> None:
            real(lease, parcels)
            self.quick -= len(parcels)

        SQSLease.send = send  # type: ignore[method-assign]  # in a process of its own
        super().__init__()

    @property
    def rate(self) -> float:  # type: ignore[override]
        return 40.0 if self.quick > 0 else 4.0

    @rate.setter
    def rate(self, rate: float | None) -> None:
        """As it is."""


def troubled(proxy: AwsProxy, chance: random.Random) -> None:
    """Every eighth call or so goes wrong in one of five ways, and every twentieth entry of a batch."""
    refusals = [(400, "RequestThrottled", "x"), (500, "InternalError", "x"), (503, "ServiceUnavailable", "x")]
    proxy.answers = lambda action, _: chance.choice(refusals) if chance.random() < 0.06 else None
    proxy.loses = lambda action: chance.random() < 0.06
    proxy.entries = lambda action, _: "InternalError" if chance.random() < 0.05 else ""
