"""What every adapter whose letters can be looked at must keep: its test class inherits `LettersContract`.

An adapter's test reads like this::

    class TestLettersOfClassicQueues(LettersContract):
        @pytest.fixture
        def url(self, node): return ...
        @pytest.fixture
        def queue(self, node): return "/weir-letters"      # the key of an empty queue that nobody reads
        @pytest.fixture
        def other(self, node): return "/weir-other"        # a second one, to send to
        @pytest.fixture
        def put(self, node, queue): return lambda body: ...
        @pytest.fixture
        def bodies(self, node): return lambda key: [...]   # what lies in a queue, read by another client

`bodies` may empty the queue: a test calls it at its end. For bodies that a broker cannot hold see `some`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pytest

from collectors import registry
from collectors.errors import CollectorError, Expired, NotSupported
from collectors.letters import (
    Bounds,
    Destination,
    HoldsLetters,
    Lease,
    Letter,
    Look,
    Outcome,
    Parcel,
    Receipt,
    Sends,
    Stamp,
    Taken,
)

Puts = Callable[[bytes], None]
Bodies = Callable[[str], list[bytes]]

STAMP = Stamp("replay-7", "2026-11-25T12:00:00Z", "ana")


class LettersContract:
    """The promises of `collectors.letters`, tried on a live server."""

    #: False where a broker promises no order (SQS standard).
    ordered = True
    #: Bodies that this broker can hold; all different.
    some: Sequence[bytes] = (b'{"n": 1}', b"\x00\xff binary \x80", b"", "grüße ‮".encode())
    #: Whether equal letters have ids of their own.
    own_ids = False
    #: Seconds after which what was given back is there again for others.
    returns_within = 45.0
    #: A queue that does not exist, by its key.
    missing = "no-such-queue"

    @pytest.fixture
    def url(self) -> str:
        raise NotImplementedError

    @pytest.fixture
    def queue(self) -> str:
        raise NotImplementedError

    @pytest.fixture
    def other(self) -> str:
        raise NotImplementedError

    @pytest.fixture
    def put(self) -> Puts:
        raise NotImplementedError

    @pytest.fixture
    def bodies(self) -> Bodies:
        raise NotImplementedError

    @pytest.fixture
    def broker(self, url: str) -> Iterator[Any]:
        broker = registry.connect(registry.parse(url))
        yield broker
        broker.close()

    @pytest.fixture
    def lease(self, broker: Any, queue: str) -> Iterator[Lease]:
        lease: Lease = broker.lease(queue, 60.0)
        yield lease
        lease.close()

    # --- helpers -------------------------------------------------------------------------------------------------
    def same(self, found: Sequence[bytes], expected: Sequence[bytes]) -> bool:
        return list(found) == list(expected) if self.ordered else sorted(found) == sorted(expected)

    def look_until(self, broker: Any, key: str, count: int, bounds: Bounds | None = None) -> Look:
        """Look until so many letters are seen, for as long as they may take to return."""
        deadline = time.monotonic() + self.returns_within
        while True:
            look: Look = broker.look(key, bounds or Bounds())
            if len(look.letters) >= count or time.monotonic() > deadline:
                assert len(look.letters) == count, look
                return look
            time.sleep(0.2)

    def take(self, lease: Lease, count: int) -> list[Taken]:
        """Take exactly so many, waiting for them."""
        taken: list[Taken] = []
        deadline = time.monotonic() + self.returns_within
        while len(taken) < count and time.monotonic() < deadline:
            taken.extend(lease.take(count - len(taken), 1.0))
        assert len(taken) == count
        return taken

    def settle(self, lease: Lease, count: int) -> dict[int, Receipt]:
        receipts: list[Receipt] = []
        deadline = time.monotonic() + 45.0
        while len(receipts) < count and time.monotonic() < deadline:
            receipts.extend(lease.settled(1.0))
        assert len(receipts) == count, receipts
        return {receipt.tag: receipt for receipt in receipts}

    def move(self, lease: Lease, taken: Sequence[Taken], to: str, **parcel: Any) -> None:
        """Send copies, see them confirmed, and remove the originals."""
        lease.send([Parcel(one.tag, Destination(to), **parcel) for one in taken])
        receipts = self.settle(lease, len(taken))
        fine = Outcome.REMOVED if lease.atomic else Outcome.SENT
        assert {receipt.outcome for receipt in receipts.values()} == {fine}, receipts
        if not lease.atomic:
            removed = lease.remove([one.tag for one in taken])
            assert {receipt.outcome for receipt in removed} == {Outcome.REMOVED}, removed

    # --- looking -------------------------------------------------------------------------------------------------
    def test_it_says_what_it_can(self, broker: Any) -> None:
        assert isinstance(broker, HoldsLetters) and isinstance(broker, Sends)
        assert isinstance(broker.options, Mapping)
        assert all(sentence.endswith(".") for sentence in broker.options.values())

    def test_the_price_is_a_sentence_and_costs_nothing(self, broker: Any, queue: str, put: Puts) -> None:
        put(self.some[0])
        price = broker.price(queue)
        assert price.sentence.endswith(".") and not price.refused
        assert self.look_until(broker, queue, 1).letters[0].deliveries in (None, 0, 1)

    def test_a_look_sees_every_byte_and_gives_all_back(
        self, broker: Any, queue: str, put: Puts, bodies: Bodies
    ) -> None:
        for body in self.some:
            put(body)
        for _ in range(2):
            letters = self.look_until(broker, queue, len(self.some)).letters
            assert self.same([letter.body for letter in letters], self.some)
            assert all(letter.whole and letter.id for letter in letters)
        assert self.same(bodies(queue), self.some)

    def test_a_look_at_an_empty_queue_sees_nothing(self, broker: Any, queue: str) -> None:
        look = broker.look(queue, Bounds(seconds=2.0))
        assert look.letters == [] and look.of in (None, 0)

    def test_a_look_at_no_letters_counts_them(self, broker: Any, queue: str, put: Puts) -> None:
        for body in self.some:
            put(body)
        deadline = time.monotonic() + self.returns_within
        while (look := broker.look(queue, Bounds(messages=0))).of not in (None, len(self.some)):
            assert time.monotonic() < deadline, look
            time.sleep(0.2)
        assert look.letters == []
        letters = self.look_until(broker, queue, len(self.some)).letters
        assert {letter.deliveries for letter in letters} <= {None, 0, 1}

    def test_a_letter_keeps_its_id_and_others_have_another(self, broker: Any, queue: str, put: Puts) -> None:
        for body in (b"one", b"two", b"two"):
            put(body)
        first, second = (self.look_until(broker, queue, 3).letters for _ in range(2))
        assert sorted(letter.id for letter in first) == sorted(letter.id for letter in second)
        assert len({letter.id for letter in first}) == (3 if self.own_ids else 2)

    def test_a_look_keeps_its_bounds(self, broker: Any, queue: str, put: Puts, bodies: Bodies) -> None:
        sent = [b"%d" % n * 2000 for n in range(6)]
        for body in sent:
            put(body)
        assert len(self.look_until(broker, queue, 2, Bounds(messages=2)).letters) == 2
        deadline = time.monotonic() + self.returns_within
        while len(few := broker.look(queue, Bounds(bytes=4500)).letters) < 1:
            assert time.monotonic() < deadline
        assert 1 <= len(few) <= 3
        cut = self.look_until(broker, queue, 6, Bounds(body_bytes=100)).letters
        assert {len(letter.body) for letter in cut} == {100} and {letter.size for letter in cut} == {2000}
        assert self.same(bodies(queue), sent)

    def test_a_look_ends_when_nobody_waits_for_it(self, broker: Any, queue: str, put: Puts, bodies: Bodies) -> None:
        for body in self.some:
            put(body)
        look = broker.look(queue, Bounds(), stop=lambda: True)
        assert len(look.letters) <= len(self.some)
        assert self.same(bodies(queue), self.some)

    def test_a_queue_that_is_not_there_is_said(self, broker: Any) -> None:
        with pytest.raises(CollectorError) as caught:
            broker.look(self.missing, Bounds(seconds=2.0))
        assert str(caught.value).endswith(".")

    # --- leasing -------------------------------------------------------------------------------------------------
    def test_what_is_given_back_is_as_it_was(self, lease: Lease, queue: str, put: Puts, bodies: Bodies) -> None:
        for body in self.some:
            put(body)
        taken = self.take(lease, len(self.some))
        assert self.same([one.letter().body for one in taken], self.some)
        lease.give_back([one.tag for one in taken])
        lease.close()
        lease.close()
        assert self.same(bodies(queue), self.some)

    def test_a_lease_says_whose_its_ids_are(self, lease: Lease) -> None:
        assert lease.own_ids is self.own_ids

    def test_a_lease_that_ends_loses_nothing(self, broker: Any, queue: str, put: Puts, bodies: Bodies) -> None:
        for body in self.some:
            put(body)
        lease = broker.lease(queue, 60.0)
        self.take(lease, len(self.some))
        lease.close()
        assert self.same(bodies(queue), self.some)

    def test_letters_are_moved_byte_for_byte(
        self, lease: Lease, queue: str, other: str, put: Puts, bodies: Bodies
    ) -> None:
        for body in self.some:
            put(body)
        self.move(lease, self.take(lease, len(self.some)), other)
        lease.close()
        assert self.same(bodies(other), self.some)
        assert bodies(queue) == []

    def test_what_was_sent_and_not_removed_is_in_both_places(
        self, lease: Lease, queue: str, other: str, put: Puts, bodies: Bodies
    ) -> None:
        """So it is with what somebody wants a copy of, where letters are else moved in one step too."""
        put(self.some[0])
        (taken,) = self.take(lease, 1)
        lease.send([Parcel(taken.tag, Destination(other), keeps=lease.atomic)])
        assert self.settle(lease, 1)[taken.tag].outcome is Outcome.SENT
        lease.close()
        assert bodies(other) == [self.some[0]] and bodies(queue) == [self.some[0]]

    def test_what_is_deleted_is_gone_and_nothing_else(
        self, lease: Lease, queue: str, put: Puts, bodies: Bodies
    ) -> None:
        for body in (b"one", b"two", b"three"):
            put(body)
        taken = self.take(lease, 3)
        doomed = next(one for one in taken if one.letter().body == b"two")
        assert [receipt.outcome for receipt in lease.remove([doomed.tag])] == [Outcome.REMOVED]
        lease.close()
        assert self.same(bodies(queue), [b"one", b"three"])

    def test_what_is_removed_without_waiting_is_told_once_and_in_the_end(
        self, lease: Lease, queue: str, put: Puts, bodies: Bodies
    ) -> None:
        for n in range(8):
            put(b"%d" % n)
        tags = [one.tag for one in self.take(lease, 8)]
        told = [receipt for tag in tags for receipt in lease.remove([tag], wait=False)]
        told += lease.remove([])
        assert sorted((one.tag, one.outcome) for one in told) == [(tag, Outcome.REMOVED) for tag in sorted(tags)]
        assert not lease.remove([])
        lease.close()
        assert bodies(queue) == []

    def test_a_copy_bears_stamps_where_it_can(
        self, broker: Any, lease: Lease, queue: str, other: str, put: Puts
    ) -> None:
        put(self.some[0])
        taken = self.take(lease, 1)
        assert not taken[0].stamped and taken[0].replayed == 0
        self.move(lease, taken, other, stamp=STAMP)
        letter: Letter = self.look_until(broker, other, 1).letters[0]
        if broker.stamps(queue, Destination(other)):
            assert letter.replayed == 0
            return
        assert (letter.replayed, letter.replay_id) == (1, STAMP.replay_id)
        again = broker.lease(other, 60.0)
        (copy,) = self.take(again, 1)
        assert copy.stamped and copy.replay_id == STAMP.replay_id and copy.replayed == 1
        again.close()

    def test_an_edited_copy_has_the_new_body(
        self, lease: Lease, queue: str, other: str, put: Puts, bodies: Bodies
    ) -> None:
        put(self.some[0])
        self.move(lease, self.take(lease, 1), other, body=b'{"n": 2}')
        lease.close()
        assert bodies(other) == [b'{"n": 2}'] and bodies(queue) == []

    def test_a_copy_that_reaches_nothing_is_refused_and_the_original_stays(
        self, lease: Lease, queue: str, put: Puts, bodies: Bodies
    ) -> None:
        put(self.some[0])
        (taken,) = self.take(lease, 1)
        lease.send([Parcel(taken.tag, Destination(self.missing))])
        receipt = self.settle(lease, 1)[taken.tag]
        assert receipt.outcome is Outcome.REFUSED and receipt.why.endswith(".")
        lease.close()
        assert bodies(queue) == [self.some[0]]

    def test_nothing_is_sent_or_removed_on_a_lease_that_is_over(
        self, broker: Any, queue: str, other: str, put: Puts, bodies: Bodies
    ) -> None:
        put(self.some[0])
        lease = broker.lease(queue, 3.0)
        (taken,) = self.take(lease, 1)
        assert lease.until <= time.time() + 3.0
        time.sleep(max(0.0, lease.until - time.time()) + 0.1)
        with pytest.raises(Expired):
            lease.send([Parcel(taken.tag, Destination(other))])
        with pytest.raises(Expired):
            lease.remove([taken.tag])
        lease.close()
        assert bodies(other) == [] and bodies(queue) == [self.some[0]]

    def test_letters_are_taken_by_their_ids_where_that_can_be(
        self, broker: Any, lease: Lease, queue: str, put: Puts
    ) -> None:
        for body in (b"one", b"two", b"two"):
            put(body)
        letters = self.look_until(broker, queue, 3).letters
        wanted = next(letter.id for letter in letters if letter.body == b"two")
        if not lease.random:
            with pytest.raises(NotSupported):
                lease.take_these({wanted: 1})
            return
        assert [one.id for one in lease.take_these({wanted: 1, "0" * 32: 1})] == [wanted]

    # --- one new message -----------------------------------------------------------------------------------------
    def test_a_new_message_arrives_and_one_without_a_place_is_refused(
        self, broker: Any, other: str, bodies: Bodies
    ) -> None:
        broker.send_new(Destination(other), b'{"new": true}', {}, {})
        with pytest.raises(CollectorError):
            broker.send_new(Destination(self.missing), b"x", {}, {})
        with pytest.raises(NotSupported):
            broker.send_new(Destination(other), b"x", {}, {"no-such-property": "1"})
        assert bodies(other) == [b'{"new": true}']

    def test_what_a_destination_reaches(self, broker: Any, other: str) -> None:
        reached = broker.receivers(Destination(other))
        assert reached is None or len(reached) == 1
        assert broker.receivers(Destination(self.missing)) in (None, [])
