"""A message of SQS as it was received, read as a letter.

A letter that a look had to renew (see `renewing`) bears what it was before in the attribute `renewed-from`: its id,
when it was first sent, how often it had been received, and where it died. So it stays the same letter. Anybody could
write such an attribute: it is believed only in queues in which letters are renewed, those with a redrive policy.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from ...letters import REPLAY_COUNT, REPLAY_ID, STAMPS, Death, Letter
from .attributes import Attributes, number
from .names import key_of_arn, short
from .sources import death_by, origin_by

RENEWED_FROM = "renewed-from"
#: Attributes that a message may have.
MOST_ATTRIBUTES = 10
_RENEWED = re.compile(r"([0-9A-Za-z-]{8,80}) (\d{1,16}) (\d{1,9}) (\S{0,400})")
#: System attributes that a page shows, and what they are called there.
_SHOWN = {
    "MessageGroupId": "group",
    "MessageDeduplicationId": "deduplication_id",
    "SequenceNumber": "sequence_number",
    "SenderId": "sender",
    "AWSTraceHeader": "trace_header",
}
#: Begins the property of a letter that tells the type of an attribute.
TYPE_OF = "type of "
_CONTENT_TYPES = ("content-type", "contenttype")
#: Digits of a number that every reader of JSON can hold.
_DIGITS = 15


class Renewed(NamedTuple):
    """What a renewed letter was: times in milliseconds, `source` the key of the queue in which it died, or ""."""

    id: str
    sent: int
    received: int
    source: str


@dataclass(slots=True)
class Received:
    """A message in our hands (`collectors.letters.Taken`).

    told            as the client library gave it
    queue           what SQS tells of the queue in which it lay
    hidden_until    epoch seconds until which nobody else sees it
    """

    tag: int
    told: Mapping[str, Any]
    queue: Attributes
    hidden_until: float
    size: int

    @classmethod
    def of(cls, tag: int, told: Mapping[str, Any], queue: Attributes, hidden_until: float) -> Received:
        return cls(tag, told, queue, hidden_until, len(told.get("Body", "").encode()))

    @property
    def message_id(self) -> str:
        """Its id in the queue where it lies."""
        return str(self.told["MessageId"])

    @property
    def handle(self) -> str:
        """The receipt handle of the latest receive: an older one may seem to work, and delete nothing."""
        return str(self.told["ReceiptHandle"])

    @property
    def body(self) -> str:
        return str(self.told.get("Body", ""))

    @property
    def system(self) -> Mapping[str, str]:
        """What SQS says of it."""
        return self.told.get("Attributes") or {}

    @property
    def attributes(self) -> dict[str, dict[str, Any]]:
        """What its producer says of it, with types, as SQS takes them."""
        told: Mapping[str, Mapping[str, Any]] = self.told.get("MessageAttributes") or {}
        return {
            name: {field: one[field] for field in ("DataType", "StringValue", "BinaryValue") if field in one}
            for name, one in told.items()
        }

    @property
    def own_attributes(self) -> dict[str, dict[str, Any]]:
        """Those without what a look added."""
        attributes = self.attributes
        if self.renewed:
            del attributes[RENEWED_FROM]
        return attributes

    @property
    def room(self) -> int:
        """How many stamps a copy can bear beside its own attributes."""
        own = sum(name not in STAMPS for name in self.own_attributes)
        return max(0, min(len(STAMPS), MOST_ATTRIBUTES - own))

    @property
    def group(self) -> str:
        return str(self.system.get("MessageGroupId", ""))

    @property
    def count(self) -> int:
        """How often it was received, over all queues in which it has been."""
        return int(number(self.system.get("ApproximateReceiveCount")) or 0)

    @property
    def renewed(self) -> Renewed | None:
        """What it was before a look renewed it."""
        if self.queue.redrive is None:
            return None
        found = _RENEWED.fullmatch(_text(self.attributes.get(RENEWED_FROM)))
        return Renewed(found[1], int(found[2]), int(found[3]), found[4]) if found else None

    # --- as a letter ---------------------------------------------------------------------------------------------
    @property
    def id(self) -> str:
        renewed = self.renewed
        return renewed.id if renewed else self.message_id

    @property
    def stamped(self) -> bool:
        return REPLAY_ID in self.attributes

    @property
    def replay_id(self) -> str:
        return _text(self.attributes.get(REPLAY_ID))

    @property
    def replayed(self) -> int:
        return int(number(_text(self.attributes.get(REPLAY_COUNT))) or 0)

    @property
    def origin(self) -> str:
        """The queue in which it died; AWS says so, of some that speak its protocol only their policies do."""
        return self._told_origin or ("" if self.renewed else origin_by(self.queue.sources, self.count))

    @property
    def _told_origin(self) -> str:
        renewed = self.renewed
        told = key_of_arn(str(self.system.get("DeadLetterQueueSourceArn", "")))
        return told or (renewed.source if renewed else "")

    @property
    def _death(self) -> Death | None:
        if told := self._told_origin:
            return Death(short(told), "maxReceiveCount")
        return None if self.renewed else death_by(self.queue.sources, self.count)

    def letter(self) -> Letter:
        return self.as_letter()

    def as_letter(self, body_bytes: int | None = None) -> Letter:
        """With its whole body, or the first bytes of it."""
        renewed, attributes, death = self.renewed, self.own_attributes, self._death
        retention = self.queue.retention
        sent = number(self.system.get("SentTimestamp"))
        first = renewed.sent if renewed else sent
        # in a FIFO queue a move counts as sending it anew
        died = sent if self._told_origin and not renewed and "SequenceNumber" in self.system else None
        return Letter(
            id=self.id,
            body=self.body.encode()[:body_bytes],
            size=self.size,
            headers={name: _value(one) for name, one in attributes.items()},
            properties=self._properties(attributes),
            content_type=next((_text(attributes[n]) for n in attributes if n.lower() in _CONTENT_TYPES), ""),
            enqueued_at=None if first is None else first / 1000,
            died_at=None if died is None else died / 1000,
            attempts=self.count + (renewed.received if renewed else 0),
            deaths=(death,) if death else (),
            origin=self.origin,
            replayed=self.replayed,
            replay_id=self.replay_id,
            expires_at=None if sent is None or retention is None else sent / 1000 + retention,
        )

    def _properties(self, attributes: Mapping[str, Mapping[str, Any]]) -> tuple[tuple[str, str], ...]:
        """The broker's own, then the types of attributes that are not plain text."""
        own = [(words, str(self.system[name])) for name, words in _SHOWN.items() if name in self.system]
        types = [(f"{TYPE_OF}{name}", str(one.get("DataType", ""))) for name, one in attributes.items()]
        renewed = [("renewed_from", self.id)] if self.renewed else []
        return (*own, *renewed, *(pair for pair in types if pair[1] != "String"))


def _text(attribute: Mapping[str, Any] | None) -> str:
    return str(attribute.get("StringValue", "")) if attribute else ""


def _value(attribute: Mapping[str, Any]) -> Any:
    """Text, bytes, or a whole number where nothing is lost by that."""
    if "BinaryValue" in attribute:
        return attribute["BinaryValue"]
    text = _text(attribute)
    whole = str(attribute.get("DataType", "")).partition(".")[0] == "Number"
    return int(text) if whole and re.fullmatch(rf"-?[1-9]\d{{0,{_DIGITS - 1}}}|0", text) else text
