"""Into the index: what a look saw becomes rows, and what a complete look no longer saw is gone.

Only letters that are new are decoded, and those that were read in another way than now (`causes`); of the others
nothing is written unless something about them changed.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from django.db import transaction
from django.db.models import F

from collectors.letters import Letter as Seen

from ..live.bus import the_bus
from ..models import Letter, LetterBody, Queue
from ..ticks import Ints
from . import bodies, causes, news
from .causes import column_text
from .columns import next_revision
from .masking import Masking
from .reading import Read, read

_BATCH = 400
#: Looks that had everything as far as the broker could tell, and not a letter: then it is gone.
MISSES = 3
#: Seconds after which it is written anew when a letter was last seen.
SEEN_EVERY = 600.0


def take(queue: Queue, seen: Sequence[Seen], now: float | None = None, keep: bool = True) -> Ints:
    """Write what a look saw; the ids of the rows, in the order of `seen`. `keep`: also what is in the letters."""
    now = time.time() if now is None else now
    first: dict[str, Seen] = {}
    for letter in seen:
        first.setdefault(_key(letter), letter)
    counts = Counter(map(_key, seen))
    known = _known(queue, list(first))
    masking = Masking.load()
    version = causes.version_of(masking)
    old = [key for key, row in known.items() if row.read_as != version]
    new = {key: read(letter, masking, queue.name) for key, letter in first.items() if key not in known}
    again = {key: read(first[key], masking, queue.name) for key in old}
    unheard = news.unheard({one.cause.fingerprint: one.cause for one in new.values()})
    unheard -= {one.cause.fingerprint for one in again.values()}
    with transaction.atomic():
        changed = bool(new or again) or any(_changed(known[k], first[k], counts[k], now) for k in known)
        if revision := next_revision() if changed else 0:
            _update(known, first, counts, revision, now)
            causes.given_anew(again, known, version, revision, now)
            known |= _create(queue, new, counts, version, revision, now)
    if keep:
        _keep_bodies(
            queue, {known[key].pk: letter for key, letter in first.items()}, {known[key].pk for key in new}, now
        )
    if unheard:
        news.tell(queue, _new_causes(new, counts, unheard))
    return np.array([known[_key(letter)].pk for letter in seen], np.int64)


def _new_causes(new: Mapping[str, Read], counts: Mapping[str, int], unheard: set[str]) -> list[news.NewCause]:
    found: Counter[str] = Counter()
    titles: dict[str, str] = {}
    for key, one in new.items():
        if one.cause.fingerprint in unheard:
            found[one.cause.fingerprint] += counts[key]
            titles[one.cause.fingerprint] = one.cause.title
    return [news.NewCause(print, titles[print], count) for print, count in found.items()]


def finish(queue: Queue, ids: Ints, exact: bool, began: float, now: float | None = None) -> int:
    """A pass over the whole queue since `began` saw exactly these rows, with repetitions: the others are gone;
    how many. Save those that somebody else saw meanwhile.

    `exact` False: the broker cannot tell how many there were, so a letter must be missed several times.
    """
    now = time.time() if now is None else now
    there = Letter.objects.filter(queue=queue, gone_at=None).values_list("id", "count", "missed", "last_seen")
    told = np.array(list(there), np.float64).reshape(-1, 4)
    rows = told[:, :3].astype(np.int64)
    seen, counts = np.unique(ids, return_counts=True)
    absent = rows[~np.isin(rows[:, 0], seen) & (told[:, 3] < began)]
    lost = absent[:, 0] if exact else absent[absent[:, 2] + 1 >= MISSES, 0]
    missed = np.setdiff1d(absent[:, 0], lost)
    back = rows[np.isin(rows[:, 0], seen) & (rows[:, 2] > 0), 0]
    recount = _recounted(rows, seen, counts) if exact else {}
    if not (len(lost) or len(missed) or len(back) or recount):
        return 0
    with transaction.atomic():
        revision = next_revision()
        _write(lost, gone_at=now, missed=0, revision=revision)
        for id in _batches(missed):
            Letter.objects.filter(id__in=id).update(missed=F("missed") + 1, revision=revision)
        _write(back, missed=0, revision=revision)
        for count, which in _by_count(recount).items():
            _write(np.array(which, np.int64), count=count, revision=revision)
    return len(lost)


def removed(queue: int, keys: Mapping[str, int], now: float | None = None) -> None:
    """Weir itself took so many letters of each key out of a queue (a replay, a deletion)."""
    now = time.time() if now is None else now
    keys = {column_text(key, 200): count for key, count in keys.items()}
    listed = list(keys)
    for at in range(0, len(listed), _BATCH):
        with transaction.atomic():
            revision = next_revision()
            rows = list(Letter.objects.filter(queue=queue, key__in=listed[at : at + _BATCH], gone_at=None))
            for row in rows:
                row.revision = revision
                left = row.count - keys[row.key]
                row.count, row.gone_at = (left, None) if left > 0 else (row.count, now)
            Letter.objects.bulk_update(rows, ["count", "gone_at", "revision"], batch_size=_BATCH // 4)
    the_bus().note("letters_changed")


def _key(letter: Seen) -> str:
    return column_text(letter.id, 200)


def _known(queue: Queue, keys: Sequence[str]) -> dict[str, Letter]:
    found: dict[str, Letter] = {}
    for at in range(0, len(keys), _BATCH):
        found.update({row.key: row for row in Letter.objects.filter(queue=queue, key__in=keys[at : at + _BATCH])})
    return found


def _changed(row: Letter, letter: Seen, count: int, now: float) -> bool:
    told = (row.gone_at, row.replayed, row.expires_at)
    return (
        count > row.count
        or now - row.last_seen > SEEN_EVERY
        or told != (None, letter.replayed, letter.expires_at)
        or letter.attempts not in (None, row.attempts)
    )


def _update(
    known: Mapping[str, Letter], letters: Mapping[str, Seen], counts: Mapping[str, int], revision: int, now: float
) -> None:
    rows = []
    for key, row in known.items():
        letter = letters[key]
        if _changed(row, letter, counts[key], now):
            row.count = counts[key] if row.gone_at is not None else max(row.count, counts[key])
            row.gone_at, row.missed, row.last_seen, row.revision = None, 0, now, revision
            row.replayed, row.replay_id = letter.replayed, column_text(letter.replay_id, 100)
            row.expires_at = letter.expires_at
            row.attempts = row.attempts if letter.attempts is None else letter.attempts
            rows.append(row)
    fields = ["count", "gone_at", "missed", "last_seen", "revision", "replayed", "replay_id", "expires_at", "attempts"]
    Letter.objects.bulk_update(rows, fields, batch_size=_BATCH // 4)


def _create(
    queue: Queue, new: Mapping[str, Read], counts: Mapping[str, int], version: int, revision: int, now: float
) -> dict[str, Letter]:
    ids = causes.written({one.cause.fingerprint: one.cause for one in new.values()}, revision, now)
    rows = []
    for key, one in new.items():
        letter = one.letter
        rows.append(
            Letter(
                queue=queue,
                key=key,
                count=counts[key],
                cause_id=ids[one.cause.fingerprint],
                read_as=version,
                type=column_text(one.type, 200),
                size=letter.size,
                enqueued_at=letter.enqueued_at,
                died_at=one.died_at,
                attempts=one.attempts,
                replayed=letter.replayed,
                replay_id=column_text(letter.replay_id, 100),
                origin=column_text(letter.origin, 600),
                place=column_text(letter.place, 200),
                expires_at=letter.expires_at,
                first_seen=now,
                last_seen=now,
                revision=revision,
            )
        )
    Letter.objects.bulk_create(rows, batch_size=_BATCH // 8, ignore_conflicts=True)
    return _known(queue, list(new))


def _keep_bodies(queue: Queue, letters: Mapping[int, Seen], new: set[int], now: float) -> None:
    """Of new letters always, of others where there is room again."""
    old = [id for id in letters if id not in new]
    again: set[int] = set()
    if old and bodies.has_room():
        kept: set[int] = set()
        for at in range(0, len(old), _BATCH):
            rows = LetterBody.objects.filter(letter__in=old[at : at + _BATCH], expires_at__gt=now)
            kept |= set(rows.values_list("letter", flat=True))
        again = set(old) - kept
    bodies.keep(queue.pk, {id: letter for id, letter in letters.items() if id in new or id in again}, now)


def _recounted(rows: Ints, seen: Ints, counts: Ints) -> dict[int, int]:
    """Rows whose count is another than the pass found."""
    found = dict(zip(seen.tolist(), counts.tolist(), strict=True))
    return {id: found[id] for id, count, _ in rows.tolist() if id in found and found[id] != count}


def _by_count(recount: Mapping[int, int]) -> dict[int, list[int]]:
    out: dict[int, list[int]] = {}
    for id, count in recount.items():
        out.setdefault(count, []).append(id)
    return out


def _write(ids: Ints, **columns: float | int | None) -> None:
    for batch in _batches(ids):
        Letter.objects.filter(id__in=batch).update(**columns)


def _batches(ids: Ints) -> list[list[int]]:
    return [ids[at : at + _BATCH].tolist() for at in range(0, len(ids), _BATCH)]
