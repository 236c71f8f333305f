"""Silences: which are in force, and which of them an incident falls under."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db.models import Q

from ..models import Rule, Silence
from .scopes import ScopeTable

PERIODS = {"daily": timedelta(days=1), "weekly": timedelta(days=7)}


def in_force(silence: Silence, now: datetime) -> datetime | None:
    """Until when a silence is in force, None when it is not."""
    if now < silence.starts_at or (silence.until is not None and now >= silence.until):
        return None
    period = PERIODS.get(silence.repeat)
    starts, ends = silence.starts_at, silence.ends_at
    if period is not None:
        passed = (now - starts) // period
        starts, ends = starts + passed * period, ends + passed * period
    if not starts <= now < ends:
        return None
    return ends if silence.until is None else min(ends, silence.until)


def all_in_force(now: datetime) -> list[Silence]:
    """Every silence that is in force, those that last longest first."""
    once = Q(repeat="", ends_at__gt=now)
    again = ~Q(repeat="") & (Q(until=None) | Q(until__gt=now))
    found = [(until, one) for one in Silence.objects.filter(once | again, starts_at__lte=now)
             if (until := in_force(one, now)) is not None]  # fmt: skip
    return [one for _, one in sorted(found, key=lambda pair: pair[0], reverse=True)]


def silence_of(silences: Iterable[Silence], rule: Rule | None, table: ScopeTable, row: int | None) -> Silence | None:
    """The first of some silences that an incident of a rule and a row of a table falls under.

    `row` None: it is about no queue; then only filters without a word about queues mute it (broker:NAME, or none).
    """
    for silence in silences:
        if silence.rule_id is not None and (rule is None or silence.rule_id != rule.pk):
            continue
        if not silence.filter or (row is not None and bool(table.mask(silence.filter)[row])):
            return silence
        if row is None and len(table) and table.is_about_brokers(silence.filter) and table.mask(silence.filter)[0]:
            return silence
    return None
