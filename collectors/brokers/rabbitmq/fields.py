"""The properties of a message as AMQP 0.9.1 writes them: read, and changed in places without touching the rest. Pure.

A property list is a word of flags and the values of those that are set, in a fixed order; headers are a table of
(name, type, value). Each has its bytes, so that a copy is the original's bytes but for what was taken out or added.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from struct import error as StructError
from struct import pack, unpack_from
from typing import Any, NamedTuple

from collectors.errors import BadAnswer

HEADERS = "headers"
#: In the order of their flags, from the highest bit down: S short string, F table, B octet, T timestamp.
FIELDS = (
    ("content_type", "S"), ("content_encoding", "S"), (HEADERS, "F"), ("delivery_mode", "B"), ("priority", "B"),
    ("correlation_id", "S"), ("reply_to", "S"), ("expiration", "S"), ("message_id", "S"), ("timestamp", "T"),
    ("type", "S"), ("user_id", "S"), ("app_id", "S"), ("cluster_id", "S"),
)  # fmt: skip
BITS = {name: 15 - place for place, (name, _) in enumerate(FIELDS)}
KINDS = dict(FIELDS)
DEEPEST = 32

#: Bytes of a value after the letter of its type; what is not here has a length of its own in front.
_FIXED = {
    **dict.fromkeys(b"tbB", 1),
    **dict.fromkeys(b"sUu", 2),
    **dict.fromkeys(b"Iif", 4),
    **dict.fromkeys(b"lLdT", 8),
}
_FIXED |= {ord("V"): 0, ord("D"): 5}
_LONG = frozenset(b"SxFA")
_NUMBERS = {"b": ">b", "B": ">B", "s": ">h", "U": ">h", "u": ">H", "I": ">i", "i": ">I", "l": ">q", "L": ">Q"}
_NUMBERS |= {"f": ">f", "d": ">d"}
_RANGES = {"b": 7, "s": 15, "U": 15, "I": 31, "l": 63}


class Entry(NamedTuple):
    """One header: its name, and its bytes from the name's length on."""

    name: bytes
    raw: bytes

    @property
    def kind(self) -> str:
        """The letter of its type."""
        return chr(self.raw[1 + len(self.name)])

    def value(self) -> Any:
        return _value(self.raw, 1 + len(self.name), 0)[0]


@dataclass(slots=True)
class Fields:
    """A property list in parts: the bytes of each property that is set; the headers one by one, None = no table."""

    parts: dict[str, bytes]
    headers: list[Entry] | None

    @classmethod
    def read(cls, raw: bytes) -> Fields:
        """Take properties apart. Raises BadAnswer where they cannot be what they say."""
        try:
            return cls._read(raw)
        except (IndexError, StructError, KeyError) as error:
            raise BadAnswer("The properties of a message break off or hold a type that AMQP does not know.") from error

    @classmethod
    def _read(cls, raw: bytes) -> Fields:
        (flags,) = unpack_from(">H", raw)
        if flags & 3:
            raise KeyError("flags that no property has")
        at, parts, headers = 2, {}, None
        for bit, (name, kind) in zip(range(15, 1, -1), FIELDS, strict=True):
            if not flags >> bit & 1:
                continue
            end = at + _width(raw, at, kind)
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
        for entry in self.headers or ():
            if entry.name == name:
                return _read_value(entry)
        return None

    def values(self) -> dict[str, Any]:
        """All headers as Python values."""
        return {entry.name.decode("utf-8", "replace"): _read_value(entry) for entry in self.headers or ()}

    def without(self, names: Iterable[str], drops: Callable[[bytes], bool]) -> Fields:
        """The same without some properties, and without the headers of which `drops` says so."""
        gone = frozenset(names)
        kept = None if self.headers is None else [entry for entry in self.headers if not drops(entry.name)]
        return Fields({name: part for name, part in self.parts.items() if name not in gone}, kept)

    def written(self, added: bytes = b"") -> bytes:
        """The bytes again, with further headers (as `entry` writes them) at the end of the table."""
        raw = b"".join([entry.raw for entry in self.headers or ()]) + added
        parts, flags = self.parts, 0
        pieces = [b""]
        for name, _ in FIELDS:
            if name == HEADERS:
                if raw or self.headers == []:
                    flags |= 1 << BITS[HEADERS]
                    pieces.append(pack(">I", len(raw)) + raw)
            elif name in parts:
                flags |= 1 << BITS[name]
                pieces.append(parts[name])
        pieces[0] = pack(">H", flags)
        return b"".join(pieces)


def _width(raw: bytes, at: int, kind: str) -> int:
    if kind == "S":
        return 1 + raw[at]
    if kind == "F":
        return 4 + int(unpack_from(">I", raw, at)[0])
    return 1 if kind == "B" else 8


def _entries(raw: bytes, at: int, end: int) -> list[Entry]:
    entries = []
    while at < end:
        name_end = at + 1 + raw[at]
        kind = raw[name_end]
        fixed = _FIXED.get(kind)
        if fixed is None:
            if kind not in _LONG:
                raise KeyError(kind)
            fixed = 4 + int.from_bytes(raw[name_end + 1 : name_end + 5], "big")
        stop = name_end + 1 + fixed
        if stop > end:
            raise IndexError
        entries.append(Entry(raw[at + 1 : name_end], raw[at:stop]))
        at = stop
    return entries


# --- values ----------------------------------------------------------------------------------------------------------
def _read_value(entry: Entry) -> Any:
    try:
        return entry.value()
    except (IndexError, StructError, KeyError) as error:
        raise BadAnswer(f"The header '{entry.name.decode('utf-8', 'replace')}' of a message cannot be read.") from error


def _value(raw: bytes, at: int, depth: int) -> tuple[Any, int]:
    """The value whose type stands at `at`, and where it ends."""
    kind = chr(raw[at])
    at += 1
    if kind in _NUMBERS:
        form = _NUMBERS[kind]
        return unpack_from(form, raw, at)[0], at + _FIXED[ord(kind)]
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
    if like in ("B", "u", "i", "L", "T") and 0 <= value < 1 << 8 * _FIXED[ord(like)]:
        return like.encode() + pack(_NUMBERS.get(like, ">Q"), value)
    for kind in (like, "I", "l"):
        bits = _RANGES.get(kind, 0)
        if bits and -(1 << bits) <= value < 1 << bits:
            return kind.encode() + pack(_NUMBERS[kind], value)
    raise BadAnswer("A header cannot hold a number of more than 64 bits.")


def _decimal(value: Decimal) -> bytes:
    sign, digits, exponent = value.as_tuple()
    if isinstance(exponent, int) and -255 <= exponent <= 0:
        number = int("".join(map(str, digits)) or "0") * (-1 if sign else 1)
        if -(1 << 31) <= number < 1 << 31:
            return b"D" + bytes([-exponent]) + pack(">i", number)
    raise BadAnswer(f"A header cannot hold the decimal number {str(value)[:40]}.")
