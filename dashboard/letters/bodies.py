"""What is in letters: a cache that is bounded, encrypted and expires. The index goes on without it.

A body is kept as it came, verbatim, at most `MOST_OF_BODY` bytes of it, with headers and properties; what is masked
is masked when it is shown, so that a new rule holds for what was kept before.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

import msgpack
from django.conf import settings
from django.db.models import Sum

from collectors.letters import Death, Letter

from ..models import LetterBody
from ..secrets import SecretError, decrypt_bytes, encrypt_bytes

MOST_OF_BODY = 256 * 1024
MOST_OF_HEADERS = 64 * 1024
#: Of all letters together; beyond it the oldest go first. Letters that are seen again fill up to `ENOUGH` of it.
MOST_BODIES, MOST_BYTES, ENOUGH = 50_000, 512 * 1024 * 1024, 0.8
_BATCH = 400
_DEEPEST = 40


def keep(queue: int, letters: Mapping[int, Letter], now: float) -> None:
    """Keep what is in letters, by the ids of their rows."""
    until = now + settings.WEIR_RETENTION_BODIES
    rows = []
    for id, letter in letters.items():
        secret = encrypt_bytes(packed(letter))
        rows.append(LetterBody(letter=id, queue_id=queue, secret=secret, bytes=len(secret), expires_at=until))
    for at in range(0, len(rows), _BATCH):
        LetterBody.objects.bulk_create(
            rows[at : at + _BATCH],
            update_conflicts=True,
            unique_fields=["letter"],
            update_fields=["secret", "bytes", "expires_at"],
        )


def find(ids: Sequence[int], now: float) -> dict[int, Letter]:
    """What is kept of these letters. One that cannot be read any more (a key that is lost) counts as not kept."""
    found: dict[int, Letter] = {}
    for at in range(0, len(ids), _BATCH):
        rows = LetterBody.objects.filter(letter__in=list(ids[at : at + _BATCH]), expires_at__gt=now)
        for id, secret in rows.values_list("letter", "secret"):
            try:
                found[id] = unpacked(decrypt_bytes(bytes(secret)))
            except SecretError:
                continue
    return found


def kept_ids(now: float) -> list[int]:
    """Letters of which something is kept, the newest first."""
    rows = LetterBody.objects.filter(expires_at__gt=now).order_by("-id")
    return list(rows.values_list("letter", flat=True)[:MOST_BODIES])


def has_room() -> bool:
    """Whether letters that were seen before may be kept again."""
    told = LetterBody.objects.aggregate(bytes=Sum("bytes"))
    return LetterBody.objects.count() < ENOUGH * MOST_BODIES and (told["bytes"] or 0) < ENOUGH * MOST_BYTES


def prune(now: float) -> int:
    """Let go of what expired, and of the oldest beyond the bounds; how many."""
    gone, _ = LetterBody.objects.filter(expires_at__lte=now).delete()
    count, total = LetterBody.objects.count(), LetterBody.objects.aggregate(n=Sum("bytes"))["n"] or 0
    while count > MOST_BODIES or total > MOST_BYTES:
        oldest = list(LetterBody.objects.order_by("expires_at", "id").values_list("id", "bytes")[:_BATCH])
        if not oldest:
            break
        LetterBody.objects.filter(id__in=[id for id, _ in oldest]).delete()
        gone, count, total = gone + len(oldest), count - len(oldest), total - sum(n for _, n in oldest)
    return gone


def forget(ids: Iterable[int]) -> None:
    """Let go of what is in these letters."""
    listed = list(ids)
    for at in range(0, len(listed), _BATCH):
        LetterBody.objects.filter(letter__in=listed[at : at + _BATCH]).delete()


# --- one letter as bytes -----------------------------------------------------------------------------------------
_NAMES = tuple(each.name for each in fields(Letter))


def packed(letter: Letter) -> bytes:
    """A letter as bytes, cut to what is kept."""
    headers = {str(name): _plain(value, 0) for name, value in letter.headers.items()}
    cut = replace(letter, body=letter.body[:MOST_OF_BODY], headers=_fitting(headers))
    told = {name: getattr(cut, name) for name in _NAMES}
    told["deaths"] = [[getattr(death, each.name) for each in fields(Death)] for death in letter.deaths[:100]]
    told["properties"] = [list(map(str, pair)) for pair in letter.properties[:100]]
    return zlib.compress(msgpack.packb(told, unicode_errors="surrogatepass"), 1)


def unpacked(data: bytes) -> Letter:
    """What `packed` was given, or as much of it as is kept."""
    told = msgpack.unpackb(zlib.decompress(data), strict_map_key=False, unicode_errors="surrogatepass")
    deaths = []
    for queue, reason, count, at, exchange, keys, *later in told.pop("deaths"):
        deaths.append(Death(queue, reason, count, at, exchange, tuple(keys), *later))
    properties = tuple((label, value) for label, value in told.pop("properties"))
    return Letter(**told, deaths=tuple(deaths), properties=properties)


def _fitting(headers: dict[str, Any]) -> dict[str, Any]:
    """As many headers as fit, in their order."""
    room, kept = MOST_OF_HEADERS, dict[str, Any]()
    for name, value in headers.items():
        room -= len(name) + len(msgpack.packb(value, unicode_errors="surrogatepass"))
        if room < 0:
            kept["…"] = f"{len(headers) - len(kept)} more headers, which are too large to be kept"
            break
        kept[name] = value
    return kept


def _plain(value: Any, deep: int) -> Any:
    """A header's value in types that can be kept; what is another is kept as its text."""
    if value is None or isinstance(value, bool | float | str | bytes):
        return value
    if isinstance(value, int):
        return value if -(2**63) <= value < 2**64 else hex(value)
    if deep < _DEEPEST and isinstance(value, Mapping):
        return {str(key): _plain(item, deep + 1) for key, item in value.items()}
    if deep < _DEEPEST and isinstance(value, list | tuple):
        return [_plain(item, deep + 1) for item in value]
    return str(value)[:1000]
