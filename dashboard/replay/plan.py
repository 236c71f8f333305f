"""What a replay would do, before anything is sent: how many, how large, where to, for how long, and what to mind.

A dry run asks the broker for counts and prices, which is free, and Weir's own index of letters. It takes no letter.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from django.db import close_old_connections
from django.utils import timezone

from collectors import registry
from collectors.decoding import visible
from collectors.errors import CollectorError
from collectors.letters import Bounds, Destination, HoldsLetters, Price
from collectors.powers import HasExchanges, MakesQueues, MovesByItself

from .. import filters
from ..letters import choosing, doubles
from ..live.feed import fleet
from ..models import Letter, Queue, Replay
from ..refused import DeedRefused
from ..secrets import SecretError
from ..snapshot import iso
from . import estimate, keeping, orders, room, wide
from .guards import span
from .passes import MOST_UNDERWAY
from .planned import Plan, changed_by
from .tasks import KEEPS

#: Seconds of the lease that a plan tries.
TRIED = 10.0
#: Letters that can be held for sure while a queue is read through for a filter.
HOLDS = 10_000
#: Deleting more, purging, and every wide replay ask for the count to be typed.
MANY = 100
#: Places that no poll shows of which the broker is asked.
MOST_UNSEEN = 5
#: Letters of an unknown size of which copies fit for sure.
UNWEIGHED = 2_000

STAGING = (
    "What was not chosen can be moved to a staging queue beside it first, each removed after its copy is confirmed. "
    "Then what is left is what was chosen, and is replayed from here with every guard; at last the rest is moved back."
)


def make_plan(id: int) -> list[DeedRefused]:
    """Plan a replay that is in the state planning, and write the plan into its row; what was wrong with the asking."""
    close_old_connections()
    replay = Replay.objects.select_related("queue__broker").get(pk=id)
    state, reason = Replay.State.PLANNED, ""
    plan, wrong = Plan(at=iso(time.time()) or ""), list[DeedRefused]()
    try:
        fill(plan, replay)
    except DeedRefused as error:
        plan.refused, wrong = str(error), [error]
    except (CollectorError, SecretError, filters.FilterError) as error:
        plan.refused = str(error)
    if plan.refused:
        state, reason = Replay.State.FAILED, plan.refused
    ended = {"ended_at": timezone.now()} if plan.refused else {}
    Replay.objects.filter(pk=id, state=Replay.State.PLANNING).update(
        trial=replay.trial, state=state, reason=reason[:1000], plan=plan.as_json(), total=plan.count, **ended
    )
    return wrong


def fill(plan: Plan, replay: Replay) -> None:
    """Everything that can be known beforehand. Raises DeedRefused, CollectorError."""
    queue = replay.queue
    if queue is None:
        raise DeedRefused("queue_id", f"{replay.queue_name} is no longer known here.")
    broker = orders.adapter(queue.broker)
    stays = atomic = False
    try:
        price = broker.price(queue.key)
        look = broker.look(queue.key, Bounds(messages=0))
        plan.of, plan.exact = look.of, look.exact
        plan.price = price.sentence
        plan.options = dict(broker.options)
        unknown = sorted(set(replay.options) - set(plan.options))
        if unknown:
            known = ", ".join(plan.options) or "none"
            raise DeedRefused("options", f"There is no option '{unknown[0][:40]}' here; there are: {known}.")
        _count(plan, replay, queue)
        plan.edited = orders.edited_parts(replay)
        to = orders.destination(replay.to, queue)
        if replay.deed != Replay.Deed.DELETE:
            _destinations(plan, replay, queue, broker, to)
        _own_move(plan, replay, queue, broker, to)
        beside = isinstance(broker, MakesQueues) and not broker.not_beside(queue.key)
        if replay.how == Replay.How.WEIR:
            _stamps(plan, replay, queue, broker, to)
            lease = broker.lease(queue.key, TRIED)  # takes nothing; says at once what can never, or may not be taken
            stays, atomic, plan.holds = lease.keeps, lease.atomic, min(HOLDS, lease.most_held)
            lease.close()
    finally:
        broker.close()
    _mind(plan, replay, queue, price, beside, atomic)
    if stays:
        _staying(plan, replay)
    _trial(plan, replay)
    _time(plan, replay, queue)
    _confirm(plan, replay)


# --- how many --------------------------------------------------------------------------------------------------------
def _count(plan: Plan, replay: Replay, queue: Queue) -> None:
    selection = replay.selection
    known = _known(queue, selection)
    sizes = [(size, count) for size, count, _ in known.values()]
    chosen = sum(count for _, count in sizes)
    if selection.get("others"):
        plan.count = None if plan.of is None else max(0, plan.of - chosen)
        plan.exact = False
    elif "ids" in selection:
        named = orders.named_letters(queue, selection) or {}
        plan.count = sum(named.values())
        if unknown := len(set(selection["ids"])) - len(known):
            plan.exact = False
            plan.warnings.append(f"{unknown:,} of these are not known here now: what is not met is left out.")
    elif "filter" in selection or "cause" in selection:
        taken = sum(Letter.objects.filter(queue=queue, gone_at=None).values_list("count", flat=True))
        plan.exact = plan.exact and plan.of is not None and taken >= plan.of
        plan.count = chosen if chosen or plan.exact else None
        if not plan.exact:
            plan.warnings.append(
                f"Weir has looked at {taken:,} of {_words(plan.of)} letters here: how many match shows when the queue "
                "is read."
            )
    else:
        plan.count = plan.of
        if "oldest" in selection:
            plan.count = min(selection["oldest"], plan.of if plan.of is not None else selection["oldest"])
    if chosen and plan.count is not None and not selection.get("others"):
        plan.bytes = round(sum(size * count for size, count in sizes) / chosen * plan.count)
    if plan.count == 0 and plan.exact:
        plan.warnings.append("None of what lies there is chosen: nothing would be done.")
    if selection.get("others"):
        return
    plan.replayed_before = sum(count for _, count, times in known.values() if times)
    guard = 0 if replay.allow_replayed or not orders.stamped(replay) else orders.GUARD
    plan.left_out = sum(count for _, count, times in known.values() if guard and times >= guard)


def _known(queue: Queue, selection: Mapping[str, Any]) -> dict[str, tuple[int, int, int]]:
    """What the index knows of the letters that are chosen: key -> (size, how many, how often replayed)."""
    rows = Letter.objects.filter(queue=queue, gone_at=None)
    found = {key: (size, count, times) for key, size, count, times in
             rows.values_list("key", "size", "count", "replayed").iterator()}  # fmt: skip
    chosen: Mapping[str, int] | None = None
    if "ids" in selection:
        chosen = orders.named_letters(queue, selection)
    elif "filter" in selection or "cause" in selection:
        chosen = choosing.chosen(queue.pk, selection.get("filter", ""), selection.get("cause", ""))
    if chosen is None:
        return found
    return {key: (size, chosen[key], times) for key, (size, _, times) in found.items() if key in chosen}


# --- where to --------------------------------------------------------------------------------------------------------
def _destinations(plan: Plan, replay: Replay, queue: Queue, broker: HoldsLetters, to: Destination | None) -> None:
    wide.offer(plan, queue, broker)
    homes = orders.homes_of(queue)
    if to is not None and to.exchange is not None:
        if not isinstance(broker, HasExchanges):
            raise DeedRefused("to", f"{queue.broker.name} knows no exchanges: name a queue.")
        wide.describe(plan, queue, broker, to, {one.name if one else key for key, one in homes.items()})
        return
    if to is not None:
        homes = {one.key: one for one in Queue.objects.filter(broker=queue.broker, key=to.queue)}
    elif not homes:
        plan.warnings.append(
            f"From which queue letters come into {queue.name} is not known: such as do not tell it are left out."
        )
    names = _names(queue, homes)
    known = [one for one in homes.values() if one is not None]
    unseen = _unseen(plan, queue, broker, {key: names[key] for key, one in homes.items() if one is None})
    told = [name for name in unseen if name not in {one.name for one in known}]
    plan.destinations = [{"queue_id": one.pk, "name": one.name} for one in known]
    plan.destinations += [{"queue_id": None, "name": name} for name in told]
    _shared(plan, broker, known)
    wide.bounded(plan, broker, list(homes))
    _at_the_other_end(plan, replay, known)


def _names(queue: Queue, homes: Mapping[str, Queue | None]) -> dict[str, str]:
    """What people call them; one that is gone keeps its name here."""
    gone = [key for key, one in homes.items() if one is None]
    known = dict(Queue.objects.filter(broker=queue.broker, key__in=gone).values_list("key", "name"))
    return {key: one.name if one is not None else known.get(key) or visible(key) for key, one in homes.items()}


def _unseen(plan: Plan, queue: Queue, broker: HoldsLetters, names: Mapping[str, str]) -> list[str]:
    """What a copy reaches in places in which letters died and which are no queues that a poll shows, by name."""
    found: list[str] = []
    for key, name in list(names.items())[:MOST_UNSEEN]:
        reached = broker.receivers(Destination(key), queue.key)
        if reached == []:
            plan.warnings.append(f"{name} is there no more: what died in it fails unless you say where to.")
        elif not reached or name in reached:
            plan.warnings.append(
                f"{name} is not seen now, for it is empty or not watched: copies go there all the same."
            )
        found += reached or [name]
    return list(dict.fromkeys([*found, *list(names.values())[MOST_UNSEEN:]]))


def _shared(plan: Plan, broker: HoldsLetters, targets: Sequence[Queue]) -> None:
    """Say where one copy reaches several readers although it goes to one place: the groups of a stream."""
    reached = {tuple(broker.receivers(Destination(one.key)) or ()) for one in targets[:5]}
    for names in sorted(names for names in reached if len(names) > 1):
        plan.warnings.append(f"One place for all of its groups: {', '.join(names[:20])} each get every copy.")


def _at_the_other_end(plan: Plan, replay: Replay, targets: Sequence[Queue]) -> None:
    snapshot = fleet().snapshot()
    limits = orders.limits_of(replay)
    for target in targets:
        row = snapshot.index(target.pk)
        if row is None:
            continue
        if snapshot.column("consumers")[row] == 0:
            plan.warnings.append(f"Nobody reads {target.name} now: what is sent there waits.")
        lag = float(snapshot.column("lag_seconds")[row])
        if limits.lag is not None and lag > limits.lag:
            plan.warnings.append(
                f"{target.name} waits {span(lag)} already: the replay yields until it is below {limits.lag * 0.8:g} s."
            )


def _stamps(plan: Plan, replay: Replay, queue: Queue, broker: HoldsLetters, to: Destination | None) -> None:
    if not orders.stamped(replay):
        return
    plan.stamps = room.refused(broker, queue, to, orders.homes_of(queue))
    if plan.stamps:
        plan.warnings.append(f"{plan.stamps} What comes back is recognised by its contents.")
    elif some := room.foreseen(queue, broker.most_headers):
        plan.warnings.append(some)


def _own_move(plan: Plan, replay: Replay, queue: Queue, broker: HoldsLetters, to: Destination | None) -> None:
    """Offer the broker's own move where it fits; refuse it where it was asked for and does not."""
    asked = replay.how == Replay.How.BROKER
    if not isinstance(broker, MovesByItself):
        plan.refused = "This broker does not move queues by itself." if asked else plan.refused
        return
    whole = replay.selection.get("all") and not (replay.secret_edit or plan.wide)
    if whole and replay.deed in (Replay.Deed.REPLAY, Replay.Deed.MOVE):
        why = broker.fits(queue.key, to)
        if not why:
            plan.own_move = broker.move_terms
            plan.own_name, plan.own_fastest = registry.NAMES.get(queue.broker.kind, "the broker"), broker.fastest_move
        elif asked:
            plan.refused = why


