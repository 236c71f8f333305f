"""What no tick can say: that nothing is heard. Judged by the clock, by whichever process is alive, one at a time.

Silent and failing brokers, Weir's own collector, worker and notifiers; and what time does to incidents: silences that
end, escalation, events that did not happen again. Collectors and workers both look, so that either notices the other.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime, timedelta

import numpy as np
import orjson
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from ..models import Broker, Fact, Incident, Notifier, Rule
from ..ticks import Ints
from . import happenings, incidents, outbox, silences
from .conditions import BadCondition, Condition, words
from .incidents import Closing, Opening
from .phases import Bools, Look, Phases
from .scopes import ScopeTable

log = logging.getLogger("weir.alerts")

EVERY = 5.0
WORKER_AT, CLOCK_AT, PHASES = "worked_at", "clock_at", "clock_phases"
#: A process that said nothing for so long is not at work.
ABSENT = 60.0
_LONGEST_EVENT = timedelta(days=1)


def worker_is_here(now: float) -> None:
    """A worker says that it is at work."""
    Fact.objects.update_or_create(name=WORKER_AT, defaults={"value": str(now)})


def worker_is_silent(now: float) -> bool:
    """Whether no worker has said anything for long; one that never did is not missed before a minute is over."""
    said = Fact.objects.filter(name=WORKER_AT).values_list("value", flat=True).first()
    if said is None:
        worker_is_here(now)
        return False
    return now - float(said) > ABSENT


def turn(now: datetime | None = None) -> bool:
    """One look, if it is due and nobody else's turn; whether it was taken."""
    now = now or timezone.now()
    at = now.timestamp()
    fact, _ = Fact.objects.get_or_create(name=CLOCK_AT, defaults={"value": "0"})
    if abs(at - float(fact.value)) < EVERY * 0.9:
        return False
    span = min(max(at - float(fact.value), EVERY), ABSENT)
    with transaction.atomic():
        if not Fact.objects.filter(name=CLOCK_AT, value=fact.value).update(value=str(at)):
            return False
        _judge(at, span)
    happenings.look()
    _end_silences(now)
    _escalate(now)
    _end_events(now)
    return True


# --- silence --------------------------------------------------------------------------------------------------------


def _judge(at: float, span: float) -> None:
    fact, _ = Fact.objects.get_or_create(name=PHASES, defaults={"value": "{}"})
    kept = orjson.loads(fact.value)
    after, brokers = {}, {broker.pk: broker for broker in Broker.objects.all()}
    notifiers = {one.pk: one for one in Notifier.objects.all()}
    for rule in Rule.objects.filter(enabled=True):
        try:
            condition = Condition.read(rule.condition)
        except BadCondition:
            continue
        if condition.kind not in ("broker", "weir"):
            continue
        names, over, unknown = _asked(condition, brokers, notifiers, at)
        rows = kept.get(str(rule.pk), [])
        phases = Phases(condition.for_seconds, condition.clear_seconds)
        phases.restore([(q, p, s) for q, p, s in rows])
        phases.over_queues(_ids(names))
        opened, closed = phases.step(at, span, Look(over, ~(over | unknown), unknown))
        listed = list(names)
        _write(rule, condition, [listed[i] for i in opened], [listed[i] for i in closed], names, brokers, at)
        if not phases.quiet:
            after[str(rule.pk)] = phases.kept()
    text = orjson.dumps(after).decode()
    if text != fact.value:
        Fact.objects.filter(name=PHASES).update(value=text)


def _asked(
    condition: Condition, brokers: Mapping[int, Broker], notifiers: Mapping[int, Notifier], at: float
) -> tuple[dict[int, str], Bools, Bools]:
    """What a rule of the clock is about: names by id, ascending; of which it is so, of which it cannot be said."""
    if condition.kind == "broker":
        names = {id: brokers[id].name for id in sorted(brokers)}
        states = [brokers[id].state(at) for id in names]
        over = np.array([state == condition.value for state in states], bool)
        return names, over, np.array([state == "new" for state in states], bool)
    if condition.value == "collector":
        names = {id: brokers[id].name for id in sorted(brokers)}
        over = np.array([_unpolled(brokers[id], at) for id in names], bool)
    elif condition.value == "worker":
        names, over = {0: "Weir"}, np.array([worker_is_silent(at)], bool)
    else:
        names = {id: notifiers[id].name for id in sorted(notifiers)}
        over = np.array([notifiers[id].failing_since is not None for id in names], bool)
    return names, over, np.zeros(len(over), bool)


def _unpolled(broker: Broker, at: float) -> bool:
    """Whether no collector holds a broker that is to be polled."""
    if broker.paused or at - broker.created_at.timestamp() < ABSENT:
        return False
    return broker.owned_until is None or at - broker.owned_until.timestamp() > ABSENT


