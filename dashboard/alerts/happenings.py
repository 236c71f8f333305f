"""What the index of dead letters and the journal of replays have that is news: told to rules of kind "event".

Both are read by the clock, up to a mark that moves in the transaction of what it tells: a process that dies in
between tells it once. What was there before the first look is no news.
"""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.db.models import Count, Max, Q

from ..models import Cause, Fact, Letter, Replay
from ..models.replays import DROPPED
from . import quotes
from .incidents import happened

CAUSES, REPLAYS = "causes_told", "replays_told"
#: New causes of one queue at one look that are told one by one; more are told as one.
ONE_BY_ONE = 5
_AT_ONCE = 500


def look() -> None:
    """Tell rules of what is new."""
    _causes()
    quotes.look()
    _replays()


def _causes() -> None:
    newest = Cause.objects.aggregate(newest=Max("pk"))["newest"] or 0
    mark, new = Fact.objects.get_or_create(name=CAUSES, defaults={"value": str(newest)})
    if new or int(mark.value) >= newest:
        return
    fresh = list(Cause.objects.filter(pk__gt=int(mark.value)).order_by("pk")[:_AT_ONCE])
    counted = Letter.objects.filter(cause__in=fresh, gone_at=None).values("cause_id", "queue_id", "queue__name")
    by_queue: dict[int, list[tuple[Cause, int, str]]] = {}
    causes = {cause.pk: cause for cause in fresh}
    for row in counted.annotate(letters=Count("pk")).order_by("queue_id", "cause_id"):
        told = (causes[row["cause_id"]], row["letters"], row["queue__name"])
        by_queue.setdefault(row["queue_id"], []).append(told)
    with transaction.atomic():
        if not Fact.objects.filter(name=CAUSES, value=mark.value).update(value=str(fresh[-1].pk)):
            return
        for queue, some in by_queue.items():
            _tell_causes(queue, some)


def _tell_causes(queue: int, some: list[tuple[Cause, int, str]]) -> None:
    name = some[0][2]
    if len(some) > ONE_BY_ONE:
        titles = ", ".join(cause.title for cause, _, _ in some[:3])
        reason = f"{len(some)} new causes of dead letters in {name}: {titles} and others."
        values = {"causes": {cause.fingerprint: cause.title for cause, _, _ in some[:3]}}
        happened("cause", reason, f"causes {some[0][0].fingerprint} {queue}", queue=queue, values=values)
        return
    for cause, letters, _ in some:
        many = "1 letter" if letters == 1 else f"{letters} letters"
        reason = f"Dead letters of a new cause in {name}: {cause.title} ({many} so far)."
        values = {"causes": {cause.fingerprint: cause.title}}
        happened("cause", reason, key_of(cause.fingerprint, queue), queue=queue, values=values)


def key_of(fingerprint: str, queue: int) -> str:
    """By which a new cause in a queue is one incident, whoever is first to tell of it."""
    return f"cause {fingerprint} {queue}"


def _replays() -> None:
    newest = Replay.objects.aggregate(newest=Max("ended_at"))["newest"]
    mark, new = Fact.objects.get_or_create(name=REPLAYS, defaults={"value": newest.isoformat() if newest else ""})
    if new or newest is None or mark.value == newest.isoformat():
        return
    ended = Replay.objects.filter(ended_at__gt=datetime.fromisoformat(mark.value)) if mark.value else Replay.objects
    badly = ended.filter(Q(state=Replay.State.FAILED) | Q(came_back__gt=0) | Q(failed__gt=0), ended_at__lte=newest)
    badly = badly.exclude(DROPPED)  # plans that were refused: nobody has begun them
    with transaction.atomic():
        if not Fact.objects.filter(name=REPLAYS, value=mark.value).update(value=newest.isoformat()):
            return
        for replay in badly.order_by("ended_at")[:_AT_ONCE]:
            happened("replay", _ended(replay), f"replay {replay.pk}", queue=replay.queue_id)


def _ended(replay: Replay) -> str:
    parts = [f"{replay.sent} sent"]
    parts += [f"{replay.came_back} came back"] if replay.came_back else []
    parts += [f"{replay.failed} failed"] if replay.failed else []
    why = f" {replay.reason}" if replay.reason else ""
    return f"The {replay.deed} of {replay.queue_name} is {replay.state}: {', '.join(parts)}.{why}"