# --- what to mind ----------------------------------------------------------------------------------------------------
def _mind(plan: Plan, replay: Replay, queue: Queue, price: Price, beside: bool, atomic: bool) -> None:
    if replay.how == Replay.How.BROKER:
        _mind_own_move(plan, replay)
        return
    if plan.replayed_before:
        left = f" {plan.left_out} of them, {orders.GUARD} times or more, are left out unless you allow it." if (
            plan.left_out
        ) else ""  # fmt: skip
        plan.warnings.append(
            f"{plan.replayed_before} have been replayed before and are here again: they may be going round.{left}"
        )
    plan.warnings += filter(None, [doubles.sentence(queue.pk, doubles.of(queue.pk))])
    changes = changed_by(queue.broker.kind, replay.options, fifo=queue.kind == "fifo")
    if changes and replay.deed != Replay.Deed.DELETE:
        plan.warnings.append(changes)
    if not price.free and (replay.deed == Replay.Deed.COPY or _chooses(replay)):
        _holding(plan, replay, queue, price, beside)
    expires = Letter.objects.filter(queue=queue, gone_at=None, expires_at__gt=0).order_by("expires_at")
    first = expires.values_list("expires_at", flat=True).first()
    if first is not None and first - time.time() < 86400:
        plan.warnings.append(f"The first of them expires in {span(max(0.0, first - time.time()))}.")
    if price.refused:
        plan.refused = price.refused
    if replay.deed == Replay.Deed.DELETE:
        plan.safety = "A copy of each is kept, encrypted, for 7 days; until then they can be restored."
        _room(plan, replay)
    elif replay.deed == Replay.Deed.COPY:
        plan.safety = (
            "The originals stay where they are. After a crash it resumes; at most "
            f"{MOST_UNDERWAY:,} may be copied twice, and those are named."
        )
    elif atomic:
        plan.safety = (
            "Each is copied and removed in one step of the broker. After a crash the replay resumes by itself."
        )
    else:
        plan.safety = (
            "Each is kept until the broker confirms its copy. After a crash it resumes; at most "
            f"{MOST_UNDERWAY:,} may be sent twice, and those are named."
        )


