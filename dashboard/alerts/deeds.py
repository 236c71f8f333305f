"""Rules, silences, notifiers and incidents as somebody's deed: checked, audited, and told to every process.

Pages, API and `manage.py apply` come through here, so that none forgets any of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.db import transaction
from django.utils import timezone

from .. import audit
from ..access import Principal
from ..filters import FilterError
from ..live import view
from ..live.bus import the_bus
from ..models import Incident, Notifier, Rule, Severity, Silence, Telling
from ..refused import DeedRefused
from ..secrets import SecretError, decrypt, encrypt
from . import clock, incidents, outbox
from .conditions import BadCondition, Condition
from .sender import Sender
from .silences import PERIODS, in_force
from .telling import BadNotifier, Sent, Undelivered, parse, refusal
from .watching import touch_rules

MOST_RULES, MOST_STEPS = 500, 5
LONGEST_SILENCE = timedelta(days=366)


# --- rules ----------------------------------------------------------------------------------------------------------


def save_rule(
    principal: Principal | None, rule: Rule | None, fields: Mapping[str, Any], managed_by: str = "page"
) -> Rule:
    """Make a rule, or change what `fields` name of one. Raises DeedRefused. `principal` None: a file."""
    new = rule is None
    rule = rule or Rule(managed_by=managed_by, created_by=principal.who if principal else "apply")
    if principal is not None:
        _refuse_managed(rule)
    checked = _checked_rule(rule, fields)
    notifiers = checked.pop("notifiers", None)
    before = {name: getattr(rule, name) for name in checked} if not new else {}
    for name, value in checked.items():
        setattr(rule, name, value)
    with transaction.atomic():
        rule.save()
        if notifiers is not None:
            rule.notifiers.set(notifiers)
        if not new and not rule.enabled:
            incidents.close_all(rule, "The rule was switched off.")
        if before.get("condition", rule.condition) != rule.condition:
            clock.forget(rule.pk)
        if before and {"per", "filter", "condition"} & {n for n in before if before[n] != checked[n]}:
            _start_anew(rule, before)
        touch_rules()
    if principal is not None:
        changed = {name: str(before[name])[:200] for name in before if before[name] != checked[name]}
        audit.record(principal.who, "add rule" if new else "change rule", rule.name, before=changed)
    _changed()
    return rule


def _start_anew(rule: Rule, before: Mapping[str, Any]) -> None:
    """What another kind of grouping or question has open is closed: nothing would ever close it."""
    if before.get("per", rule.per) != rule.per or before.get("condition", {}).get("kind") != rule.condition.get("kind"):
        incidents.close_all(rule, "The rule was changed.")


def _checked_rule(rule: Rule, fields: Mapping[str, Any]) -> dict[str, Any]:
    checked: dict[str, Any] = {}
    if "name" in fields or rule.pk is None:
        checked["name"] = _name(fields.get("name", ""), Rule.objects.exclude(pk=rule.pk), "rule", 120)
    if "filter" in fields:
        checked["filter"] = checked_filter(fields["filter"] or "")
    if "condition" in fields or rule.pk is None:
        checked["condition"] = checked_condition(fields.get("condition") or {})
    if "severity" in fields:
        checked["severity"] = _one_of("severity", fields["severity"], Severity.values)
    if "per" in fields:
        checked["per"] = _one_of("per", fields["per"], ("queue", "rule"))
    if "enabled" in fields:
        checked["enabled"] = bool(fields["enabled"])
    if "notifiers" in fields:
        checked["notifiers"] = _notifiers(fields["notifiers"] or (), "notifiers")
    if "escalation" in fields:
        checked["escalation"] = [_step(step) for step in fields["escalation"] or ()]
        if len(checked["escalation"]) > MOST_STEPS:
            raise DeedRefused("escalation", f"A rule escalates in at most {MOST_STEPS} steps.")
    if "quiet" in fields:
        checked["quiet"] = _quiet(fields["quiet"] or {})
    if rule.pk is None and Rule.objects.count() >= MOST_RULES:
        raise DeedRefused("", f"There are {MOST_RULES} rules already; make one with a wider filter.", conflict=True)
    return checked


def checked_filter(text: str) -> str:
    """A filter that can be read. Raises DeedRefused."""
    try:
        view.parsed(text.strip())
    except FilterError as error:
        raise DeedRefused("filter", str(error)) from None
    return text.strip()


def checked_condition(given: Mapping[str, Any]) -> dict[str, Any]:
    """A condition as it is kept. Raises DeedRefused."""
    try:
        return Condition.read(given).as_json()
    except BadCondition as error:
        raise DeedRefused(error.field, str(error)) from None


def _step(step: Any) -> dict[str, Any]:
    if not isinstance(step, Mapping) or set(step) - {"after_seconds", "notifiers"}:
        raise DeedRefused("escalation", 'A step is {"after_seconds": 600, "notifiers": [ids]}.')
    after = step.get("after_seconds")
    if isinstance(after, bool) or not isinstance(after, int | float) or not 30 <= after <= 7 * 86400:
        raise DeedRefused("escalation", "after_seconds of a step is a number from 30 to 604800.")
    return {"after_seconds": after, "notifiers": _notifiers(step.get("notifiers") or (), "escalation")}


def _notifiers(ids: Sequence[int], field: str) -> list[int]:
    known = set(Notifier.objects.filter(pk__in=list(ids)).values_list("pk", flat=True))
    for id in ids:
        if id not in known:
            raise DeedRefused(field, f"There is no notifier {id}.")
    return list(dict.fromkeys(ids))


def _quiet(given: Mapping[str, Any]) -> dict[str, str]:
    if not given:
        return {}
    try:
        begins, ends = time.fromisoformat(given["from"]), time.fromisoformat(given["to"])
        zone = str(given.get("timezone") or "UTC")
        ZoneInfo(zone)
    except (KeyError, TypeError, ValueError, OSError):
        raise DeedRefused(
            "quiet", 'Quiet hours are {"from": "22:00", "to": "07:00", "timezone": "Europe/Berlin"}.'
        ) from None
    if begins == ends:
        raise DeedRefused("quiet", "Quiet hours that begin when they end would never tell anything.")
    return {"from": f"{begins:%H:%M}", "to": f"{ends:%H:%M}", "timezone": zone}


def delete_rule(principal: Principal | None, rule: Rule) -> None:
    """Delete a rule; its incidents are closed and stay. Raises DeedRefused."""
    if principal is not None:
        _refuse_managed(rule)
        if rule.managed_by == "weir":
            raise DeedRefused("", "This rule watches Weir itself: switch it off instead.", conflict=True)
    name = rule.name
    incidents.close_all(rule, "The rule was deleted.")
    clock.forget(rule.pk)
    rule.delete()
    touch_rules()
    if principal is not None:
        audit.record(principal.who, "delete rule", name)
    _changed()


# --- incidents ------------------------------------------------------------------------------------------------------


def acknowledge(principal: Principal, incident: Incident, note: str = "") -> Incident:
    """Somebody is at it: nobody else is told. Raises DeedRefused for what is over."""
    now = timezone.now()
    open_ = Incident.objects.filter(pk=incident.pk, closed_at=None)
    if not open_.exists():
        raise DeedRefused("", "This incident is closed already.", conflict=True)
    if open_.filter(acknowledged_at=None).update(acknowledged_at=now, acknowledged_by=principal.who[:150]):
        outbox.note([incident], principal.who, "acknowledged", note[:500])
        audit.record(principal.who, "acknowledge incident", str(incident), incident=incident.pk)
        _changed()
    incident.refresh_from_db()
    return incident


# --- silences -------------------------------------------------------------------------------------------------------


def add_silence(
    principal: Principal | None, reason: str, ends_at: datetime, filter: str = "", rule: Rule | None = None,
    starts_at: datetime | None = None, repeat: str = "", until: datetime | None = None, managed_by: str = "page",
) -> Silence:  # fmt: skip
    """Mute incidents; such as are open already too. Raises DeedRefused."""
    now = timezone.now()
    starts = starts_at or now
    if not reason.strip() or len(reason) > 300:
        raise DeedRefused("reason", "A silence needs a reason of at most 300 characters, for whoever wonders.")
    if ends_at <= starts or (not repeat and ends_at <= now):
        raise DeedRefused("ends_at", "A silence ends after it began, and not in the past.")
    if ends_at - starts > LONGEST_SILENCE:
        raise DeedRefused("ends_at", "A silence lasts at most a year; to be told no more, switch the rule off.")
    if repeat and (repeat not in PERIODS or ends_at - starts > PERIODS[repeat]):
        raise DeedRefused("repeat", "A silence comes again daily or weekly, and is shorter than that.")
    who = principal.who if principal else "apply"
    silence = Silence.objects.create(
        filter=checked_filter(filter), rule=rule, reason=reason.strip(), created_by=who[:150], starts_at=starts,
        ends_at=ends_at, repeat=repeat, until=until, managed_by=managed_by,
    )  # fmt: skip
    if principal is not None:
        audit.record(principal.who, "add silence", str(silence), ends=ends_at.isoformat(timespec="minutes"))
    _changed()
    return silence


def mute(principal: Principal | None, silence: Silence, open_: Sequence[Incident]) -> int:
    """Silence incidents that are open and fall under it; how many."""
    if in_force(silence, timezone.now()) is None:
        return 0
    ids = [one.pk for one in open_ if one.silence_id is None]
    done = Incident.objects.filter(pk__in=ids, closed_at=None, silence=None).update(silence=silence)
    who = principal.who if principal else "apply"
    outbox.note([one for one in open_ if one.pk in set(ids)], who, "silenced", silence.reason)
    waiting = Telling.objects.filter(state=Telling.State.WAITING, attempts=0, incidents__in=ids).distinct()
    for telling in waiting.exclude(event="closed"):
        telling.incidents.remove(*ids)
    _changed()
    return done


def end_silence(principal: Principal | None, silence: Silence) -> None:
    """End a silence now; what is still open under it is told."""
    name, muted = str(silence), list(Incident.objects.filter(silence=silence, closed_at=None).select_related("rule"))
    with transaction.atomic():
        silence.delete()
        for one in muted:
            one.silence = None
        outbox.note(muted, principal.who if principal else "apply", "silence ended")
        outbox.opened(muted, "still")
    if principal is not None:
        audit.record(principal.who, "end silence", name)
    _changed()


# --- notifiers ------------------------------------------------------------------------------------------------------


def save_notifier(
    principal: Principal | None, notifier: Notifier | None, fields: Mapping[str, Any], managed_by: str = "page"
) -> Notifier:
    """Make a notifier, or change what `fields` name of one. Raises DeedRefused; no sentence holds the URL."""
    new = notifier is None
    notifier = notifier or Notifier(managed_by=managed_by, created_by=principal.who if principal else "apply")
    if principal is not None:
        _refuse_managed(notifier)
    if "name" in fields or new:
        notifier.name = _name(fields.get("name", ""), Notifier.objects.exclude(pk=notifier.pk), "notifier", 100)
    if fields.get("url") or new:
        try:
            target = parse(str(fields.get("url") or ""))
        except BadNotifier as error:
            raise DeedRefused("url", str(error)) from None
        notifier.secret_url, notifier.safe_url = encrypt(target.url), target.safe
        notifier.scheme, notifier.last_error, notifier.failing_since = target.scheme, "", None
    if fields.get("allow_private") is not None:
        notifier.allow_private = bool(fields["allow_private"])
    if principal is not None and (new or fields.get("url") or "allow_private" in fields):
        _check_address(notifier)
    if fields.get("per_minute") is not None:
        if not 1 <= int(fields["per_minute"]) <= 600:
            raise DeedRefused("per_minute", "per_minute is a number from 1 to 600.")
        notifier.per_minute = int(fields["per_minute"])
    notifier.save()
    if principal is not None:
        details = {"url": notifier.safe_url, "allow_private": notifier.allow_private}
        audit.record(principal.who, "add notifier" if new else "change notifier", notifier.name, **details)
    return notifier


def _check_address(notifier: Notifier) -> None:
    """Refuse what could never be told, while somebody sits there who can mend it."""
    try:
        why = refusal(parse(decrypt(notifier.secret_url)), notifier.allow_private)
    except (SecretError, BadNotifier):  # sending will say so
        return
    if why:
        raise DeedRefused("url", why)


def delete_notifier(principal: Principal | None, notifier: Notifier) -> None:
    """Delete it, with what it was still to be told."""
    if principal is not None:
        _refuse_managed(notifier)
    name, id = notifier.name, notifier.pk
    for rule in Rule.objects.exclude(escalation=[]):
        steps = [{**step, "notifiers": [n for n in step["notifiers"] if n != id]} for step in rule.escalation]
        if steps != rule.escalation:
            Rule.objects.filter(pk=rule.pk).update(escalation=[step for step in steps if step["notifiers"]])
    notifier.delete()
    if principal is not None:
        audit.record(principal.who, "delete notifier", name)


def test_notifier(principal: Principal, notifier: Notifier) -> Sent | Undelivered:
    """Send a test message now; what was sent and answered, or why it did not arrive."""
    answer = Sender().attempt(outbox.test(notifier))
    Telling.objects.filter(notifier=notifier, event="test", state=Telling.State.WAITING).update(state="given up")
    audit.record(principal.who, "test notifier", notifier.name, result="works" if isinstance(answer, Sent) else "fails")
    return answer


def url_of(notifier: Notifier) -> str:
    """The whole URL, to compare it with a file's; "" when no key reads it."""
    try:
        return decrypt(notifier.secret_url)
    except SecretError:
        return ""


# --- what they share ------------------------------------------------------------------------------------------------


def _name(text: Any, others: Any, what: str, longest: int) -> str:
    name = str(text or "").strip()
    if not name or len(name) > longest or not name.isprintable():
        raise DeedRefused("name", f"A {what} needs a name of at most {longest} printable characters.")
    if others.filter(name=name).exists():
        raise DeedRefused("name", f"There is a {what} named {name} already.", conflict=True)
    return name


def _one_of(field: str, value: Any, choices: Sequence[str]) -> str:
    if value not in choices:
        raise DeedRefused(field, f"{field} is one of {', '.join(choices)}, not '{value}'.")
    return str(value)


def _refuse_managed(row: Rule | Notifier) -> None:
    if row.managed_by == "apply":
        raise DeedRefused("", f"{row.name} is managed by a file (manage.py apply): change it there.", conflict=True)


def _changed() -> None:
    transaction.on_commit(lambda: the_bus().note("incidents_changed"))
