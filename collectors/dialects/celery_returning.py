"""A message of Celery (or of anything else that uses kombu) on its way back to a queue on Redis.

kombu keeps what workers hold by `delivery_tag`: a copy needs one of its own, or acknowledging it would settle another.
`redelivered`, which kombu writes when it restores what a dead worker held, is dropped. The id stays: it is the task's.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

import orjson

from . import splice
from .celery import SEPARATOR, STEPS
from .keeping import Entrance, Told, number

ENVELOPE = {"body", "content-type", "properties"}


class CeleryReturning:
    """Messages in kombu's envelope."""

    dialect = "celery"
    options: Mapping[str, str] = {
        "celery_retries": "Celery: set a task's retries back to 0.",
        "celery_times": "Celery: drop a task's eta and expiry; one that has passed is revoked at once.",
    }

    def told(self, raw: bytes, key: bytes) -> Told | None:
        if b'"properties"' not in raw or (fields := _envelope(raw)) is None:
            return None
        headers, properties = _object(fields, "headers"), _object(fields, "properties")
        info = _object(properties, "delivery_info")
        retries = number(headers.get("retries"))
        told = {"task": headers.get("task"), "id": headers.get("id"), "routing_key": info.get("routing_key")}
        named = headers.get("id") or properties.get("correlation_id") or properties.get("delivery_tag")
        routing_key = info.get("routing_key")
        return Told(
            identity=orjson.dumps((named, fields["body"])),
            origin=routing_key.encode() if isinstance(routing_key, str) else b"",
            attempts=int(retries) + 1 if retries is not None and retries >= 0 else None,
            properties=tuple((name, value) for name, value in told.items() if isinstance(value, str) and value),
        )

    def again(self, raw: bytes, to: bytes, now: float, options: frozenset[str]) -> bytes:
        fields = _envelope(raw)
        if fields is None:
            raise ValueError("no message of kombu")
        properties: dict[str, Any] = {"delivery_tag": f'"{uuid.uuid4()}"'}
        if "redelivered" in _object(_object(fields, "properties"), "delivery_info"):
            properties["delivery_info"] = {"redelivered": None}
        headers: dict[str, Any] = {}
        for name, value in _object(fields, "headers").items():
            if name == "redelivered":
                headers[name] = None
            elif name == "retries" and "celery_retries" in options:
                headers[name] = "0"
            elif name in ("eta", "expires") and value is not None and "celery_times" in options:
                headers[name] = "null"
        return splice.changed(raw, {"properties": properties, **({"headers": headers} if headers else {})})

    def entrance(self, raw: bytes, queue: bytes, steps: frozenset[bytes]) -> Entrance:
        """The list of its priority, where this queue is seen to have one; workers always read the first.

        The steps can be configured, and a list of a step that no worker reads would keep its messages for ever.
        """
        fields = _envelope(raw) or {}
        priority = number(_object(fields, "properties").get("priority")) or 0
        step = max((one for one in STEPS if one <= priority), default=0)
        usual = {queue + SEPARATOR + b"%d" % one for one in STEPS}
        return Entrance(queue + SEPARATOR + b"%d" % step if step and steps and steps <= usual else queue)


def _envelope(raw: bytes) -> dict[str, Any] | None:
    fields = splice.read(raw)
    if fields is None or not fields.keys() >= ENVELOPE or not isinstance(fields["properties"], dict):
        return None
    return fields


def _object(fields: Mapping[str, Any], name: str) -> dict[str, Any]:
    value = fields.get(name)
    return value if isinstance(value, dict) else {}
