"""Headers of one letter, edited before it is replayed: each keeps its type, and what is masked stays as it was. Pure.

A header that holds a text, a number, or true or false can be changed; one of another type (a table, a list, bytes)
goes as it is, or is taken away. What the broker or Weir itself writes is not for people to set, and is not shown.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from collectors.decoding import tree, visible
from collectors.letters import STAMPS

from ..letters.masking import Masking, masked_text
from ..refused import DeedRefused

LONGEST = 10_000
SHOWN, SHOWN_TREE = 300, 8_000  # characters of a value that cannot be changed; of a table or list
ONE_LINE = 60  # characters of a table or list that stand in one line
MASK = masked_text("").rstrip()

#: What brokers write, and what they act upon; whatever else begins with "x-" is an application's own.
_RESERVED = ("x-death", "x-first-death-", "x-last-death-", "x-delivery-count", "x-acquired-count", "x-opt-")
_ROUTING = ("CC", "BCC")
_KINDS: tuple[tuple[type, str], ...] = (
    (bool, "true or false"),
    (int, "number"),
    (float, "number"),
    (str, "text"),
    (bytes, "bytes"),
)
_KINDS += ((Mapping, "table"),)
_TYPE = "type of "  # begins a property of a letter that tells the type of a header
_NO_TYPES: Mapping[str, str] = {}
_CUT = "…"  # stands for what was too large to be kept
#: For the kinds that nobody can type.
_FIXED = {"bytes": "bytes", "table": "a table", "list": "a list", "nothing": "no value"}


def reserved(name: str) -> bool:
    """Whether a header is the broker's or Weir's own."""
    return name in STAMPS or name in _ROUTING or name.lower().startswith((*_RESERVED, "x-stream-"))


def editable(
    headers: Mapping[str, Any], masking: Masking, types: Mapping[str, str] = _NO_TYPES
) -> list[dict[str, Any]]:
    """Headers as a form shows them: `fixed` says why one cannot be changed, "" = it can; `stays`: nor taken away.

    `types`: what the broker calls the type of a header, where it has words for that."""
    masked = masking.headers(headers)
    names = [name for name in headers if not reserved(name) and name != _CUT]
    return [_shown(name, headers[name], masked[name], types.get(name, "")) for name in names]


def types_of(properties: Sequence[tuple[str, str]]) -> dict[str, str]:
    """The broker's own words for types, by header, as a letter's properties tell them."""
    return {label.removeprefix(_TYPE): type_ for label, type_ in properties if label.startswith(_TYPE)}


def _shown(name: str, value: Any, masked: Any, type_: str) -> dict[str, Any]:
    kind, text, hidden, unsure = kind_of(value, type_), _text(masked), masked != value, visible(name) != name
    fixed = _FIXED.get(kind, "")
    if hidden:
        fixed = "masked"
    elif unsure or len(text) > LONGEST:
        fixed = "its name cannot be shown as it is" if unsure else "too long"
    told = visible(text[:SHOWN]) if fixed else text
    if isinstance(masked, Mapping | list | tuple):
        told = _laid_out(masked)
    return {"name": visible(name), "kind": kind, "value": told, "fixed": fixed, "stays": hidden or unsure}


def _laid_out(value: Any) -> str:
    """A table or a list as JSON that can be read, its texts made visible."""
    grown = tree(value).value
    short = json.dumps(grown, ensure_ascii=False)
    told = short if len(short) <= ONE_LINE else json.dumps(grown, ensure_ascii=False, indent=2)
    return told if len(told) <= SHOWN_TREE else f"{told[:SHOWN_TREE]}\n{_CUT}"


def kind_of(value: Any, type_: str = "") -> str:
    """The type of a header, in a word."""
    if value is None:
        return "nothing"
    if isinstance(value, str) and type_.startswith("Number"):  # SQS's, which may be longer than a float holds
        return "number"
    return next((word for type_, word in _KINDS if isinstance(value, type_)), "list")


def checked(headers: Mapping[str, Any], field: str = "edit") -> dict[str, Any]:
    """Headers that people set: texts and numbers; null removes one. Raises DeedRefused, which names the field."""
    for name, value in headers.items():
        if not name or reserved(name):
            raise DeedRefused(field, f"The header {name[:100] or 'without a name'} is not for people to set.")
        if not (value is None or isinstance(value, str | int | float | bool)) or len(str(value)) > LONGEST:
            raise DeedRefused(field, f"The header {name[:100]} must be a text, a number, true, false or null.")
    if any(MASK in str(value) for value in headers.values()):
        raise DeedRefused(field, "A header still holds a mask in place of its value.")
    return dict(headers)


def merged(
    before: Mapping[str, Any], asked: Mapping[str, Any], masking: Masking, types: Mapping[str, str] = _NO_TYPES
) -> dict[str, Any]:
    """The headers that differ from those of the original, of the types that they had. Raises DeedRefused."""
    masked, changed = masking.headers(before), {}
    for name, value in checked(asked).items():
        if name not in before:
            if value is not None:
                changed[name] = value
            continue
        if masked[name] != before[name]:
            raise DeedRefused("edit", f"The header {name[:100]} is masked: it cannot be changed or taken away.")
        told = None if value is None else _alike(name, value, before[name], types.get(name, ""))
        if value is None or told != before[name]:
            changed[name] = told
    return changed


def _alike(name: str, value: Any, before: Any, type_: str) -> Any:
    """A value as the type that a header has. Raises DeedRefused where it is none of that type."""
    kind = kind_of(before)
    if kind in _FIXED and before is not None:
        raise DeedRefused("edit", f"The header {name[:100]} is {_FIXED[kind]}: it can be taken away, not changed.")
    if isinstance(before, str):
        told = value if isinstance(value, str) else json.dumps(value)
        if kind_of(before, type_) == "number":
            _number(name, told.strip(), whole=False)
            return told.strip()
        return told
    text = value.strip() if isinstance(value, str) else json.dumps(value)
    if isinstance(before, bool):
        if text not in ("true", "false"):
            raise DeedRefused("edit", f"The header {name[:100]} is true or false.")
        return text == "true"
    if isinstance(before, int | float):
        return _number(name, text, whole=isinstance(before, int))
    return value


def _number(name: str, text: str, whole: bool) -> int | float:
    try:
        number = int(text) if whole else float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number) or (whole and not -(2**63) <= number < 2**64):
        kind = "a whole number" if whole else "a number"
        raise DeedRefused("edit", f"The header {name[:100]} is {kind}, and '{visible(text[:40])}' is none.")
    return number


def _text(value: Any) -> str:
    """A value as it is typed; of what cannot be typed, as it is shown."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool | int | float) or value is None:
        return json.dumps(value)
    grown = tree(value).value
    return grown if isinstance(grown, str) else json.dumps(grown, ensure_ascii=False)
