"""The properties of a message as AMQP 0.9.1 writes them: read, and changed in places without touching the rest. Pure.

A property list is a word of flags and the values of those that are set, in a fixed order; headers are a table of
(name, type, value). Each has its bytes, so that a copy is the original's bytes but for what was taken out or added.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from struct import Struct, pack, unpack_from
from struct import error as StructError
from typing import Any

from collectors.errors import BadAnswer

HEADERS = "headers"
#: In the order of their flags, from the highest bit down: S short string, F table, B octet, T timestamp.
FIELDS = (
    ("content_type", "S"), ("content_encoding", "S"), (HEADERS, "F"), ("delivery_mode", "B"), ("priority", "B"),
    ("correlation_id", "S"), ("reply_to", "S"), ("expiration", "S"), ("message_id", "S"), ("timestamp", "T"),
    ("type", "S"), ("user_id", "S"), ("app_id", "S"), ("cluster_id", "S"),
)  # fmt: skip
FLAGS = {name: 1 << 15 - place for place, (name, _) in enumerate(FIELDS)}
KINDS = dict(FIELDS)
DEEPEST = 32

#: Bytes of a value after the letter of its type; -1 = it has its length in front.
_SIZES = {**dict.fromkeys(b"tbB", 1), **dict.fromkeys(b"sUu", 2), **dict.fromkeys(b"Iif", 4), ord("V"): 0}
_SIZES |= {**dict.fromkeys(b"lLdT", 8), ord("D"): 5, **dict.fromkeys(b"SxFA", -1)}
_LONG = Struct(">I")
_NUMBERS = {"b": ">b", "B": ">B", "s": ">h", "U": ">h", "u": ">H", "I": ">i", "i": ">I", "l": ">q", "L": ">Q"}
_NUMBERS |= {"f": ">f", "d": ">d"}
_RANGES = {"b": 7, "s": 15, "U": 15, "I": 31, "l": 63}


#: One header: its name, and its bytes from the name's length on.
Header = tuple[bytes, bytes]
#: The properties that each word of flags stands for, as it is met: (name, kind).
_SET: dict[int, tuple[tuple[str, str], ...]] = {}
_BEFORE_HEADERS = ("content_type", "content_encoding")
#: By the names of properties (at most 2^13 sets of them): their flags, and how many come before the headers.
_HEADS: dict[tuple[str, ...], tuple[int, int]] = {}


@dataclass(slots=True)
class Fields:
    """A property list in parts: the bytes of each property that is set, in order; the headers, None = no table."""

    parts: dict[str, bytes]
    headers: list[Header] | None

    @classmethod
    def read(cls, raw: bytes) -> Fields:
        """Take properties apart. Raises BadAnswer where they cannot be what they say."""
        try:
            return cls._read(raw)
        except (IndexError, StructError, KeyError) as error:
            raise BadAnswer("The properties of a message break off or hold a type that AMQP does not know.") from error

    @classmethod
    def _read(cls, raw: bytes) -> Fields:
        flags = raw[0] << 8 | raw[1]
        at, parts, headers = 2, {}, None
        for name, kind in _SET.get(flags) or _fields_of(flags):
            if kind == "S":
                end = at + 1 + raw[at]
            elif kind == "F":
                end = at + 4 + int.from_bytes(raw[at : at + 4], "big")
            else:
                end = at + (1 if kind == "B" else 8)
            if end > len(raw):
                raise IndexError
            if kind == "F":
                headers = _entries(raw, at + 4, end)
            else:
                parts[name] = raw[at:end]
            at = end
        if at != len(raw):
            raise IndexError
        return cls(parts, headers)

    def text(self, name: str) -> str:
        """A property for people, "" = it is not set."""
        part = self.parts.get(name)
        if part is None:
            return ""
        kind = KINDS[name]
        if kind == "S":
            return part[1:].decode("utf-8", "replace")
        return str(part[0] if kind == "B" else unpack_from(">Q", part)[0])

    def header(self, name: bytes) -> Any:
        """The value of a header, None where there is none. Raises BadAnswer for one that cannot be read."""
        return next((value_of(header) for header in self.headers or () if header[0] == name), None)

    def values(self) -> dict[str, Any]:
        """All headers as Python values; one that cannot be read (nested too deep) as its bytes."""
        return {header[0].decode("utf-8", "replace"): _shown(header) for header in self.headers or ()}


def written(parts: Mapping[str, bytes], headers: bytes | None) -> bytes:
    """Properties as bytes: `parts` in the order of FIELDS, and the bytes of all headers, None = no table."""
    names = tuple(parts)
    known = _HEADS.get(names)
    if known is None:
        known = _HEADS[names] = (sum(FLAGS[name] for name in parts), sum(name in parts for name in _BEFORE_HEADERS))
    flags, before = known
    values = list(parts.values())
    if headers is not None:
        flags |= FLAGS[HEADERS]
        values[before:before] = (_LONG.pack(len(headers)), headers)
    return flags.to_bytes(2, "big") + b"".join(values)


def in_order(parts: Mapping[str, bytes]) -> dict[str, bytes]:
    """The same parts in the order of FIELDS."""
    return {name: parts[name] for name, _ in FIELDS if name in parts}


def _fields_of(flags: int) -> tuple[tuple[str, str], ...]:
    if flags & 3:
        raise KeyError("flags that no property has")
    if len(_SET) > 1000:
        _SET.clear()
    _SET[flags] = found = tuple((name, kind) for name, kind in FIELDS if flags & FLAGS[name])
    return found


def _entries(raw: bytes, at: int, end: int) -> list[Header]:
    found: list[Header] = []
    sizes, long_at = _SIZES, _LONG.unpack_from  # half of the time that a letter takes is spent here
    while at < end:
        name_end = at + 1 + raw[at]
        stop = sizes[raw[name_end]]
        if stop < 0:
            stop = 4 + long_at(raw, name_end + 1)[0]
        stop += name_end + 1
        if stop > end:
            raise IndexError
        found.append((raw[at + 1 : name_end], raw[at:stop]))
        at = stop
    return found


# --- values ----------------------------------------------------------------------------------------------------------
def kind_of(header: Header) -> str:
    """The letter of its type."""
    name, raw = header
    return chr(raw[1 + len(name)])


def _shown(header: Header) -> Any:
    try:
        return value_of(header)
    except BadAnswer:
        return header[1][1 + len(header[0]) :]


def value_of(header: Header) -> Any:
    """A header as a Python value. Raises BadAnswer for one that cannot be read."""
    name, raw = header
    try:
        return _value(raw, 1 + len(name), 0)[0]
    except (IndexError, StructError, KeyError) as error:
        raise BadAnswer(f"The header '{name.decode('utf-8', 'replace')}' of a message cannot be read.") from error


def _value(raw: bytes, at: int, depth: int) -> tuple[Any, int]:
    """The value whose type stands at `at`, and where it ends."""
    kind = chr(raw[at])
    at += 1
    if kind in _NUMBERS:
        form = _NUMBERS[kind]
        return unpack_from(form, raw, at)[0], at + _SIZES[ord(kind)]
    if kind == "t":
        return raw[at] != 0, at + 1
    if kind == "V":
        return None, at
    if kind == "T":
        return _moment(unpack_from(">Q", raw, at)[0]), at + 8
    if kind == "D":
        return Decimal(unpack_from(">i", raw, at + 1)[0]).scaleb(-raw[at]), at + 5
    if kind not in "SxFA" or depth >= DEEPEST:
        raise KeyError(kind)
    end = at + 4 + int(unpack_from(">I", raw, at)[0])
    if end > len(raw):
        raise IndexError
    if kind in "Sx":
        return _text(raw[at + 4 : end], kind), end
    return (_table if kind == "F" else _array)(raw[:end], at + 4, depth + 1), end


def _table(raw: bytes, at: int, depth: int) -> dict[str, Any]:
    found = {}
    while at < len(raw):
        end = at + 1 + raw[at]
        name = raw[at + 1 : end].decode("utf-8", "replace")
        found[name], at = _value(raw, end, depth)
    return found


def _array(raw: bytes, at: int, depth: int) -> list[Any]:
    found = []
    while at < len(raw):
        value, at = _value(raw, at, depth)
        found.append(value)
    return found


def _text(raw: bytes, kind: str) -> str | bytes:
    if kind == "S":
        try:
            return raw.decode()
        except UnicodeDecodeError:
            pass
    return raw


def _moment(seconds: int) -> datetime | int:
    """A time, where it is one that a calendar has; some producers write milliseconds."""
    return datetime.fromtimestamp(seconds, UTC) if seconds < 253402300800 else seconds


def entry(name: str, value: Any, like: str = "") -> bytes:
    """A header as bytes, of the type `like` where the value fits it. Raises BadAnswer for what AMQP has no type for."""
    raw = name.encode("utf-8", "replace")
    if len(raw) > 255:
        raise BadAnswer(f"The name of the header '{name[:40]}...' is longer than the 255 bytes that AMQP allows.")
    return bytes([len(raw)]) + raw + _encoded(value, like, 0)


def _encoded(value: Any, like: str, depth: int) -> bytes:
    if depth > DEEPEST:
        raise BadAnswer(f"A header is nested more than {DEEPEST} deep.")
    if value is None:
        return b"V"
    if isinstance(value, bool):
        return b"t" + bytes([value])
    if isinstance(value, int):
        return _number(value, like)
    if isinstance(value, float):
        return b"f" + pack(">f", value) if like == "f" else b"d" + pack(">d", value)
    if isinstance(value, datetime):
        return b"T" + pack(">Q", max(0, int(value.timestamp())))
    if isinstance(value, str) and like in ("T", "D"):
        return _typed(value, like)
    if isinstance(value, str):
        return _long("S", value.encode("utf-8", "replace"))
    if isinstance(value, bytes | bytearray):
        return _long("S" if like == "S" else "x", bytes(value))
    if isinstance(value, Mapping):
        return _long("F", b"".join(entry_in(str(k), v, depth + 1) for k, v in value.items()))
    if isinstance(value, list | tuple):
        return _long("A", b"".join(_encoded(one, "", depth + 1) for one in value))
    if isinstance(value, Decimal):
        return _decimal(value)
    raise BadAnswer(f"A header cannot hold a value of the type {type(value).__name__}.")


def entry_in(name: str, value: Any, depth: int) -> bytes:
    """A member of a table inside a header."""
    raw = name.encode("utf-8", "replace")[:255]
    return bytes([len(raw)]) + raw + _encoded(value, "", depth)


def _long(kind: str, raw: bytes) -> bytes:
    return kind.encode() + pack(">I", len(raw)) + raw


def _number(value: int, like: str) -> bytes:
    if like in ("f", "d"):
        return like.encode() + pack(_NUMBERS[like], float(value))
    if like in ("B", "u", "i", "L", "T") and 0 <= value < 1 << 8 * _SIZES[ord(like)]:
        return like.encode() + pack(_NUMBERS.get(like, ">Q"), value)
    for kind in (like, "I", "l"):
        bits = _RANGES.get(kind, 0)
        if bits and -(1 << bits) <= value < 1 << bits:
            return kind.encode() + pack(_NUMBERS[kind], value)
    raise BadAnswer("A header cannot hold a number of more than 64 bits.")


def _typed(text: str, like: str) -> bytes:
    """A time or a decimal number that was written as text, as people edit it."""
    try:
        return _decimal(Decimal(text)) if like == "D" else _encoded(datetime.fromisoformat(text), "", 0)
    except (ValueError, InvalidOperation):
        kind = "a decimal number" if like == "D" else "a time"
        raise BadAnswer(f"A header holds {kind}, and '{text[:40]}' is none.") from None


def _decimal(value: Decimal) -> bytes:
    sign, digits, exponent = value.as_tuple()
    if isinstance(exponent, int) and -255 <= exponent <= 0:
        number = int("".join(map(str, digits)) or "0") * (-1 if sign else 1)
        if -(1 << 31) <= number < 1 << 31:
            return b"D" + bytes([-exponent]) + pack(">i", number)
    raise BadAnswer(f"A header cannot hold the decimal number {str(value)[:40]}.")
