"""Giving messages back to their queue so that none dies of it, and waiting until they are there."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from struct import unpack_from

from collectors.errors import BadAnswer, CollectorError
from collectors.letters import Outcome
from collectors.powers import RenewalBook

from . import frames
from .copies import RENEWING
from .frames import read_short
from .letters import Held
from .link import Link
from .price import Rules
from .sending import Posted, Sender

#: How long to wait until a queue shows what it got back. With consumers it may never show it.
SEEN_WITHIN = 1.0


@dataclass(slots=True)
class Source:
    """Where messages were taken from: a channel of a link, and the queue."""

    link: Link
    channel: int
    queue: str
    rules: Rules
    key: str = ""
    book: RenewalBook | None = None

    def ready(self) -> tuple[int, int]:
        """How many messages wait in the queue, and its consumers."""
        answer = self.link.call(
            frames.declare_queue(self.channel, self.queue), self.channel, frames.QUEUE_DECLARE_OK
        ).arguments
        ready, consumers = unpack_from(">II", answer, read_short(answer)[1])
        return ready, consumers

    def give_back(self, held: Sequence[Held], sender: Sender | None, everything: bool) -> tuple[set[int], list[str]]:
        """Give messages back in their order; the tags of those that were renewed instead, and what is to be noted.

        `everything`: they are all that is unsettled on this channel, which may then be closed for it.
        """
        worn = [one for one in held if self.rules.at_limit(one.count)] if sender is not None else []
        gone, notes = self.renew(worn, sender) if worn and sender is not None else (set[int](), [])
        rest = [one.tag for one in held if one.tag not in gone]
        if rest:
            before = self.ready()[0]
            if everything and self.rules.by_closing:
                self._reopen()
            elif everything and self.rules.kind != "quorum":  # which would give many back in no order
                self.link.send(frames.nack(self.channel, max(rest), multiple=True))
            else:
                self.link.send(b"".join(frames.nack(self.channel, tag) for tag in rest))
            self._wait(before + len(rest))
        return gone, notes

    def _reopen(self) -> None:
        """Close the channel: what it held goes back to its places. Then a fresh one."""
        self.link.call(frames.close_channel(self.channel), self.channel, frames.CHANNEL_CLOSE_OK)
        self.link.events.clear()
        self.channel = self.link.open_channel()

    def _wait(self, expected: int) -> None:
        """Until the queue shows what it got back; this also tells that the broker has heard it all."""
        deadline = time.monotonic() + SEEN_WITHIN
        while self.ready()[0] < expected and time.monotonic() < deadline:
            time.sleep(0.02)

    def renew(self, worn: Sequence[Held], sender: Sender) -> tuple[set[int], list[str]]:
        """Put a confirmed copy of each into the same queue, then acknowledge it; the tags of those. What is open in
        between is in the book."""
        notes: list[str] = []
        posts: list[Posted] = []
        for one in worn:
            if len(one.message.body) != one.size:
                notes.append("A letter near its limit is too large to be replaced in a look; it was given back.")
                continue
            try:
                posts.append(Posted(one.tag, ("", self.queue), RENEWING.copy(one.fields), one.message.body))
            except BadAnswer as error:
                notes.append(f"A letter near its limit could not be replaced: {error}")
        ids = {one.tag: one.id for one in worn}
        if posts and self.book is not None:
            sender.prepare()  # which may raise
            try:
                self.book.begin(self.key, [ids[post.tag] for post in posts])
            except CollectorError as error:
                return set(), [*notes, f"A letter near its limit could not be replaced: {error}"]
        sender.post(posts)
        gone: set[int] = set()
        settled: list[str] = []
        for _ in range(len(posts)):
            receipt = sender.next(self.link.timeout)
            if receipt.outcome is Outcome.SENT:
                gone.add(receipt.tag)
                settled.append(ids[receipt.tag])
                continue
            settled += [ids[receipt.tag]] if receipt.outcome is Outcome.REFUSED else []
            twice = "" if receipt.outcome is Outcome.REFUSED else " It may lie there twice now."
            notes.append(f"A letter near its limit could not be replaced: {receipt.why}{twice}")
        self.link.send(b"".join(frames.ack(self.channel, tag) for tag in sorted(gone)))
        if settled:
            self.ready()  # the broker has heard of the acknowledgements: who ends abruptly now leaves no doubles
        if settled and self.book is not None:
            self.book.end(self.key, settled)
        return gone, notes
