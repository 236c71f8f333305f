"""What people do to causes and masks in Weir's own books: note, snooze, mask. Each deed is audited."""

from __future__ import annotations

import time

from django.db import IntegrityError, transaction

from .. import audit
from ..access import Principal
from ..live.bus import the_bus
from ..models import Cause, MaskRule, Place, Queue
from ..refused import DeedRefused
from . import causes, looks, masking, news
from .columns import next_revision

LONGEST_NOTE = 2000
#: Seconds that a cause may be snoozed for.
LONGEST_SNOOZE = 366 * 86400.0


def note_cause(principal: Principal, cause: Cause, note: str) -> Cause:
    """A note for everybody on a cause; "" takes it away. Raises Refused, DeedRefused."""
    principal.must("note_causes")
    note = note.strip().replace("\x00", "")
    if len(note) > LONGEST_NOTE:
        raise DeedRefused("note", f"A note has at most {LONGEST_NOTE:,} characters; this one has {len(note):,}.")
    if note != cause.note:
        _save(cause, note=note, noted_by=principal.who[:150] if note else "")
        audit.record(principal.who, "note cause", cause.title, cause=cause.fingerprint, note=note[:300])
    return cause


def snooze_cause(principal: Principal, cause: Cause, until: float | None) -> Cause:
    """Leave a cause aside until a time; None wakes it. Raises Refused, DeedRefused."""
    principal.must("note_causes")
    if until is not None and not time.time() < until <= time.time() + LONGEST_SNOOZE:
        raise DeedRefused("snoozed_until", "A cause can be snoozed until a time within the next year.")
    if until != cause.snoozed_until:
        _save(cause, snoozed_until=until, snoozed_by=principal.who[:150] if until else "")
        action = "wake cause" if until is None else "snooze cause"
        audit.record(principal.who, action, cause.title, cause=cause.fingerprint, until=until)
    return cause


def _save(cause: Cause, **columns: object) -> None:
    with transaction.atomic():
        revision = next_revision()
        Cause.objects.filter(pk=cause.pk).update(revision=revision, **columns)
    cause.refresh_from_db()
    the_bus().note("letters_changed")


def look_by_itself(principal: Principal, queue: Queue, on: bool) -> Place:
    """Whether Weir may look into a queue by itself although that has a price. Raises Refused, DeedRefused."""
    principal.must("look")
    place = looks.place_of(queue)
    if on and queue.broker.look_only:
        raise DeedRefused(
            "by_itself", f"{queue.broker.name} is look-only: nothing on it may be changed.", conflict=True
        )
    if place.by_itself != on:
        place.by_itself, place.by_itself_by = on, principal.who[:150] if on else ""
        place.save(update_fields=["by_itself", "by_itself_by"])
        audit.record(principal.who, "look by itself", queue.name, broker=queue.broker.name, on=on)
    return place


def add_mask(principal: Principal, kind: str, pattern: str) -> MaskRule:
    """A rule for what nobody is shown from now on, nor told by causes. Raises Refused, DeedRefused."""
    principal.must("change_masking")
    if kind not in ("path", "header"):
        raise DeedRefused("kind", "A rule masks a path or a header.")
    pattern = masking.checked_pattern(kind, pattern)
    if MaskRule.objects.count() >= masking.MOST:
        raise DeedRefused("", f"There are {masking.MOST} rules already.", conflict=True)
    try:
        with transaction.atomic():
            rule = MaskRule.objects.create(kind=kind, pattern=pattern, created_by=principal.who[:150])
    except IntegrityError:
        raise DeedRefused("pattern", f"There is a rule {pattern} already.", conflict=True) from None
    audit.record(principal.who, "add mask", f"{kind} {pattern}")
    news.masked(causes.mask_texts(masking.Masking.load(), time.time()))
    the_bus().note("letters_changed")
    return rule


def delete_mask(principal: Principal, rule: MaskRule) -> None:
    """Show again what the rule masks. Raises Refused."""
    principal.must("change_masking")
    rule.delete()
    audit.record(principal.who, "delete mask", f"{rule.kind} {rule.pattern}")
    the_bus().note("letters_changed")