def _staying(plan: Plan, replay: Replay) -> None:
    """From a queue that keeps its messages: copies only."""
    if replay.deed in (Replay.Deed.MOVE, Replay.Deed.DELETE):
        plan.refused = plan.refused or KEEPS
    plan.safety = (
        "The originals stay where they are: this queue removes none before their time. After a crash the replay "
        f"resumes; at most {MOST_UNDERWAY:,} may be sent twice, and those are named."
    )


def _room(plan: Plan, replay: Replay) -> None:
    """Whether a copy of all that is to be deleted can be kept, as far as their size is known."""
    room = max(0, min(keeping.MOST_OF_ONE, keeping.MOST - keeping.all_bytes()))
    unknown = plan.bytes is None and (plan.count is None or plan.count > UNWEIGHED)
    plan.beyond = unknown or (plan.bytes or 0) > room
    if not plan.beyond:
        return
    size = "How large they are is not known" if plan.bytes is None else f"They hold about {plan.bytes / 1e6:,.0f} MB"
    fate = "deleted as well, for good" if replay.selection.get("beyond_bound") else "not deleted unless you accept that"
    plan.warnings.append(f"{size}; copies of {room / 1e6:,.0f} MB can be kept, and what exceeds that is {fate}.")


def _mind_own_move(plan: Plan, replay: Replay) -> None:
    """What is otherwise so, and is not when the broker moves them by itself."""
    plan.safety = (
        "The broker itself moves each, at least once. Weir starts that, follows it, and cancels it when stopped."
    )
    plan.warnings.append(plan.own_move)
    if plan.replayed_before:
        plan.warnings.append(f"{plan.replayed_before} have been replayed before; the broker moves them too.")
    plan.left_out = 0
    if replay.rate is not None and plan.own_fastest is not None and replay.rate > plan.own_fastest:
        plan.warnings.append(f"The broker moves {plan.own_fastest} a second at most, not {replay.rate:g}.")