def _write(
    rule: Rule, condition: Condition, opened: list[int], closed: list[int], names: Mapping[int, str],
    brokers: Mapping[int, Broker], at: float,
) -> None:  # fmt: skip
    prefix = "b" if condition.kind == "broker" or condition.value == "collector" else str(condition.value)[0]
    listed = silences.all_in_force(timezone.now()) if opened else []
    openings = []
    for id in opened:
        about = brokers.get(id) if prefix == "b" else None
        name = about.name if about is not None else names[id]
        table = ScopeTable(about.name if about else "", _ids({0: ""}), [None])
        opening = Opening(
            rule, f"{prefix}{id}", at, _reason(condition, id, names, about),
            broker=about.pk if about else None, broker_name=name,
        )  # fmt: skip
        opening.silence = silences.silence_of(listed, rule, table, None)
        openings.append(opening)
    incidents.open_many(openings)
    incidents.close_many([Closing(rule, f"{prefix}{id}", at, "It is over.") for id in closed])


def _reason(condition: Condition, id: int, names: Mapping[int, str], broker: Broker | None) -> str:
    if condition.kind == "broker" and broker is not None:
        said = f" {broker.last_error}" if broker.last_error else ""
        what = "does not answer" if condition.value == "silent" else "answers with errors"
        return f"{broker.name} {what}. Rules about its queues wait.{said}"[:1000]
    if condition.value == "collector" and broker is not None:
        return f"No collector polls {broker.name}: nothing is known of its queues."
    if condition.value == "notifier":
        error = Notifier.objects.filter(pk=id).values_list("last_error", flat=True).first() or ""
        return f"{names[id]} could not be told: {error}"[:1000]
    text = words(condition)
    return f"{text[:1].upper()}{text[1:]}."


def _ids(names: Mapping[int, str]) -> Ints:
    return np.array(list(names), np.int64)


# --- what time does to incidents ------------------------------------------------------------------------------------


def _end_silences(now: datetime) -> None:
    """Incidents whose silence is over are told, if they are still open."""
    muted = Incident.objects.filter(closed_at=None).exclude(silence=None).select_related("silence", "rule")
    awake = [one for one in muted if one.silence is None or silences.in_force(one.silence, now) is None]
    if not awake:
        return
    with transaction.atomic():
        Incident.objects.filter(pk__in=[one.pk for one in awake]).update(silence=None)
        for one in awake:
            one.silence = None
        outbox.note(awake, incidents.WEIR, "silence ended")
        outbox.opened(awake, "still")


def _escalate(now: datetime) -> None:
    """Tell the next when nobody has acknowledged; not of queues whose broker is silent: its own incident is told."""
    rules = {rule.pk: rule for rule in Rule.objects.exclude(escalation=[])}
    if not rules:
        return
    waiting = Incident.objects.filter(closed_at=None, acknowledged_at=None, silence=None, rule_id__in=rules)
    silent = {broker.pk for broker in Broker.objects.all() if broker.state(now.timestamp()) == "silent"}
    for one in waiting.select_related("rule"):
        steps = rules[one.rule_id].escalation
        if one.escalated >= len(steps) or (one.queue_id is not None and one.broker_id in silent):
            continue
        step = steps[one.escalated]
        if now - one.opened_at < timedelta(seconds=step["after_seconds"]):
            continue
        with transaction.atomic():
            mine = Incident.objects.filter(pk=one.pk, escalated=one.escalated, acknowledged_at=None, closed_at=None)
            if mine.update(escalated=one.escalated + 1):
                outbox.note([one], incidents.WEIR, "escalated")
                outbox.opened([one], "escalated", list(step["notifiers"]))


def _end_events(now: datetime) -> None:
    """What happened once is over when it did not happen again for its time."""
    for rule in Rule.objects.filter(enabled=True):
        if rule.condition.get("kind") != "event":
            continue
        lasts = min(timedelta(seconds=rule.condition.get("clear_seconds", 3600)), _LONGEST_EVENT)
        over = Incident.objects.filter(Q(seen_at__lt=now - lasts), rule=rule, closed_at=None)
        keys = [one.open_key.partition(":")[2] for one in over if one.open_key]
        incidents.close_many([Closing(rule, key, now.timestamp(), "It did not happen again.") for key in keys])


def forget(rule: int) -> None:
    """A rule starts anew."""
    fact = Fact.objects.filter(name=PHASES).first()
    if fact is not None:
        kept = orjson.loads(fact.value)
        kept.pop(str(rule), None)
        Fact.objects.filter(name=PHASES).update(value=orjson.dumps(kept).decode())
