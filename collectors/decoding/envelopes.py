"""What services and frameworks put around a message: Amazon's SNS, EventBridge and Lambda, CloudEvents, MassTransit ...

Each is one function from a value to what is inside, told by keys that nothing else has together. What an envelope says
beside its content stays with the chip (`Step.fields`).
"""

from __future__ import annotations

import binascii
from collections.abc import Mapping
from typing import Any

from .piece import MISSING, Found, Piece, Shape, Step

#: Prefixes of CloudEvents' attributes in binary mode: AMQP's two, Kafka's, HTTP's.
PREFIXES = ("cloudEvents:", "cloudEvents_", "ce_", "ce-")


def announced(piece: Piece) -> Found | None:
    """CloudEvents in binary mode: attributes in the headers, the body is the data alone."""
    for prefix in PREFIXES:
        if f"{prefix}type" in piece.headers and f"{prefix}id" in piece.headers:
            fields = {name[len(prefix) :]: _text(v) for name, v in piece.headers.items() if name.startswith(prefix)}
            return Found(Step("CloudEvents", "binary", fields), message_type=fields["type"])
    return None


def cloud_event(value: Any, piece: Piece) -> Found | None:
    """CloudEvents in structured mode (JSON format, 1.0, sections 2.3 and 3)."""
    if not (isinstance(value, dict) and {"specversion", "id", "source", "type"} <= value.keys()):
        return None
    fields = {name: v for name, v in value.items() if name not in ("data", "data_base64")}
    step, kind = Step("CloudEvents", "structured", fields), _text(value["type"])
    if isinstance(packed := value.get("data_base64"), str) and (data := _unpacked(packed)) is not None:
        inner = piece.within(data, content_type=_text(value.get("datacontenttype", "")))
        return Found(step, inner, message_type=kind)
    return _content(step, value.get("data"), piece, kind)


def sns(value: Any, piece: Piece) -> Found | None:
    """A notification of Amazon SNS, as it arrives in SQS without raw delivery."""
    if not (
        isinstance(value, dict) and value.get("Type") == "Notification" and {"TopicArn", "Message"} <= value.keys()
    ):
        return None
    fields = {name: v for name, v in value.items() if name not in ("Message", "Type")}
    topic = _text(value["TopicArn"]).rpartition(":")[2]
    return _content(Step("SNS", topic, fields), value["Message"], piece, topic)


def event_bridge(value: Any, piece: Piece) -> Found | None:
    """An event of Amazon EventBridge."""
    if not (isinstance(value, dict) and {"detail-type", "detail", "source"} <= value.keys()):
        return None
    kind = _text(value["detail-type"])
    fields = {name: v for name, v in value.items() if name != "detail"}
    return Found(Step("EventBridge", kind, fields), value=value["detail"], message_type=kind)


def s3_event(value: Any, piece: Piece) -> Found | None:
    """A notification of Amazon S3: recognised, and left as it is."""
    records = value.get("Records") if isinstance(value, dict) else None
    first = records[0] if isinstance(records, list) and records else None
    if not (isinstance(first, dict) and first.get("eventSource") == "aws:s3"):
        return None
    return Found(Step("S3 event", _text(first.get("eventName", ""))), message_type=_text(first.get("eventName", "")))


def lambda_outcome(value: Any, piece: Piece) -> Found | None:
    """The record of an asynchronous AWS Lambda call, as a failure destination gets it: recognised, left as it is."""
    if not (isinstance(value, dict) and {"requestContext", "requestPayload"} <= value.keys()):
        return None
    context = value["requestContext"] if isinstance(value["requestContext"], dict) else {}
    name = _text(context.get("functionArn", "")).partition(":function:")[2].partition(":")[0]
    return Found(Step("Lambda", name), message_type=name)


def mass_transit(value: Any, piece: Piece) -> Found | None:
    """MassTransit's envelope ("application/vnd.masstransit+json")."""
    if not (isinstance(value, dict) and {"messageType", "message"} <= value.keys()):
        return None
    if not ("masstransit" in piece.content_type or {"messageId", "destinationAddress"} & value.keys()):
        return None
    types = value["messageType"]
    first = types[0] if isinstance(types, list) and types else types
    kind = _text(first).removeprefix("urn:message:").replace(":", ".")
    fields = {name: v for name, v in value.items() if name != "message"}
    return Found(Step("MassTransit", kind, fields), value=value["message"], message_type=kind)


def nservice_bus(value: Any, piece: Piece) -> Found | None:
    """NServiceBus: its headers name the type; on SQS headers and body stand together in one JSON."""
    headers = value.get("Headers") if isinstance(value, dict) else None
    if isinstance(headers, dict) and "NServiceBus.MessageId" in headers and isinstance(value.get("Body"), str):
        data = _unpacked(value["Body"])
        packed = data if data is not None else value["Body"].encode("utf-8", "replace")
        inner = Piece(
            packed, _text(headers.get("NServiceBus.ContentType", "")), "", {**piece.headers, **headers}, inner=True
        )
        return Found(Step("NServiceBus", "on SQS"), inner)
    types = piece.headers.get("NServiceBus.EnclosedMessageTypes")
    if types is None:
        return None
    kind = _text(types).partition(";")[0].partition(",")[0]
    return Found(Step("NServiceBus", kind), message_type=kind)


#: In the order in which they are tried.
ENVELOPES: tuple[Shape, ...] = (cloud_event, sns, event_bridge, s3_event, lambda_outcome, mass_transit, nservice_bus)


def _content(step: Step, content: Any, piece: Piece, kind: str) -> Found:
    """Text is decoded further; anything else is the value already."""
    if isinstance(content, str):
        return Found(step, piece.within(content.encode("utf-8", "replace"), cut=piece.cut), message_type=kind)
    return Found(step, value=None if content is MISSING else content, message_type=kind)


def _unpacked(text: str) -> bytes | None:
    try:
        return binascii.a2b_base64(text, strict_mode=True)
    except (binascii.Error, ValueError):
        return None


def _text(value: Any) -> str:
    if isinstance(value, Mapping | list):
        return ""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
