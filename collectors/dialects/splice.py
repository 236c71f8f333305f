"""Reads and changes members of a JSON object where they stand: every other byte stays as it was. Pure.

A job that goes back to its queue gets a new time and loses a counter, and nothing else may change in it: numbers of
twenty digits, the order of its members, escapes and white space are the producer's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from json import JSONDecoder, decoder, dumps
from typing import Any, NamedTuple

import orjson

#: JSON to put in the place of a member's value; None = the member goes; a mapping = the same inside its value.
Changes = Mapping[str, "str | Changes | None"]

_SPACE = " \t\r\n"
_SPACES = re.compile(r"[ \t\r\n]*")
#: Numbers stay the text that they are: a number of ten thousand digits is no work.
_scanstring: Any = decoder.scanstring  # type: ignore[attr-defined]  # of the standard library, but not in typeshed
_DECODER: Any = JSONDecoder(parse_int=str, parse_float=str, parse_constant=str, strict=False)
#: What the standard library's scanner stumbles into where a text is no JSON, or nested too deep.
_NO_JSON = (ValueError, StopIteration, IndexError, RecursionError)


class Member(NamedTuple):
    """A member of an object, and where it stands: from `start` (its name) to `end`, its value from `at` on."""

    name: str
    value: Any
    start: int
    at: int
    end: int


def read(raw: bytes) -> dict[str, Any] | None:
    """An object, to be read only: numbers beyond 64 bits are not exact. None when it is none."""
    try:
        found = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return None
    return found if isinstance(found, dict) else None


def changed(raw: bytes, changes: Changes) -> bytes:
    """The object with these changes. Raises ValueError when it is none, or a change goes into what is none."""
    text = raw.decode("utf-8", "surrogateescape")
    cuts: list[tuple[int, int, str]] = []
    _plan(text, 0, changes, cuts)
    for start, end, new in sorted(cuts, reverse=True):
        text = text[:start] + new + text[end:]
    return text.encode("utf-8", "surrogateescape")


def quoted(raw: bytes) -> str:
    """Bytes as a JSON string."""
    return dumps(raw.decode("utf-8", "replace"))


def _plan(text: str, at: int, changes: Changes, cuts: list[tuple[int, int, str]]) -> None:
    """What to cut out and to put in, so that the object that begins at `at` gets its changes."""
    members = _members(text, at)
    if members is None:
        raise ValueError("no JSON object")
    gone = [member.name in changes and changes[member.name] is None for member in members]
    kept = [i for i, left_out in enumerate(gone) if not left_out]
    last = kept[-1] if kept else -1
    for i, member in enumerate(members):
        if gone[i] and i < last:
            cuts.append((member.start, members[i + 1].start, ""))
        elif not gone[i] and member.name in changes:
            change = changes[member.name]
            if isinstance(change, Mapping):
                _plan(text, member.at, change, cuts)
            else:
                cuts.append((member.at, member.end, str(change)))
    end = members[last].end if kept else text.index("{", at) + 1
    new = {name: value for name, value in changes.items() if isinstance(value, str)}
    for member in members:
        new.pop(member.name, None)
    added = ",".join(f'"{name}":{value}' for name, value in new.items())
    cuts.append((end, members[-1].end if members else end, f",{added}" if added and kept else added))


def _members(text: str, at: int) -> list[Member] | None:
    """The members of the object that begins at `at`; None when it is none."""
    members = []
    try:
        at = _after_space(text, at)
        if text[at] != "{":
            return None
        at = _after_space(text, at + 1)
        while text[at] != "}":
            start = at
            if text[at] != '"':
                return None
            name, at = _scanstring(text, at + 1, False)
            at = _after_space(text, at)
            if text[at] != ":":
                return None
            begins = _after_space(text, at + 1)
            value, at = _DECODER.scan_once(text, begins)
            members.append(Member(name, value, start, begins, at))
            at = _after_space(text, at)
            if text[at] == ",":
                at = _after_space(text, at + 1)
            elif text[at] != "}":
                return None
    except _NO_JSON:
        return None
    return members


def _after_space(text: str, at: int) -> int:
    if text[at] in _SPACE:
        found = _SPACES.match(text, at)
        at = found.end() if found else at
    return at
