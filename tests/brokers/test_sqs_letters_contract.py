"""The contract of letters on moto, for a standard and a FIFO queue, and on ministack."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.letters_contract import Bodies, LettersContract, Puts
from tests.servers.sqs import REGION, Peer

from . import sqs_letters


class SQSLetters(LettersContract):
    some = (b'{"n": 1}', b"two <&> \t lines\n", "grüße \u202e".encode(), b"\xf0\x9f\x90\x87")  # it holds text only
    own_ids = True
    kind = ""

    @pytest.fixture
    def peer(self, sqs_peer: Peer) -> Iterator[Peer]:
        yield sqs_peer

    @pytest.fixture
    def url(self, peer: Peer) -> str:
        return peer.url()

    def made(self, peer: Peer, name: str) -> str:
        peer.create(f"{name}{self.kind}")
        return peer.key(f"{name}{self.kind}")

    @pytest.fixture
    def queue(self, peer: Peer) -> str:
        return self.made(peer, "letters-dead")

    @pytest.fixture
    def other(self, peer: Peer) -> str:
        return self.made(peer, "letters-other")

    @pytest.fixture
    def put(self, peer: Peer, queue: str) -> Puts:
        return lambda body: sqs_letters.put(peer, queue, body.decode())

    @pytest.fixture
    def bodies(self, peer: Peer) -> Bodies:
        def read(key: str) -> list[bytes]:
            found = sqs_letters.everything(peer, sqs_letters.url_of(peer, key))
            return [message["Body"].encode() for message in found]

        return read


class TestLettersOfStandardQueues(SQSLetters):
    ordered = False
    missing = f"{REGION}:123456789012:no-such-queue"


class TestLettersOfFifoQueues(SQSLetters):
    kind = ".fifo"
    missing = f"{REGION}:123456789012:no-such-queue.fifo"


@pytest.mark.slow
class TestLettersOfFifoQueuesOnMinistack(TestLettersOfFifoQueues):
    """It numbers messages in a row, as SQS does, and refuses less."""

    missing = f"{REGION}:000000000000:no-such-queue.fifo"

    @pytest.fixture
    def peer(self, ministack_peer: Peer) -> Iterator[Peer]:
        yield ministack_peer
        client = ministack_peer.client()
        for url in client.list_queues().get("QueueUrls", []):
            client.delete_queue(QueueUrl=url)
