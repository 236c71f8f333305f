"""Moving aside what was not chosen, where a queue is too long to be read through for what was.

A broker that gives letters in order gives the same ones again unless they are held, and only so many can be held.
So the rest goes first: what was not chosen is moved to a staging queue beside, each removed after its copy was
confirmed, while what was chosen, which is little, is held until each pass is over. Then what is left is what was
chosen, and is replayed from where it always was, so that what comes back is seen; at last the rest is moved back.
"""

from __future__ import annotations

from contextlib import closing
from datetime import timedelta

from django.db.models import F
from django.utils import timezone

from collectors.errors import CollectorError
from collectors.powers import MakesQueues

from .. import audit
from ..access import Principal
from ..live.bus import the_bus
from ..models import Broker, DeadLetterMark, Queue, Replay
from ..models.replays import ACTIVE
from ..refused import DeedRefused
from ..secrets import SecretError
from . import deeds, orders

#: What a staging queue is called, behind the name of the queue beside which it is made.
MARK = "staging"
CHOOSES = ("filter", "cause", "ids")
#: Between making a staging queue, and the plan of the move to it.
AT_ONCE = timedelta(seconds=30)


def stage(principal: Principal, replay: Replay) -> Replay:
    """Make the staging queue; the planned move of what this plan has not chosen. Raises DeedRefused, CollectorError."""
    principal.must("replay")
    queue = replay.queue
    if queue is None:
        raise DeedRefused("", f"{replay.queue_name} is no longer known here.", conflict=True)
    if queue.broker.look_only:
        raise DeedRefused("", f"{queue.broker.name} is look-only: nothing on it is changed from here.", conflict=True)
    if replay.stages or not any(kind in replay.selection for kind in CHOOSES):
        raise DeedRefused(
            "", "Nothing has to be moved aside where all letters, or the oldest, are chosen.", conflict=True
        )
    if replay.state in ACTIVE or replay.state == Replay.State.PAUSED:
        raise DeedRefused("", "It is at work: stop it first.", conflict=True)
    options: list[str] = []
    with closing(orders.adapter(queue.broker)) as broker:
        if not isinstance(broker, MakesQueues):
            raise DeedRefused("", f"No queue can be made on {queue.broker.name} from here.", conflict=True)
        if why := broker.not_beside(queue.key):
            raise DeedRefused("", why, conflict=True)
        key, name = broker.make_beside(queue.key, MARK)
        options = sorted(broker.kept_as_is)
    staging = _known(principal, queue, key, name)
    return deeds.make(
        principal, queue, {**replay.selection, "others": True}, Replay.Deed.MOVE, {"queue_id": staging.pk},
        options=options, repeats=replay, stages=True,
    )  # fmt: skip


def _known(principal: Principal, queue: Queue, key: str, name: str) -> Queue:
    """The staging queue as Weir knows it before any poll saw it: it holds dead letters, of the same queues."""
    staging, _ = Queue.objects.update_or_create(
        broker=queue.broker, key=key, defaults={"gone_at": None}, create_defaults={"name": name, "kind": queue.kind}
    )
    mark, _ = DeadLetterMark.objects.update_or_create(
        queue=staging, defaults={"holds": True, "by": principal.who, "at": timezone.now()}
    )
    mark.sources.set(orders.sources_of(queue))
    Broker.objects.filter(pk=queue.broker_id).update(marks=F("marks") + 1)
    audit.record(principal.who, "make staging queue", name, broker=queue.broker.name, beside=queue.name)
    the_bus().note("queues_marked")
    the_bus().note("poll_now", broker=queue.broker.pk)
    return staging


def tidied(replay: Replay) -> str:
    """After the rest was moved back: remove the staging queue that Weir had made for it, if the broker itself does so
    only while it is empty and unused. What became of it, a sentence; "" = this was no such move."""
    queue = replay.queue
    if queue is None or replay.deed != Replay.Deed.MOVE or replay.state != Replay.State.DONE or not _made_here(queue):
        return ""
    try:
        with closing(orders.adapter(queue.broker)) as broker:
            why = broker.remove_beside(queue.key) if isinstance(broker, MakesQueues) else "it cannot be removed here"
    except (CollectorError, SecretError) as error:
        why = str(error).rstrip(".")
    if why:
        return f"The staging queue {queue.name} stays: {why}."
    audit.record("Weir", "remove staging queue", queue.name, broker=queue.broker.name)
    the_bus().note("poll_now", broker=queue.broker_id)
    return f"The staging queue {queue.name}, which was empty, was removed."


def _made_here(queue: Queue) -> bool:
    """Whether Weir made this queue for letters that were moved aside: it was not seen before the first was."""
    first = Replay.objects.filter(stages=True, deed=Replay.Deed.MOVE, to__queue_id=queue.pk).order_by("pk").first()
    return first is not None and queue.first_seen > first.made_at - AT_ONCE
