"""One letter, edited before it is replayed: what is masked stays as it was, whoever edits."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

from collectors.letters import Letter as Seen

from ..letters import bodies
from ..letters.masking import Masking
from ..letters.reading import read
from ..models import Letter, Queue
from ..refused import DeedRefused
from . import headers

LARGEST = 1024 * 1024


def original(queue: Queue, key: str) -> Seen:
    """A letter as it is kept here. Raises DeedRefused."""
    row = Letter.objects.filter(queue=queue, key=key, gone_at=None).first()
    kept = bodies.find([row.pk], time.time()) if row is not None else {}
    if row is None or row.pk not in kept:
        raise DeedRefused("edit", "What is in this letter is no longer kept here: look into its queue first.")
    return kept[row.pk]


def editable(queue: Queue, key: str) -> dict[str, Any]:
    """A letter to be edited. `body`: as it is, or as JSON with masks where a rule masks; null where it cannot be, and
    `why_not`; `headers` as `headers.editable`; `may_add`: whether there is room for more. Raises DeedRefused."""
    letter, masking = original(queue, key), Masking.load()
    body, why_not = _body(letter, masking, queue.name)
    return {
        "body": body,
        "why_not": why_not,
        "headers": headers.editable(letter.headers, masking, headers.types_of(letter.properties)),
        "may_add": bool(letter.headers) or queue.broker.kind != "redis",  # whose lists hold bodies alone
    }


def _body(letter: Seen, masking: Masking, queue: str) -> tuple[str | None, str]:
    """The body as a text, or why it is none."""
    try:
        if not letter.whole:
            return None, "This body is too large to be edited here."
        if not read(letter, masking, queue).masked.touched:
            return letter.body.decode(), ""
        return json.dumps(masking.value(json.loads(letter.body)), ensure_ascii=False, indent=2), ""
    except UnicodeDecodeError:
        return None, "This body is no text: it cannot be edited here."
    except ValueError:
        return None, "Something in this letter is masked, and only a body of JSON can be edited then."


def merged(queue: Queue, key: str, text: str | None, asked: Mapping[str, Any]) -> tuple[bytes | None, dict[str, Any]]:
    """What a copy is sent with: its body, None = as it is, and the headers that differ. Raises DeedRefused."""
    letter, masking = original(queue, key), Masking.load()
    body = None if text is None else _merged_body(letter, masking, queue.name, text)
    changed = headers.merged(letter.headers, asked, masking, headers.types_of(letter.properties))
    if not changed and body in (None, letter.body):
        raise DeedRefused("edit", "Nothing of it was changed: replay it without an edit.")
    return body, changed


def _merged_body(letter: Seen, masking: Masking, queue: str, text: str) -> bytes:
    """What was typed, with what was masked put back. Raises DeedRefused."""
    if len(text.encode()) > LARGEST:
        raise DeedRefused("edit", f"An edited body has at most {LARGEST:,} bytes.")
    before, why_not = _body(letter, masking, queue)
    if before is None:
        raise DeedRefused("edit", why_not)
    if text == before:
        return letter.body
    if not read(letter, masking, queue).masked.touched:
        if headers.MASK in text and headers.MASK.encode() not in letter.body:
            raise DeedRefused("edit", "The text still holds a mask in place of a value.")
        return text.encode()
    try:
        was, after = json.loads(letter.body), json.loads(text)
    except ValueError:
        raise DeedRefused("edit", "Something in this letter is masked, and only JSON can be edited then.") from None
    return json.dumps(_restored(was, masking.value(was), after, "$"), ensure_ascii=False).encode()


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
    if headers.MASK in json.dumps(value, ensure_ascii=False):
        raise DeedRefused("edit", f"{path} holds a mask in place of a value that was never there.")
    return value
