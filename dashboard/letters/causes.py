"""Causes as rows: new ones are written, and letters that are known are given the cause that they are read to have now.

Readers of causes improve, and masks change: a letter bears the `version` of the reading that gave it its cause, and one
of another version is read again when it is looked at again. What people said of a cause goes with its letters. A new
mask does not wait for that: what causes say obeys it at once (`mask_texts`).
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence

from django.db import transaction
from django.db.models import Exists, Max, Min, OuterRef

from collectors.causes import VERSION
from collectors.causes import Cause as Why
from collectors.causes.message import coarse

from ..models import Cause, Letter, LetterBody
from . import bodies
from .columns import next_revision
from .masking import Masking
from .reading import Read, read

_BATCH = 400
#: Causes of an installation. What comes beyond them is one cause more, and says so.
MOST_CAUSES = 20_000
TOO_MANY = Why("f" * 16, "One of very many causes")
#: What a cause says whose letters would have to be looked at before anybody knows what of it is masked.
WITHHELD = "Not shown since a mask was added; a look at its letters tells what of it may be"


def version_of(masking: Masking) -> int:
    """Another number when letters may be read to have died of something else."""
    return zlib.crc32(repr((VERSION, masking.version)).encode()) & 0x7FFFFFFF


def written(causes: Mapping[str, Why], revision: int, now: float) -> dict[str, int]:
    """The ids of causes, by fingerprint; new ones are written."""
    found = _ids(causes)
    room = MOST_CAUSES - Cause.objects.count() if len(found) < len(causes) else 0
    absent = [why for print, why in causes.items() if print not in found]
    new = absent[: max(0, room)]
    making = [*new, TOO_MANY] if len(new) < len(absent) else new
    rows = [Cause(fingerprint=why.fingerprint, first_seen=now, revision=revision, **_columns(why)) for why in making]
    Cause.objects.bulk_create(rows, batch_size=_BATCH // 4, ignore_conflicts=True)
    found |= _ids({why.fingerprint: why for why in making})
    return {print: found.get(print, found.get(TOO_MANY.fingerprint, 0)) for print in causes}


def _columns(why: Why) -> dict[str, str]:
    return {
        "title": column_text(why.title, 200),
        "error_class": column_text(why.error_class, 300),
        "message": column_text(why.message, 2000),
        "frame": column_text(why.frame, 700),
        "reason": column_text(why.reason, 300),
        "source": column_text(why.source, 100),
        "queue": column_text(why.queue, 300),
    }


def _ids(causes: Mapping[str, Why]) -> dict[str, int]:
    prints, found = list(causes), {}
    for at in range(0, len(prints), _BATCH):
        rows = Cause.objects.filter(fingerprint__in=prints[at : at + _BATCH])
        found.update(dict(rows.values_list("fingerprint", "id")))
    return found


def given_anew(again: Mapping[str, Read], known: Mapping[str, Letter], version: int, revision: int, now: float) -> None:
    """Letters that were read again have the causes that they are read to have now. In a transaction."""
    whys = {one.cause.fingerprint: one.cause for one in again.values()}
    ids = written(whys, revision, now)
    _retitle(whys, revision)
    moves: dict[tuple[int, str], list[int]] = {}
    heirs: dict[int, set[int]] = {}
    for key, one in again.items():
        row, cause = known[key], ids[one.cause.fingerprint]
        moves.setdefault((cause, column_text(one.type, 200)), []).append(row.pk)
        if cause != row.cause_id:
            heirs.setdefault(row.cause_id, set()).add(cause)
    for (cause, type), letters in moves.items():
        for at in range(0, len(letters), _BATCH):
            rows = Letter.objects.filter(pk__in=letters[at : at + _BATCH])
            rows.update(cause_id=cause, type=type, read_as=version, revision=revision)
    for old, new in heirs.items():
        _inherit(old, sorted(new), revision)


def mask_texts(masking: Masking, now: float) -> dict[str, str]:
    """Let causes say what their letters are read to say under these masks, and little where no letter is kept that
    could be read. Their letters get the cause that is theirs now with the next look. Returns {old title: new title}."""
    changed: dict[str, str] = {}
    samples = _samples(version_of(masking), now)
    letters = bodies.find([letter for pair in samples.values() for letter in pair], now)
    with transaction.atomic():
        revision = next_revision()
        for row in Cause.objects.exclude(fingerprint=TOO_MANY.fingerprint):
            if row.pk not in samples:
                continue
            kept = [letters[letter] for letter in samples[row.pk] if letter in letters]
            whys = [read(letter, masking, row.queue).cause for letter in kept]
            masked = next((_columns(why) for why in whys if _differs(row, why)), None)
            if not whys and (row.error_class or row.message or row.frame):
                masked = {"title": WITHHELD, "error_class": "", "message": "", "frame": ""}
            if masked:
                Cause.objects.filter(pk=row.pk).update(revision=revision, **masked)
                changed[row.title] = masked["title"]
    return {old: new for old, new in changed.items() if old != new}


def _samples(version: int, now: float) -> dict[int, tuple[int, ...]]:
    """By cause, its oldest and its newest letter whose contents are kept; none where nothing is. Without causes all of
    whose letters were read under these masks before."""
    other = Letter.objects.filter(cause=OuterRef("pk")).exclude(read_as=version)
    some = Letter.objects.filter(cause=OuterRef("pk"))
    asked = Cause.objects.filter(Exists(other) | ~Exists(some)).values_list("id", flat=True)
    found: dict[int, tuple[int, ...]] = dict.fromkeys(asked, ())
    kept = Exists(LetterBody.objects.filter(letter=OuterRef("pk"), expires_at__gt=now))
    rows = Letter.objects.filter(kept).exclude(read_as=version).values_list("cause_id")
    for cause, oldest, newest in rows.annotate(Min("id"), Max("id")):
        found[cause] = (oldest, newest)
    return found


def _retitle(whys: Mapping[str, Why], revision: int) -> None:
    """Causes that keep their fingerprint say what they are read to be now."""
    for row in Cause.objects.filter(fingerprint__in=list(whys)):
        why = whys[row.fingerprint]
        if _differs(row, why):
            Cause.objects.filter(pk=row.pk).update(revision=revision, **_columns(why))


def _differs(row: Cause, why: Why) -> bool:
    """Whether a cause says something else than it is read to be. An id that may look like a number or not, from letter
    to letter, is no change."""
    said = (coarse(row.title), coarse(row.message), row.source)
    return said != (coarse(column_text(why.title, 200)), coarse(column_text(why.message, 2000)), why.source)


def _inherit(old: int, heirs: Sequence[int], revision: int) -> None:
    """A note and a snooze go along. A cause that has no letters there any more leaves those that are gone, too."""
    said = Cause.objects.get(pk=old)
    if said.note:
        rows = Cause.objects.filter(pk__in=heirs, note="")
        rows.update(note=said.note, noted_by=said.noted_by, revision=revision)
    if said.snoozed_until is not None:
        rows = Cause.objects.filter(pk__in=heirs, snoozed_until=None)
        rows.update(snoozed_until=said.snoozed_until, snoozed_by=said.snoozed_by, revision=revision)
    if not Letter.objects.filter(cause=old, gone_at=None).exists():
        Letter.objects.filter(cause=old).update(cause_id=heirs[0], revision=revision)
        Cause.objects.filter(pk=old).update(note="", noted_by="", snoozed_until=None, revision=revision)


def column_text(text: str, most: int) -> str:
    """A text as every database takes it."""
    return text.replace("\x00", "␀").encode("utf-8", "replace").decode()[:most]
