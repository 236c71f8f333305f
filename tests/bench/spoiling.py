"""Recorded answers with parts that are replaced, left out, doubled or cut: what the fuzzing feeds to parsers."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator
from typing import Any

#: Values that something may have in place of its own.
STRANGE: list[Any] = [
    None, True, False, 0, -1, 1.5, -0.0, 1e308, 1e-320, 2**63, -(2**70), "", "0", "NaN", "1e999", "undefined", [], {},
    [None], {"a": 1}, "\x00", "\ud800"[:0], "é" * 300, "<b>", "/", "a\nb", [[]], {"name": None},
]  # fmt: skip


def spoiled(value: Any, dice: random.Random, times: int) -> Any:
    """A copy of JSON (or of a reply of Redis) in which a few parts are replaced, left out or doubled."""
    root = [copy.deepcopy(value)]
    for _ in range(times):
        places = list(_places(root))
        holder, key = dice.choice(places)
        deed = dice.randrange(4)
        if deed == 0:
            del holder[key]
        elif deed == 1 and isinstance(holder, list):
            holder.insert(key, copy.deepcopy(holder[key]))
        elif deed == 2 and isinstance(holder[key], str | bytes) and holder[key]:
            holder[key] = _spoiled_text(holder[key], dice)
        else:
            holder[key] = copy.deepcopy(dice.choice(STRANGE))
        if not root:
            return None
    return root[0]


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    keys = value.keys() if isinstance(value, dict) else range(len(value))
    for key in list(keys):
        yield value, key
        if isinstance(value[key], dict | list):
            yield from _places(value[key])


def _spoiled_text(text: Any, dice: random.Random) -> Any:
    raw = text if isinstance(text, bytes) else text.encode()
    raw = spoiled_bytes(raw, dice, 2)
    return raw if isinstance(text, bytes) else raw.decode("utf-8", "replace")


def spoiled_bytes(raw: bytes, dice: random.Random, times: int) -> bytes:
    """Bytes that were cut, doubled or changed."""
    out = bytearray(raw)
    for _ in range(times):
        if not out:
            break
        at = dice.randrange(len(out))
        deed = dice.randrange(5)
        if deed == 0:
            del out[at : at + dice.randrange(1, 40)]
        elif deed == 1:
            out[at:at] = out[at : at + dice.randrange(1, 40)]
        elif deed == 2:
            out[at] = dice.randrange(256)
        elif deed == 3:
            out[at:at] = dice.choice(
                [b"\x00", b"\r\n", b"\n", b'"', b"\\", b"{", b"}", b"NaN", b"-1", b"\xff", b"9" * 30]
            )
        else:
            del out[at:]
    return bytes(out)
