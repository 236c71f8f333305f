"""Notifiers, rules and silences of a file: brought in line through the same deeds as pages and API."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..alerts import deeds
from ..alerts.incidents import sentence
from ..models import Notifier, Rule, Silence
from ..refused import DeedRefused
from .reading import DeclaredNotifier, DeclaredRule, DeclaredSilence

APPLY = "apply"
#: (sign, words) of each difference, as `changes.Change` has them.
Said = tuple[str, str]


def notifiers(wanted: Sequence[DeclaredNotifier], mistakes: list[str]) -> list[Said]:
    """These are the notifiers that the file manages; others of the page stay."""
    said: list[Said] = []
    for one in wanted:
        row = Notifier.objects.filter(name=one.name).first()
        fields = {"name": one.name, "url": one.url, "allow_private": one.allow_private, "per_minute": one.per_minute}
        try:
            if row is None:
                made = deeds.save_notifier(None, None, fields, APPLY)
                said.append(("+", f"notifier {one.name}: {made.safe_url}"))
                continue
            differences = _notifier_differences(row, one)
            if differences:
                deeds.save_notifier(None, row, fields, APPLY)
                Notifier.objects.filter(pk=row.pk).update(managed_by=APPLY)
                said.append(("~", f"notifier {one.name}: {'; '.join(differences)}"))
        except DeedRefused as refused:
            mistakes.append(f"line {one.line}: {refused}")
    names = [one.name for one in wanted]
    for row in Notifier.objects.filter(managed_by=APPLY).exclude(name__in=names):
        said.append(("-", f"notifier {row.name}"))
        deeds.delete_notifier(None, row)
    return said


def _notifier_differences(row: Notifier, one: DeclaredNotifier) -> list[str]:
    """What is another; the URL is compared and never shown."""
    found = ["another URL"] if deeds.url_of(row) != one.url else []
    if row.allow_private != one.allow_private:
        found.append(f"private addresses {'allowed' if one.allow_private else 'refused'}")
    if row.per_minute != one.per_minute:
        found.append(f"per minute {row.per_minute} → {one.per_minute}")
    return found + ([f"managed {row.managed_by} → {APPLY}"] if row.managed_by != APPLY else [])


def rules(wanted: Sequence[DeclaredRule], mistakes: list[str]) -> list[Said]:
    """These are the rules that the file manages. Rules that are there from the start may be among them, by name."""
    said: list[Said] = []
    for one in wanted:
        row = Rule.objects.filter(name=one.name).first()
        try:
            fields = _rule_fields(one)
            differences = [] if row is None else _rule_differences(row, fields)
            if row is None or differences:
                made = deeds.save_rule(None, row, fields, APPLY)
                Rule.objects.filter(pk=made.pk).update(managed_by=APPLY)
        except DeedRefused as refused:
            mistakes.append(f"line {one.line}: {refused}")
            continue
        if row is None:
            said.append(("+", f"rule {one.name}: {_sentence(made)}"))
        elif differences:
            said.append(("~", f"rule {one.name}: {'; '.join(differences)}"))
    for row in Rule.objects.filter(managed_by=APPLY).exclude(name__in=[one.name for one in wanted]):
        said.append(("-", f"rule {row.name}"))
        deeds.delete_rule(None, row)
    return said


def _rule_fields(one: DeclaredRule) -> dict[str, Any]:
    steps = [{"after_seconds": step["after_seconds"], "notifiers": _ids(step["notifiers"])} for step in one.escalation]
    return {
        "name": one.name,
        "filter": one.filter,
        "condition": deeds.checked_condition(one.condition),
        "severity": one.severity,
        "per": one.per,
        "enabled": one.enabled,
        "quiet": dict(one.quiet),
        "escalation": steps,
        "notifiers": _ids(one.notifiers),
    }


def _ids(names: Sequence[str]) -> list[int]:
    known = dict(Notifier.objects.filter(name__in=list(names)).values_list("name", "pk"))
    for name in names:
        if name not in known:
            raise DeedRefused("notifiers", f"there is no notifier named {name}.")
    return [known[name] for name in names]


def _rule_differences(row: Rule, fields: dict[str, Any]) -> list[str]:
    before = {name: getattr(row, name) for name in fields if name != "notifiers"}
    before["notifiers"] = list(row.notifiers.values_list("pk", flat=True))
    found = [name for name in fields if name != "quiet" and before[name] != fields[name]]
    if before["quiet"] != ({"timezone": "UTC", **fields["quiet"]} if fields["quiet"] else {}):
        found.append("quiet hours")
    words = [f"{name} {before[name]} → {fields[name]}" if name in ("filter", "severity", "per", "enabled") else
             f"another {name}" for name in found]  # fmt: skip
    return words + ([f"managed {row.managed_by} → {APPLY}"] if row.managed_by != APPLY else [])


def _sentence(rule: Rule) -> str:
    return f"{sentence(rule)}, of {rule.filter or 'every queue'}"


def silences(wanted: Sequence[DeclaredSilence], mistakes: list[str]) -> list[Said]:
    """These are the silences that the file manages; each is known by its filter, rule and reason."""
    said: list[Said] = []
    there = {(row.filter, row.rule.name if row.rule else "", row.reason): row
             for row in Silence.objects.filter(managed_by=APPLY).select_related("rule")}  # fmt: skip
    for one in wanted:
        row = there.pop((one.filter, one.rule, one.reason), None)
        times = (one.starts_at, one.ends_at, one.repeat, one.until)
        if row is not None and times == (row.starts_at, row.ends_at, row.repeat, row.until):
            continue
        try:
            _silence(one)
        except DeedRefused as refused:
            mistakes.append(f"line {one.line}: {refused}")
            continue
        if row is not None:
            deeds.end_silence(None, row)
        said.append(("~" if row else "+", f"silence of {one.filter or 'everything'}: {one.reason}"))
    for row in there.values():
        said.append(("-", f"silence of {row.filter or 'everything'}: {row.reason}"))
        deeds.end_silence(None, row)
    return said


def _silence(one: DeclaredSilence) -> None:
    rule = Rule.objects.filter(name=one.rule).first() if one.rule else None
    if one.rule and rule is None:
        raise DeedRefused("rule", f"there is no rule named {one.rule}.")
    deeds.add_silence(
        None, one.reason, one.ends_at, one.filter, rule, one.starts_at, one.repeat, one.until, managed_by=APPLY
    )
