"""What is handed from one decoder to the next: a piece of a letter, and what was found in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final


class Missing(Enum):
    """There is no value: None is one, JSON's null."""

    MISSING = "missing"


MISSING: Final = Missing.MISSING


@dataclass(frozen=True, slots=True)
class Limits:
    """How far a body is followed; what lies beyond is said in the notes, never silently left out.

    bytes    of a body that are looked at, and that a decompression may give
    depth    of nesting that is parsed; anything deeper is shown as text
    steps    layers that are peeled
    """

    bytes: int = 1 << 20
    depth: int = 100
    steps: int = 12


@dataclass(frozen=True, slots=True)
class Step:
    """One layer that was peeled, shown as a chip.

    `fields` are what an envelope says beside its content, as it is: a page masks them like a value, and shows a `tree`.
    """

    name: str
    detail: str = ""
    fields: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes that are still to be read, with what is declared about them.

    cut    True when these are only the first bytes of more
    inner  True when the bytes were inside of something else: then what was declared outside holds no longer
    """

    data: bytes
    content_type: str = ""
    content_encoding: str = ""
    headers: Mapping[str, Any] = field(default_factory=dict)
    cut: bool = False
    inner: bool = False

    def within(self, data: bytes, *, cut: bool = False, content_type: str = "", charset: str = "") -> Piece:
        """The next piece: what was found inside this one."""
        return Piece(data, content_type, charset, self.headers, cut, inner=True)


@dataclass(frozen=True, slots=True)
class Found:
    """What one decoder, or one shape, made of a piece.

    step          its chip
    inner         bytes to be decoded further, or
    value         what they mean, as JSON knows it (and bytes), or
    text          text to be shown
    notes         sentences on what was left out or is strange
    message_type  what kind of message this is, in the words of its library ("billing.capture")
    """

    step: Step
    inner: Piece | None = None
    value: Any = MISSING
    text: str | None = None
    notes: tuple[str, ...] = ()
    message_type: str = ""


#: Reads bytes. None = these are not mine.
Decoder = Callable[[Piece, Limits], Found | None]

#: Recognises what a library or a service makes of a value (MISSING when the body could not be read). None = not mine.
#: Dialects have theirs, and the caller of `decode` hands them over.
Shape = Callable[[Any, Piece], Found | None]
