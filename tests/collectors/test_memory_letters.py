from __future__ import annotations

import pytest

from collectors.brokers.memory import world
from collectors.letters import Bounds
from tests.letters_contract import Bodies, LettersContract, Puts


class TestLettersOfMemory(LettersContract):
    @pytest.fixture
    def url(self) -> str:
        return "memory://letters"

    @pytest.fixture
    def queue(self, url: str) -> str:
        return world("letters").queue("dead").name

    @pytest.fixture
    def other(self, url: str) -> str:
        return world("letters").queue("orders").name

    @pytest.fixture
    def put(self, queue: str) -> Puts:
        return lambda body: world("letters").put_letter(queue, body)

    @pytest.fixture
    def bodies(self) -> Bodies:
        def read(key: str) -> list[bytes]:
            with world("letters").still() as queues:
                return [message.body for message in queues[key].ready]

        return read

    def test_a_queue_with_a_limit_drops_what_is_given_back_too_often(self, broker, queue, put, bodies) -> None:
        world("letters").queue(queue).limit = 2
        put(b"one")
        assert broker.price(queue).limit == 2
        assert [broker.look(queue, Bounds()).deliveries for _ in range(2)] == [1, 2]
        broker.look(queue, Bounds())
        assert bodies(queue) == [] and world("letters").queue(queue).dropped == 1
