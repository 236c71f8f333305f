"""The chain: which decoder is tried on what, in which order, and when it ends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from .base64 import based64
from .binaries import closed, framed, kind_of_text, pickled
from .compression import compressed
from .decoded import Decoded
from .envelopes import ENVELOPES, announced
from .json import jsoned
from .msgpack import msgpacked
from .piece import MISSING, Decoder, Found, Limits, Piece, Shape, Step
from .text import cut, hex_dump, read, visible

#: In the order in which they are tried: what is declared or has a beginning of its own comes first.
DECODERS: tuple[Decoder, ...] = (pickled, compressed, closed, jsoned, msgpacked, framed, based64)

LIMITS = Limits()

#: Bytes that a hex dump shows, and characters of a name.
DUMPED, NAME = 4096, 200


def decode(
    body: bytes | memoryview | str,
    headers: Mapping[str, Any] | None = None,
    content_type: str | None = None,
    content_encoding: str | None = None,
    shapes: Sequence[Shape] = (),
    limits: Limits = LIMITS,
) -> Decoded:
    """What a body says. Raises nothing for what is in it.

    headers           the letter's, by name; values as the broker's client gave them
    content_type      as declared, with its charset if it has one
    content_encoding  as declared: a compression, base64, or (kombu) a charset
    shapes            what dialects recognise, tried after the envelopes that this package knows
    """
    raw = body.encode("utf-8", "replace") if isinstance(body, str) else body
    first = bytes(raw[: limits.bytes])
    piece = Piece(first, content_type or "", content_encoding or "", _told(headers or {}), cut=len(raw) > len(first))
    chain = _Chain(piece, limits, (*ENVELOPES, *shapes))
    if piece.cut:
        chain.notes.append(f"Read: the first {len(first):,} of {len(raw):,} bytes.")
    if (outer := announced(piece)) is not None:
        chain.note(outer)
    chain.run()
    return Decoded(
        size=len(raw),
        steps=tuple(chain.steps),
        value=chain.value,
        text=chain.text,
        headers=chain.piece.headers,
        message_type=chain.message_type,
        notes=tuple(dict.fromkeys(chain.notes)),
    )


def _told(headers: Mapping[Any, Any]) -> dict[str, Any]:
    """Headers by names that are text, whatever a client made of them."""
    return {k.decode("utf-8", "replace") if isinstance(k, bytes) else str(k): v for k, v in headers.items()}


def _name(text: str) -> str:
    """A name out of a letter, in one short line."""
    return cut(visible(" ".join(text[:NAME].split())), NAME)


@dataclass(slots=True)
class _Chain:
    """One letter on its way through the decoders."""

    piece: Piece
    limits: Limits
    shapes: tuple[Shape, ...]
    steps: list[Step] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    value: Any = MISSING
    text: str = ""
    message_type: str = ""

    def run(self) -> None:
        while True:
            found = self._read()
            self.note(found)
            self.value, self.text = found.value, found.text or ""
            inner = found.inner or self._recognise() or self._nested()
            if inner is None:
                return
            if len(self.steps) >= self.limits.steps:
                self.notes.append(f"More than {self.limits.steps} layers: the rest is shown as it is.")
                self.value, self.text = MISSING, self._plain(inner).text or ""
                return
            self.piece = inner

    def note(self, found: Found) -> None:
        """Add what was found to the answer."""
        self.steps.append(replace(found.step, detail=_name(found.step.detail)))
        self.notes.extend(visible(note) for note in found.notes)
        self.message_type = _name(found.message_type) or self.message_type

    def _read(self) -> Found:
        if self.piece.data:
            for decoder in DECODERS:
                if (found := decoder(self.piece, self.limits)) is not None:
                    return found
        return self._plain(self.piece)

    def _plain(self, piece: Piece) -> Found:
        if not piece.data:
            return Found(Step("empty"), text="")
        if (text := read(piece)) is not None:
            return Found(Step(kind_of_text(piece)), text=text[0], notes=text[1])
        notes = (f"Shown: the first {DUMPED:,} of {len(piece.data):,} bytes.",) if len(piece.data) > DUMPED else ()
        return Found(Step("hex"), text=hex_dump(piece.data, DUMPED // 16), notes=notes)

    def _recognise(self) -> Piece | None:
        """Let every shape look at the value, each once; the first that finds something inside ends it."""
        waiting = list(self.shapes)
        while waiting and len(self.steps) < self.limits.steps:
            for shape in waiting:
                if (found := shape(self.value, self.piece)) is not None:
                    break
            else:
                return None
            waiting.remove(shape)
            self.note(found)
            if found.inner is not None:
                return found.inner
            if found.value is not MISSING:
                self.value = found.value
        return None

    def _nested(self) -> Piece | None:
        """A JSON string that holds JSON, or something packed, is read on; other strings are what was meant."""
        if not isinstance(self.value, str) or self.piece.data.lstrip()[:1] != b'"':
            return None
        inner = self.piece.within(self.value.encode("utf-8", "replace"), cut=self.piece.cut)
        if inner.data.lstrip()[:1] in (b"{", b"[") or based64(inner, self.limits) is not None:
            return inner
        return None
