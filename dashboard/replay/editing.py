"""One letter, edited before it is replayed: what is masked stays as it was, whoever edits."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

from collectors.letters import STAMPS

from ..letters import bodies
from ..letters.masking import Masking, masked_text
from ..letters.reading import read
from ..models import Letter, Queue
from ..refused import DeedRefused

LARGEST = 1024 * 1024
_MASK = masked_text("").rstrip()


def original(queue: Queue, key: str) -> bytes:
    """The body of a letter as it is kept here. Raises DeedRefused."""
    row = Letter.objects.filter(queue=queue, key=key, gone_at=None).first()
    kept = bodies.find([row.pk], time.time()) if row is not None else {}
    if row is None or row.pk not in kept:
        raise DeedRefused("edit", "What is in this letter is no longer kept here: look into its queue first.")
    if not kept[row.pk].whole:
        raise DeedRefused("edit", "This letter is too large to be edited here.")
    return kept[row.pk].body


def editable(queue: Queue, key: str) -> str:
    """The body as a text to be edited: as it is, or as JSON with masks where a rule masks. Raises DeedRefused."""
    body, masking = original(queue, key), Masking.load()
    row = Letter.objects.get(queue=queue, key=key)
    masked = read(bodies.find([row.pk], time.time())[row.pk], masking, queue.name).masked
    try:
        if not masked.touched:
            return body.decode()
        return json.dumps(masking.value(json.loads(body)), ensure_ascii=False, indent=2)
    except UnicodeDecodeError:
        raise DeedRefused("edit", "This body is no text: it cannot be edited here.") from None
    except ValueError:
        raise DeedRefused("edit", "Something in this letter is masked, and only JSON can be edited then.") from None


def merged(queue: Queue, key: str, text: str) -> bytes:
    """The body to be sent: what was typed, with what was masked put back. Raises DeedRefused."""
    if len(text.encode()) > LARGEST:
        raise DeedRefused("edit", f"An edited body has at most {LARGEST:,} bytes.")
    body, masking = original(queue, key), Masking.load()
    row = Letter.objects.get(queue=queue, key=key)
    kept = bodies.find([row.pk], time.time())[row.pk]
    if not read(kept, masking, queue.name).masked.touched:
        if _MASK in text and _MASK.encode() not in body:
            raise DeedRefused("edit", "The text still holds a mask in place of a value.")
        return text.encode()
    try:
        before, after = json.loads(body), json.loads(text)
    except ValueError:
        raise DeedRefused("edit", "Something in this letter is masked, and only JSON can be edited then.") from None
    put_back = _restored(before, masking.value(before), after, "$")
    return json.dumps(put_back, ensure_ascii=False).encode()


def _restored(before: Any, shown: Any, after: Any, path: str) -> Any:
    """`after` with what `shown` masks as it was in `before`. Raises DeedRefused where somebody changed it."""
    if shown != before and not isinstance(before, dict | list):
        if after != shown:
            raise DeedRefused("edit", f"{path} is masked: it cannot be changed.")
        return before
    if isinstance(before, dict) and isinstance(shown, dict):
        if not isinstance(after, dict):
            raise DeedRefused("edit", f"{path} holds something masked: it must stay an object.")
        kept = {}
        for name, value in before.items():
            if shown.get(name) != value and name not in after:
                raise DeedRefused("edit", f"{path}.{name} is masked: it cannot be taken away.")
        for name, value in after.items():
            known = name in before and shown[name] != before[name]
            kept[name] = _restored(before[name], shown[name], value, f"{path}.{name}") if known else _clean(value, path)
        return kept
    if isinstance(before, list) and isinstance(shown, list) and shown != before:
        if not isinstance(after, list) or len(after) != len(before):
            raise DeedRefused("edit", f"{path} holds something masked: nothing can be added to it or taken away.")
        return [
            _restored(b, s, a, f"{path}[{n}]") for n, (b, s, a) in enumerate(zip(before, shown, after, strict=True))
        ]
    if shown != before:  # the whole of it is masked
        if after != shown:
            raise DeedRefused("edit", f"{path} is masked: it cannot be changed.")
        return before
    return _clean(after, path)


def _clean(value: Any, path: str) -> Any:
    if _MASK in json.dumps(value, ensure_ascii=False):
        raise DeedRefused("edit", f"{path} holds a mask in place of a value that was never there.")
    return value


def checked_headers(headers: Mapping[str, Any], field: str = "edit") -> dict[str, Any]:
    """Headers that people set: texts and numbers; null removes one. Raises DeedRefused, which names the field."""
    for name, value in headers.items():
        if name in STAMPS or name.startswith("x-"):
            raise DeedRefused(field, f"The header {name[:100]} is not for people to set.")
        if not (value is None or isinstance(value, str | int | float | bool)) or len(str(value)) > 10_000:
            raise DeedRefused(field, f"The header {name[:100]} must be a text, a number, true, false or null.")
    if any(_MASK in str(value) for value in headers.values()):
        raise DeedRefused(field, "A header still holds a mask in place of its value.")
    return dict(headers)
