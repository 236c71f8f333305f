"""What the values in answers of the management API are, checked: nothing is taken for a number that is none. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any


def understood(row: Mapping[str, Any]) -> bool:
    """Whether every field that Weir reads is of its kind, or absent, or null."""
    return all((value := row.get(field)) is None or check(value) for field, check in _CHECKS.items())


def is_count(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value >= 0


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_whole(value: object) -> bool:
    return isinstance(value, int)


def _is_flag(value: object) -> bool:
    return isinstance(value, bool)


def _is_object(value: object) -> bool:
    """An empty one is written as a list at times."""
    return isinstance(value, dict) or value == []


def _is_statistics(value: object) -> bool:
    if not isinstance(value, dict):
        return value == []
    return all(is_count(total) for name, total in value.items() if not name.endswith("_details"))


def _are_texts(value: object) -> bool:
    return isinstance(value, list) and all(map(_is_text, value))


def _are_listeners(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(one, dict) and _is_whole(one.get("port")) for one in value)


_CHECKS: dict[str, Callable[[object], bool]] = {
    **dict.fromkeys(
        ("name", "vhost", "type", "state", "node", "leader", "source", "destination", "destination_type"), _is_text
    ),
    **dict.fromkeys(("routing_key", "apply-to", "pattern", "rabbitmq_version", "rates_mode"), _is_text),
    **dict.fromkeys(("messages_ready", "messages_unacknowledged", "consumers"), is_count),
    **dict.fromkeys(("durable", "exclusive", "auto_delete", "running", "disable_stats"), _is_flag),
    **dict.fromkeys(("arguments", "definition"), _is_object),
    "priority": _is_whole,
    "members": _are_texts,
    "partitions": _are_texts,
    "listeners": _are_listeners,
    "message_stats": _is_statistics,
}
