"""Keys of Redis are bytes of any kind and length; what people and databases see is short and printable."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from hashlib import blake2b

from ...url import BrokerURL

#: Longest part of a name or identity, in characters: two parts and a separator fit into 600.
LONGEST = 250

#: The end of an identity that stands for a key which cannot be written as it is; and what stands in it for a byte or
#: a character.
_DIGEST = re.compile(r"~[0-9a-f]{16}$")
_ESCAPED = re.compile(r"\\(?:x([0-9a-f]{2})|(u[0-9a-f]{4}|U[0-9a-f]{8})|([tnr]))")

#: Between the parts of an identity; never part of one, because it is not printable.
SEPARATOR = "\x1f"


def text(raw: bytes) -> str:
    """A key to be read: what is not UTF-8 or not printable is escaped, and a long one is cut with an ellipsis."""
    decoded = raw[: 4 * LONGEST].decode("utf-8", "backslashreplace")
    shown = decoded if decoded.isprintable() else "".join(map(_visible, decoded))
    cut = len(raw) > 4 * LONGEST or len(shown) > LONGEST
    return (shown[: LONGEST - 1] + "…" if cut else shown) or "(empty name)"


def identity(raw: bytes) -> str:
    """A key as an identity: itself where it can be stored as it is, else its beginning and a digest of the whole."""
    try:
        decoded = raw.decode("utf-8")
    except UnicodeDecodeError:
        decoded = ""
    if decoded and len(decoded) <= LONGEST and decoded.isprintable():
        return decoded
    return f"{text(raw)[:200]}~{blake2b(raw, digest_size=8).hexdigest()}"


def stands_for_another(identified: str) -> bool:
    """Whether it may stand for a key that cannot be written as it is."""
    return _DIGEST.search(identified) is not None


def written(identified: str) -> bytes | None:
    """The key of an identity that says all of it, in escapes; None = its end is cut off, or it has no digest."""
    told = _DIGEST.sub("", identified)
    candidates = [b"", *(_unescaped(told, whole) for whole in (False, True))]
    return next((raw for raw in candidates if told != identified and identity(raw) == identified), None)


def _unescaped(told: str, whole: bool) -> bytes:
    """`whole`: \\x85 is the character of that number, not a byte."""
    parts, at = list[bytes](), 0
    for match in _ESCAPED.finditer(told):
        byte, character, control = match.groups()
        parts.append(told[at : match.start()].encode())
        if control:
            parts.append({"t": b"\t", "n": b"\n", "r": b"\r"}[control])
        else:
            code = int(byte or character[1:], 16) % 0x110000
            parts.append(bytes([code]) if byte and not whole else chr(code).encode(errors="surrogatepass"))
        at = match.end()
    return b"".join([*parts, told[at:].encode()])


def group_identity(stream: bytes, group: bytes) -> str:
    return identity(stream) + SEPARATOR + identity(group)


def poison_identity(group: str) -> str:
    """What a group has pending and fails at again and again, from the identity of the group."""
    return group + SEPARATOR + "dead"


def channel_identity(channel: bytes) -> str:
    """Two separators, so that no stream's group can have the same."""
    return "channel" + SEPARATOR * 2 + identity(channel)


def _visible(character: str) -> str:
    return character if character.isprintable() else character.encode("unicode_escape").decode("ascii")


class Wanted:
    """The globs of include= and exclude= of a URL, for queues that have more than one name (a stream's group)."""

    def __init__(self, url: BrokerURL) -> None:
        self._include, self._exclude = url.get_all("include"), url.get_all("exclude")

    def __call__(self, *names: str) -> bool:
        if self.excluded(*names):
            return False
        return not self._include or any(fnmatchcase(name, glob) for name in names for glob in self._include)

    def excluded(self, *names: str) -> bool:
        return any(fnmatchcase(name, glob) for name in names for glob in self._exclude)
