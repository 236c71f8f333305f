"""Bringing brokers, tags and alerts in line with a file: every difference in a sentence, all of them or none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import F

from collectors import registry
from collectors.errors import CollectorError

from ..brokers import DEFAULT_INTERVAL, MANAGED_ELSEWHERE, BrokerRefused, save_broker
from ..models import Broker, TagRule
from ..secrets import SecretError, decrypt
from . import alerts
from .reading import Declared, DeclaredBroker, DeclaredTags, FileRefused

Managed = Broker.Managed


@dataclass(frozen=True, slots=True)
class Change:
    """One difference. `sign`: + new, ~ another, - taken away; `words` hold no password."""

    sign: str
    words: str

    def __str__(self) -> str:
        return f"{self.sign} {self.words}"


def apply(declared: Declared, dry_run: bool = False) -> list[Change]:
    """Do what a file says; what was different. Raises FileRefused, and then nothing is changed.

    `dry_run` does the same and takes it back, so that it finds every mistake that doing it would.
    """
    changes: list[Change] = []
    mistakes: list[str] = []
    with transaction.atomic():
        if declared.brokers is not None:
            _brokers(declared.brokers, changes, mistakes)
        if declared.tags is not None:
            _tags(declared.tags, changes)
        _alerts(declared, changes, mistakes)
        if mistakes:
            raise FileRefused(mistakes)
        transaction.set_rollback(dry_run)
    return changes


def _alerts(declared: Declared, changes: list[Change], mistakes: list[str]) -> None:
    """Notifiers first: rules name them, and silences name rules."""
    if declared.notifiers is not None:
        changes += [Change(*said) for said in alerts.notifiers(declared.notifiers, mistakes)]
    if declared.rules is not None:
        changes += [Change(*said) for said in alerts.rules(declared.rules, mistakes)]
    if declared.silences is not None:
        changes += [Change(*said) for said in alerts.silences(declared.silences, mistakes)]


def _brokers(wanted: tuple[DeclaredBroker, ...], changes: list[Change], mistakes: list[str]) -> None:
    kept: set[int] = set()
    for one in wanted:
        try:
            row = _broker(one, kept, changes)
            kept.add(row.pk)
        except (BrokerRefused, CollectorError, SecretError) as error:
            mistakes.append(f"line {one.line}: {error}")
    if mistakes:
        return
    for row in Broker.objects.filter(managed_by=Managed.APPLY).exclude(pk__in=kept):
        changes.append(Change("-", f"broker {row.name}: paused; its history stays, and it is managed on the page"))
        Broker.objects.filter(pk=row.pk).update(managed_by=Managed.PAGE, paused=True, revision=F("revision") + 1)


def _broker(one: DeclaredBroker, kept: set[int], changes: list[Change]) -> Broker:
    """The row of a declared broker, as it is to be. Raises BrokerRefused, CollectorError, SecretError."""
    url = registry.parse(one.url)
    name = one.name or url.label
    row = Broker.objects.filter(name=name).first() or _of_url(one.url)
    if row is not None and row.pk in kept:
        raise BrokerRefused("name", f"A broker named {name} stands in this file already.")
    if row is not None and row.managed_by != Managed.APPLY and row.managed_by in MANAGED_ELSEWHERE:
        raise BrokerRefused(
            "", f"{row.name} is managed {MANAGED_ELSEWHERE[row.managed_by]}: name it in one place only."
        )
    fields: dict[str, Any] = {
        "name": name,
        "managed_by": Managed.APPLY,
        "interval": one.interval or url.interval or DEFAULT_INTERVAL,
        "look_only": url.get_bool("look_only") if one.look_only is None else one.look_only,
        "acting_url": one.acting_url,
        "paused": one.paused,
    }
    if row is None:
        row = save_broker(one.url, **fields)
        changes.append(Change("+", f"broker {row.name}: {row.safe_url}, every {row.interval:g} s{_acting(row)}"))
        return row
    if one.paused is None and row.managed_by != Managed.APPLY:
        fields["paused"] = False  # taken over: what an earlier file took away is polled again
    before = _state(row)
    with transaction.atomic():
        saved = save_broker(one.url, broker=row, **fields)
        differences = _differences(before, _state(saved))
        transaction.set_rollback(not differences)  # nothing new: no collector has to connect again
    if differences:
        changes.append(Change("~", f"broker {before['name']}: {'; '.join(differences)}"))
    return saved


def _of_url(text: str) -> Broker | None:
    return next((row for row in Broker.objects.all() if _plain(row.secret_url) == text), None)


def _plain(secret: str) -> str:
    """A secret to be compared; "" where there is none, or one that no key reads any more: the file gives it anew."""
    try:
        return decrypt(secret) if secret else ""
    except SecretError:
        return ""


def _acting(row: Broker) -> str:
    return f", for looking and replaying {row.safe_acting_url}" if row.safe_acting_url else ""


_SECRET = ("password", "acting password")


def _state(row: Broker) -> dict[str, str]:
    """What of a broker a file decides; two texts are compared and never shown."""
    return {
        "name": row.name,
        "url": row.safe_url,
        "password": _plain(row.secret_url),
        "acting url": row.safe_acting_url or "none",
        "acting password": _plain(row.secret_acting_url),
        "interval": f"{row.interval:g} s",
        "look only": "yes" if row.look_only else "no",
        "paused": "yes" if row.paused else "no",
        "managed": str(row.managed_by),
    }


def _differences(before: dict[str, str], after: dict[str, str]) -> list[str]:
    found = [
        f"{what} {before[what]} → {after[what]}"
        for what in after
        if what not in _SECRET and before[what] != after[what]
    ]
    for secret, shown in zip(_SECRET, ("url", "acting url"), strict=True):
        if before[secret] != after[secret] and before[shown] == after[shown]:
            found.append(f"another {secret}")
    return found


def _tags(wanted: tuple[DeclaredTags, ...], changes: list[Change]) -> None:
    there = {(rule.broker, rule.queues): rule for rule in TagRule.objects.all()}
    before = len(changes)
    for one in wanted:
        rule = there.pop((one.broker, one.queues), None)
        words = f"tags of {one.broker}/{one.queues}: {' '.join(one.tags)}"
        if rule is None:
            TagRule.objects.create(broker=one.broker, queues=one.queues, tags=list(one.tags))
            changes.append(Change("+", words))
        elif rule.tags != list(one.tags):
            changes.append(Change("~", f"{words} (were {' '.join(rule.tags)})"))
            rule.tags = list(one.tags)
            rule.save(update_fields=["tags"])
    for rule in there.values():
        changes.append(Change("-", f"tags of {rule.broker}/{rule.queues}: {' '.join(rule.tags)}"))
        rule.delete()
    if len(changes) > before:
        Broker.objects.update(marks=F("marks") + 1)