def _chooses(replay: Replay) -> bool:
    return any(kind in replay.selection for kind in ("filter", "cause", "ids"))


def _holding(plan: Plan, replay: Replay, queue: Queue, price: Price, beside: bool) -> None:
    """The queue has to be read through, and what is not sent is held meanwhile; `beside`: it can be moved aside."""
    others = replay.selection.get("others")
    held = plan.of if not others or plan.of is None or plan.count is None else plan.of - plan.count
    held = held if _chooses(replay) else plan.count
    if held is not None and held > plan.holds and (others or not _chooses(replay)):
        until = "while the rest is moved" if others else "until all are copied"
        plan.refused = f"More than {plan.holds:,} were chosen: so many cannot be held {until}. Choose fewer."
    elif held is not None and held > plan.holds:
        plan.staging = STAGING if beside else ""
        plan.refused = (
            f"{plan.of:,} letters lie there, and at most {plan.holds:,} can be held while the queue is read through "
            "for what was chosen: a broker that gives letters in their order would only give the same ones again."
        )
    if queue.kind == "fifo":
        plan.warnings.append(
            "While a letter is held, SQS hands out the first ten of its message group at most: what is chosen and lies "
            "behind them is not met."
        )
    if price.limit is not None and not price.renews:
        plan.warnings.append(
            f"The queue is read through: each letter that is not sent is delivered once more; after {price.limit} "
            f"deliveries {price.beyond or 'the broker gives it up'}."
        )


def _trial(plan: Plan, replay: Replay) -> None:
    """A trial of all that is chosen is none: then there is no rest that it could spare."""
    surely = plan.exact or "ids" in replay.selection or "oldest" in replay.selection
    if replay.trial and surely and plan.count is not None and plan.count <= replay.trial:
        plan.trial_words = (
            f"None: no more than the trial of {replay.trial:,} are chosen; they go together, and are watched."
        )
        replay.trial = 0


def _time(plan: Plan, replay: Replay, queue: Queue) -> None:
    pace, plan.pace_known_by = estimate.pace(queue)
    if replay.how == Replay.How.BROKER:
        pace, plan.pace_known_by = plan.own_fastest, "at its fastest"
    plan.pace = None if pace is None else round(pace, 1)
    if plan.count is not None and not plan.refused:
        seconds = estimate.seconds(plan.count, replay.rate, pace, replay.trial, orders.limits_of(replay))
        plan.seconds = None if seconds is None else round(seconds, 1)


def _confirm(plan: Plan, replay: Replay) -> None:
    many = plan.count is None or plan.count > MANY or "all" in replay.selection
    if plan.wide or plan.loses or (replay.deed == Replay.Deed.DELETE and many):
        plan.confirm = plan.count if plan.count is not None else plan.of
        if plan.confirm is None:
            plan.refused = plan.refused or "How many messages this concerns cannot be told now; so it is not begun."


def _words(count: int | None) -> str:
    return "an unknown number of" if count is None else f"{count:,}"
