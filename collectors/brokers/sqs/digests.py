"""The MD5 digests by which SQS says what it stored, as its documentation has them. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any


def of_body(body: str) -> str:
    """MD5OfMessageBody."""
    return hashlib.md5(body.encode(), usedforsecurity=False).hexdigest()


def of_attributes(attributes: Mapping[str, Mapping[str, Any]]) -> str:
    """MD5OfMessageAttributes; "" for none."""
    if not attributes:
        return ""
    told = hashlib.md5(usedforsecurity=False)
    for name in sorted(attributes):
        one = attributes[name]
        binary = "BinaryValue" in one
        value: bytes = one["BinaryValue"] if binary else one["StringValue"].encode()
        parts = (name.encode(), one["DataType"].encode(), value)
        told.update(_counted(parts[0]) + _counted(parts[1]) + (b"\x02" if binary else b"\x01") + _counted(parts[2]))
    return told.hexdigest()


def _counted(part: bytes) -> bytes:
    return len(part).to_bytes(4, "big") + part
