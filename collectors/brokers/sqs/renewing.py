"""Letters that were received nearly as often as their queue allows: instead of being given back they are renewed.

A confirmed copy goes into the same queue and the original is deleted. The copy counts its receives from nothing, has
another message id and lies at the end of its queue; `renewed-from` (see `message`) says what it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...letters import Outcome
from .acting import may
from .message import RENEWED_FROM, Received
from .queue import Queue
from .receiving import delete
from .sending import MOST_ATTRIBUTES, batches, copy_of, send

#: Receives that are left when a letter is renewed. With one, a look whose process dies moves nothing yet.
MARGIN = 1


def due(letter: Received, most: int) -> bool:
    """Whether a letter must not go back into a queue that moves it after `most` receives."""
    return letter.count >= most - MARGIN


def may_renew(queue: Queue) -> None:
    """Raises Denied where these credentials could not renew a letter."""
    may(queue, "send_message")
    may(queue, "delete_message")


def renew(queue: Queue, letters: Sequence[Received]) -> tuple[int, list[Received], list[str]]:
    """How many were renewed, those that are to be given back after all, and sentences on what went wrong."""
    by_tag = {letter.tag: letter for letter in letters}
    renewed, back, notes = 0, [], []
    copies = [
        copy_of(letter, queue, _attributes(letter), deduplication=f"renew-{letter.message_id}") for letter in letters
    ]
    for batch in batches(copies):
        receipts = send(queue, batch)
        sent = [by_tag[receipt.tag] for receipt in receipts if receipt.outcome is Outcome.SENT]
        for receipt in receipts:
            if receipt.outcome is not Outcome.SENT:
                back.append(by_tag[receipt.tag])
                twice = " It may be there twice now." if receipt.outcome is Outcome.UNKNOWN else ""
                notes.append(f"A letter could not be renewed and was given back near its limit: {receipt.why}{twice}")
        for receipt in delete(queue, sent):
            renewed += 1
            if receipt.outcome is not Outcome.REMOVED:
                notes.append(f"A letter that was renewed may be there twice now: {receipt.why}")
    return renewed, back, notes


def _attributes(letter: Received) -> dict[str, dict[str, Any]]:
    """Its own, and what it was, where there is room for that."""
    attributes, before = letter.attributes, letter.renewed
    if RENEWED_FROM not in attributes and len(attributes) >= MOST_ATTRIBUTES:
        return attributes
    sent = before.sent if before else int(letter.system.get("SentTimestamp") or 0)
    received = letter.count + (before.received if before else 0)
    told = f"{letter.id} {sent} {received} {letter.origin}"
    return attributes | {RENEWED_FROM: {"DataType": "String", "StringValue": told}}
