"""Bytes to text, and text that cannot mislead the one who reads it."""

from __future__ import annotations

import codecs
import re
import unicodedata

from .piece import Piece

#: Charsets that are followed when declared. Python knows codecs that compress, or take quadratic time: not these.
CHARSETS = re.compile(r"(?:utf-?(?:8|16|16-?[lb]e)|us-ascii|ascii|iso-?8859-\d+|latin-?1|windows-125\d|cp125\d"
                      r"|shift_jis|euc-jp|euc-kr|gb18030|gbk|gb2312|big5|koi8-[ru])", re.I)  # fmt: skip
_CHARSET = re.compile(r"charset\s*=\s*\"?([\w.-]{1,20})", re.I)

_MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))

#: Shown by name: controls (but tab and line ends), what turns the direction of writing, what has no width, lone halves
#: of surrogate pairs, which no file and no page can hold.
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff"
    "\ufff9-\ufffb\U000e0000-\U000e007f]"
)

_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f]")

#: A cell that begins so is a formula to spreadsheets; the wide forms count too.
_FORMULA = re.compile(r"[\s\x00]*[=+\-@＝＋－＠]|[\t\r\n]")

#: Shares of controls, and of bytes that are not UTF-8, in what still is text.
_CONTROLS, _BAD = 0.05, 0.2


def visible(text: str) -> str:
    """The text with every character that hides, or acts on a terminal or a page, shown by its sign or number."""
    return _UNSEEN.sub(_sign, text.replace("\r\n", "\n"))


def _sign(match: re.Match[str]) -> str:
    number = ord(match[0])
    if number < 0x20:
        return chr(0x2400 + number)  # ␛ for escape
    if number == 0x7F:
        return "␡"
    return "\ufffd" if 0xD800 <= number <= 0xDFFF else f"⟦U+{number:04X}⟧"


def defused(text: str) -> str:
    """The text for a cell of a CSV file: what a spreadsheet would take for a formula begins with an apostrophe."""
    return "'" + text if _FORMULA.match(text) else text


def cut(text: str, most: int) -> str:
    """At most so many characters, the last being "…" where something is missing."""
    return text if len(text) <= most else text[: max(0, most - 1)] + "…"


def read(piece: Piece) -> tuple[str, tuple[str, ...]] | None:
    """Bytes as text, with notes; None when they are no text.

    A byte order mark wins, then UTF-8 where it is valid, then the declared charset; else invalid bytes become �.
    """
    data, content_type, charset = piece.data, piece.content_type, piece.content_encoding
    for mark, name in _MARKS:
        if data.startswith(mark):
            return _judged(data[len(mark) :].decode(name, "replace"), () if name == "utf-8" else (f"In {name}.",))
    try:
        return _judged(codecs.getincrementaldecoder("utf-8")().decode(data, final=not piece.cut), ())
    except UnicodeDecodeError:
        pass  # not UTF-8: what was declared, or replacement, below
    declared = (_CHARSET.search(content_type) or [charset, charset])[1].strip()
    if CHARSETS.fullmatch(declared) and not declared.lower().replace("-", "").startswith("utf8"):
        return _judged(data.decode(declared, "replace"), (f"In {declared}, as declared.",))
    text = data.decode("utf-8", "replace")
    bad = text.count("\ufffd")
    return _judged(text, (f"Not valid UTF-8: {bad:,} {'place is' if bad == 1 else 'places are'} shown as �.",))


def _judged(text: str, notes: tuple[str, ...]) -> tuple[str, tuple[str, ...]] | None:
    beginning = text[:4096]
    controls, bad = len(_CONTROL.findall(beginning)), beginning.count("\ufffd")
    if controls > max(1, _CONTROLS * len(beginning)) or bad > max(1, _BAD * len(beginning)):
        return None
    if _UNSEEN.search(text) and any(_hides(c) for c in set(_UNSEEN.findall(text))):
        notes += ("Has characters that hide or turn text: shown by their number.",)
    return text, notes


def _hides(character: str) -> bool:
    return unicodedata.category(character) == "Cf"


def hex_dump(data: bytes, rows: int = 256) -> str:
    """Offset, 16 bytes in hexadecimal, and what of them is ASCII: the first `rows` lines."""
    lines = []
    for at in range(0, min(len(data), rows * 16), 16):
        row = data[at : at + 16]
        seen = "".join(chr(b) if 0x20 <= b < 0x7F else "." for b in row)
        lines.append(f"{at:06x}  {row.hex(' '):<47}  {seen}")
    return "\n".join(lines)
