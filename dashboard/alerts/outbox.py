"""The outbox: what is to be told to whom. Rows are written in the transaction of what they tell of.

Tellings of one notifier and group that still wait are made one, so that fifty queues of one broker are one message.
Of an incident that is over before its message went out nothing is told.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from django.db import transaction
from django.utils import timezone

from ..live.bus import the_bus
from ..models import Incident, IncidentNote, Notifier, Rule, Telling

#: How long a message waits for others of its group.
GROUPING = timedelta(seconds=5)
#: How long it is remembered what was told.
KEPT = timedelta(days=30)
#: Incidents that one message tells of; the next begins a message of its own.
MOST_IN_ONE = 200

Waiting = Telling.State.WAITING
_BATCH = 500
_OPENING = ("opened", "escalated", "still")


def opened(incidents: Sequence[Incident], event: str = "opened", to: Sequence[int] | None = None) -> None:
    """Tell of incidents: to the notifiers `to`, or to those of their rules. Silenced ones are left out."""
    now = timezone.now()
    told: dict[tuple[int, str, datetime], list[Incident]] = {}
    notifiers = _notifiers({one.rule_id for one in incidents if one.rule_id is not None})
    for one in incidents:
        if one.silence_id is not None:
            continue
        due = max(now + GROUPING, quiet_until(one.rule, now)) if one.rule is not None else now + GROUPING
        for notifier in notifiers.get(one.rule_id or 0, ()) if to is None else to:
            told.setdefault((notifier, f"{event} {one.broker_id or 0}", due), []).append(one)
    for (notifier, group, due), some in told.items():
        _put(notifier, event, group, due, some)
    _wake(bool(told))


def closed(incidents: Sequence[Incident]) -> None:
    """Tell those who were told that incidents are over, and let go of what was still to be told of them."""
    ids = {one.pk: one for one in incidents}
    told: dict[int, set[int]] = {}
    for telling, some in _tellings_of(ids).values():
        fresh = telling.state == Waiting and not telling.attempts
        if not (fresh and _take_out(telling, some)):
            told.setdefault(telling.notifier_id, set()).update(some)
    now = timezone.now()
    quiet = {rule.pk: quiet_until(rule, now) for rule in Rule.objects.filter(pk__in={one.rule_id for one in incidents})}
    for notifier, over in told.items():
        together: dict[tuple[int, datetime], list[Incident]] = {}
        for id in sorted(over):
            due = max(now + GROUPING, quiet.get(ids[id].rule_id or 0, now))
            together.setdefault((ids[id].broker_id or 0, due), []).append(ids[id])
        for (broker, due), ended in together.items():
            _put(notifier, "closed", f"closed {broker}", due, ended)
    _wake(bool(told))


def _tellings_of(incidents: Iterable[int]) -> dict[int, tuple[Telling, list[int]]]:
    """What told of some incidents, or is to: tellings by id, each with those of the incidents that it is about."""
    found: dict[int, tuple[Telling, list[int]]] = {}
    through, listed = Telling.incidents.through, list(incidents)
    for at in range(0, len(listed), _BATCH):
        rows = through.objects.filter(incident_id__in=listed[at : at + _BATCH], telling__event__in=_OPENING)
        rows = rows.exclude(telling__state=Telling.State.DROPPED).select_related("telling").order_by("telling_id")
        for row in rows:
            found.setdefault(row.telling_id, (row.telling, []))[1].append(row.incident_id)
    return found


def test(notifier: Notifier) -> Telling:
    """A message that says that it is a test; whoever made it sends it at once."""
    return Telling.objects.create(notifier=notifier, event="test", due_at=timezone.now())


def _take_out(telling: Telling, incidents: Sequence[int]) -> bool:
    """Take incidents out of a telling that was not tried yet; False when it is being sent at this moment."""
    leased = Notifier.objects.filter(pk=telling.notifier_id, leased_until__gt=timezone.now()).exists()
    if leased and telling.due_at <= timezone.now():
        return False
    telling.incidents.remove(*incidents)
    if not telling.incidents.exists():
        Telling.objects.filter(pk=telling.pk, state=Waiting, attempts=0).update(state=Telling.State.DROPPED)
    return True


def _put(notifier: int, event: str, group: str, due: datetime, incidents: Sequence[Incident]) -> None:
    """Into a telling of the same group that still waits for others, or into a new one."""
    waiting = Telling.objects.filter(notifier_id=notifier, group=group, state=Waiting, attempts=0)
    telling = waiting.filter(due_at__gt=timezone.now()).order_by("-id").first()
    rest = list(incidents)
    if telling is not None and telling.due_at >= due - GROUPING:
        room = MOST_IN_ONE - telling.incidents.count()
        telling.incidents.add(*rest[: max(room, 0)])
        rest = rest[max(room, 0) :]
    for at in range(0, len(rest), MOST_IN_ONE):
        telling = Telling.objects.create(notifier_id=notifier, event=event, group=group, due_at=due)
        telling.incidents.add(*rest[at : at + MOST_IN_ONE])


def _notifiers(rules: Iterable[int]) -> Mapping[int, list[int]]:
    found: dict[int, list[int]] = {}
    pairs = Rule.notifiers.through.objects.filter(rule_id__in=list(rules)).order_by("notifier_id")
    for rule, notifier in pairs.values_list("rule_id", "notifier_id"):
        found.setdefault(rule, []).append(notifier)
    return found


def quiet_until(rule: Rule, now: datetime) -> datetime:
    """When the quiet hours end in which a rule tells nothing; `now` outside of them."""
    quiet = rule.quiet
    if not quiet:
        return now
    local = now.astimezone(ZoneInfo(quiet.get("timezone") or "UTC"))
    begins, ends = time.fromisoformat(quiet["from"]), time.fromisoformat(quiet["to"])
    clock = local.time().replace(tzinfo=None)
    within = begins <= clock < ends if begins <= ends else clock >= begins or clock < ends
    if not within:
        return now
    end = local.replace(hour=ends.hour, minute=ends.minute, second=0, microsecond=0)
    return end if end > local else end + timedelta(days=1)


def _wake(any_: bool) -> None:
    if any_:
        transaction.on_commit(lambda: the_bus().note("tell"))


def note(incidents: Iterable[Incident], who: str, what: str, text: str = "") -> None:
    """A line in the story of each incident."""
    rows = [IncidentNote(incident=one, who=who[:150], what=what, text=text) for one in incidents]
    IncidentNote.objects.bulk_create(rows, batch_size=500)


def prune(now: datetime, keep_incidents: timedelta) -> int:
    """Let go of what was told long ago, and of incidents that are over for longer than history is kept; how many."""
    Telling.objects.exclude(state=Waiting).filter(created_at__lt=now - KEPT).delete()
    return Incident.objects.filter(closed_at__lt=now - keep_incidents).delete()[0]
