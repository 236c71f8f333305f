"""Letters that were received nearly as often as their queue allows: instead of being given back they are renewed.

A confirmed copy goes into the same queue and the original is deleted. The copy counts its receives from nothing, has
another message id and lies at the end of its queue; `renewed-from` (see `message`) says what it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from ...errors import CollectorError
from ...letters import Outcome
from .acting import may
from .message import MOST_ATTRIBUTES, RENEWED_FROM, Received
from .queue import Queue
from .receiving import delete
from .sending import batches, copy_of, send, size_of, text

#: Receives that are left when a letter is renewed. With one, a look whose process dies moves nothing yet.
MARGIN = 1
#: Queues in which a letter is left that could not be renewed, and why: one more look might move it.
_stuck: dict[str, str] = {}


def due(letter: Received, most: int) -> bool:
    """Whether a letter must not go back into a queue that moves it after `most` receives."""
    return letter.count >= most - MARGIN


def may_renew(queue: Queue) -> None:
    """Raises Denied where these credentials could not renew a letter."""
    may(queue, "send_message")
    may(queue, "delete_message")


def stuck(queue: Queue) -> str:
    """Why nothing more may be received of a queue in this process, a sentence; "" = it may."""
    why = _stuck.get(_name(queue), "")
    return why and f"A letter near its limit could not be renewed ({why}): help that, and start Weir anew to go on."


def _name(queue: Queue) -> str:
    return f"{queue.target.place()} {queue.key}"


def renew(queue: Queue, letters: Sequence[Received], most: int) -> tuple[int, list[Received], list[str]]:
    """How many were renewed, those that are to be given back after all, and sentences on what went wrong."""
    by_tag = {letter.tag: letter for letter in letters}
    renewed, back, notes = 0, [], []
    try:
        _note(queue, "begin", letters)
    except CollectorError as error:
        return 0, list(letters), [f"Letters near their limit could not be renewed, and were given back: {error}"]
    copies = [
        copy_of(letter, queue, _attributes(letter), deduplication=f"renew-{letter.message_id}") for letter in letters
    ]
    for batch in batches(copies):
        receipts = send(queue, batch)
        sent = [by_tag[receipt.tag] for receipt in receipts if receipt.outcome is Outcome.SENT]
        for receipt in receipts:
            if receipt.outcome is not Outcome.SENT:
                back.append(by_tag[receipt.tag])
                last = by_tag[receipt.tag].count > most - MARGIN
                if last or receipt.outcome is Outcome.REFUSED:
                    _stuck[_name(queue)] = receipt.why.rstrip(".")
                twice = " It may be there twice now." if receipt.outcome is Outcome.UNKNOWN else ""
                notes.append(f"A letter could not be renewed and was given back near its limit: {receipt.why}{twice}")
        settled = [by_tag[receipt.tag] for receipt in receipts if receipt.outcome is Outcome.REFUSED]
        for receipt in delete(queue, sent):
            renewed += 1
            if receipt.outcome is Outcome.REMOVED:
                settled.append(by_tag[receipt.tag])
            else:
                notes.append(f"A letter that was renewed may be there twice now: {receipt.why}")
        _note(queue, "end", settled)
    return renewed, back, notes


def _note(queue: Queue, what: Literal["begin", "end"], letters: Sequence[Received]) -> None:
    """In the book of whoever looks or leases."""
    if queue.book is not None and letters:
        getattr(queue.book, what)(queue.key, [letter.id for letter in letters])


def _attributes(letter: Received) -> dict[str, dict[str, Any]]:
    """Its own, and what it was, where there is room for that and its producer has no attribute of that name."""
    own, before = letter.own_attributes, letter.renewed
    sent = before.sent if before else int(letter.system.get("SentTimestamp") or 0)
    received = letter.count + (before.received if before else 0)
    added = {RENEWED_FROM: text(f"{letter.id} {sent} {received} {letter.origin}")}
    size = letter.size + size_of(own) + size_of(added)
    fits = letter.queue.largest is None or size <= letter.queue.largest
    return own | added if fits and len(own) < MOST_ATTRIBUTES and RENEWED_FROM not in own else own
