"""What the copy of a letter looks like in a replay: its attributes, stamps and edits, and its deduplication id."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from ...errors import BadAnswer, NotSupported
from ...letters import REPLAY_COUNT, REPLAY_ID, REPLAYED_AT, REPLAYED_BY, Letter, Parcel, Stamp
from .message import MOST_ATTRIBUTES, TYPE_OF, Received
from .queue import Queue
from .sending import Copy, as_sent, copy_of, text

#: Types by which attributes of Python's are sent; a type with a label of its own ("Number.int") stays where it fits.
_TYPES = {"Number": (int, float), "Binary": (bytes, bytearray, memoryview), "String": (str,)}

#: What a new message may be given, and SQS's own name for it; the longest delay in seconds.
_PROPERTIES = {"group": "MessageGroupId", "deduplication_id": "MessageDeduplicationId", "delay_seconds": "DelaySeconds"}
MOST_DELAY = 900


def copy_for(letter: Received, parcel: Parcel, to: Queue, once: str) -> Copy:
    """The copy that a parcel orders; `once` names this lease. Raises NotSupported for what SQS cannot hold.

    The deduplication id is the same whenever the same replay sends the same letter, so that SQS itself drops the
    second; without a stamp it is new with every lease. The original's own would be swallowed for five minutes.
    """
    attributes = letter.own_attributes
    for name, value in (parcel.headers or {}).items():
        if value is None:
            attributes.pop(name, None)
        else:
            attributes[name] = typed(value, str(attributes.get(name, {}).get("DataType", "")))
    if parcel.stamp is not None:
        attributes = stamped(attributes, parcel.stamp, letter.replayed + 1)
    replay = f"replay-{parcel.stamp.replay_id}" if parcel.stamp else f"copy-{once}"
    return copy_of(letter, to, attributes, f"{replay}-{letter.id}"[-128:], _text(parcel.body))


def stamped(attributes: Mapping[str, dict[str, Any]], stamp: Stamp, count: int) -> dict[str, dict[str, Any]]:
    """With as many stamps as there is room for: a message has ten attributes at most. The replay's id comes first."""
    stamps = {
        REPLAY_ID: text(stamp.replay_id),
        REPLAY_COUNT: {"DataType": "Number", "StringValue": str(count)},
        REPLAYED_AT: text(stamp.at),
        REPLAYED_BY: text(stamp.by),
    }
    own = {name: one for name, one in attributes.items() if name not in stamps}
    room = max(0, MOST_ATTRIBUTES - len(own))
    return own | {name: one for name, one in list(stamps.items())[:room] if one["StringValue"]}


def typed(value: Any, before: str = "") -> dict[str, Any]:
    """A value as an attribute of SQS; `before`: the type that it had. Raises NotSupported for a list or the like."""
    kind = next((kind for kind, types in _TYPES.items() if isinstance(value, types)), "")
    if not kind or isinstance(value, bool):
        raise NotSupported(f"An attribute of SQS is text, a number or bytes, not {type(value).__name__}.")
    if kind == "Binary":
        return {"DataType": before if before.startswith("Binary") else "Binary", "BinaryValue": bytes(value)}
    if before.startswith(("Number", "String")):
        kind = before  # a number may be longer than Python's floats hold, and then comes and goes as text
    return {"DataType": kind, "StringValue": str(value)}


def send_new(queue: Queue, body: bytes, headers: Mapping[str, Any], properties: Mapping[str, str]) -> str:
    """Send one new message once, and see it confirmed; its id."""
    if unknown := sorted(set(properties) - set(_PROPERTIES)):
        raise NotSupported(f"A message of SQS has no property '{unknown[0]}'; it has {', '.join(sorted(_PROPERTIES))}.")
    message: dict[str, Any] = {_PROPERTIES[name]: value for name, value in properties.items()}
    if delay := message.get("DelaySeconds"):
        if not delay.isdecimal() or int(delay) > MOST_DELAY:
            raise NotSupported(f"delay_seconds is a number from 0 to {MOST_DELAY}.")
        message["DelaySeconds"] = int(delay)
    if queue.fifo:
        message = {"MessageGroupId": "weir", "MessageDeduplicationId": uuid4().hex} | message
    if headers:
        message["MessageAttributes"] = {name: typed(value) for name, value in headers.items()}
    return _post(queue, {"MessageBody": _text(body), **message})


def put_back(queue: Queue, letter: Letter, once: str) -> None:
    """A letter that was taken away: its attributes keep their types, and it its group. SQS would swallow its own
    deduplication id for five minutes, and say that it was sent; with `once` that holds for this one put back again."""
    told = dict(letter.properties)
    message: dict[str, Any] = {"MessageBody": _text(letter.body)}
    if letter.headers:
        types = {name: told.get(f"{TYPE_OF}{name}", "String") for name in letter.headers}
        message["MessageAttributes"] = {name: typed(value, types[name]) for name, value in letter.headers.items()}
    if trace := told.get("trace_header"):
        message["MessageSystemAttributes"] = {"AWSTraceHeader": text(trace)}
    if group := told.get("group") or (letter.id if queue.fifo else ""):
        message["MessageGroupId"] = group
    if queue.fifo:
        message["MessageDeduplicationId"] = once
    _post(queue, message)


def _post(queue: Queue, message: Mapping[str, Any]) -> str:
    """One message, sent once and seen confirmed; its id."""
    answer = queue.target.call_once("sqs", "send_message", QueueUrl=queue.url, **message)
    if not as_sent(answer, message):
        raise BadAnswer(f"{queue.target.place()} says that it stored something else than was sent (MD5).")
    return str(answer.get("MessageId", ""))


def _text(body: bytes | None) -> str | None:
    try:
        return None if body is None else body.decode()
    except UnicodeDecodeError as error:
        raise NotSupported(f"SQS holds text only, and byte {error.start} of the new body is no UTF-8.") from None
