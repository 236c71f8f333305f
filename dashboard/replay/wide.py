"""What happens where copies go: sending wide, to an exchange, which gives a copy to every queue that is bound there, is
offered, and warned of; so is a queue that pushes out what lies in it for what comes."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Collection, Sequence

from collectors.errors import CollectorError
from collectors.letters import Destination, HoldsLetters
from collectors.powers import HasExchanges, TellsBounds

from ..letters import bodies
from ..models import Letter, Queue
from .planned import Plan

MOST, MOST_NAMED, READ = 500, 20, 50  # exchanges offered, receivers named, letters asked how they had come


def offer(plan: Plan, queue: Queue, broker: HoldsLetters) -> None:
    """Where the broker has exchanges: which, and through which of them the letters had come where they died."""
    if not isinstance(broker, HasExchanges):
        return
    try:
        plan.exchanges = broker.exchanges(queue.key)[:MOST]
    except CollectorError:
        return  # then none is offered; one that is named is tried all the same
    ids = list(Letter.objects.filter(queue=queue, gone_at=None).order_by("-pk").values_list("pk", flat=True)[:READ])
    first = [letter.deaths[-1] for letter in bodies.find(ids, time.time()).values() if letter.deaths]
    ways = Counter((death.exchange, (*death.routing_keys, "")[0]) for death in first if death.exchange)
    plan.came_by = [{"exchange": exchange, "routing_key": key} for (exchange, key), _ in ways.most_common(5)]


def describe(plan: Plan, queue: Queue, broker: HoldsLetters, to: Destination, origins: Collection[str]) -> None:
    """Who receives what is sent there: those beside `origins`, where the letters died, are warned of by name."""
    plan.wide = True
    names = broker.receivers(to, queue.key)
    where = f"'{to.exchange}' with the routing key '{to.routing_key}'"
    if names == []:
        plan.refused = f"Nothing receives what is sent to {where}."
        return
    if names is None:
        plan.warnings.append(f"Which queues receive what is sent to {where} is not known: it may be many.")
        return
    plan.destinations = [{"queue_id": None, "name": name} for name in names]
    others = [name for name in names if name not in origins]
    if others:
        receive = "receives" if len(others) == 1 else "receive"
        more = f" and {len(others) - MOST_NAMED} more" if len(others) > MOST_NAMED else ""
        plan.warnings.append(
            f"Not only where they died: {', '.join(others[:MOST_NAMED])}{more} {receive} a copy of each, too."
        )
    else:
        plan.warnings.append(
            f"Whoever is bound to {where} when a copy is sent receives it; now these are the queues where they died."
        )


def bounded(plan: Plan, broker: HoldsLetters, keys: Sequence[str]) -> None:
    """Say where a destination that is full pushes its oldest out for what comes: those would be lost by a replay; and
    where it refuses what there is no room for."""
    if not isinstance(broker, TellsBounds):
        return
    for told in filter(None, map(broker.bounded, keys[:5])):
        tight = told.room is None or plan.count is None or plan.count > told.room
        if tight or told.silent:
            plan.warnings.append(told.sentence)
        plan.loses |= told.lost and tight
