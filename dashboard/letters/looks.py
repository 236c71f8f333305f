"""Looking into a queue without harm: the price first, then the budget, then the look.

Where a broker counts deliveries and drops or moves what was delivered too often, each look spends of a budget: the
highest count that any letter of the queue may have. It is written down, one higher, in a transaction of its own
*before* the broker is asked, and corrected by what the look found. A process that is killed in between leaves it
spent. A further look that could take a letter to the limit is refused, unless the adapter renews letters there.
"""

from __future__ import annotations

import logging
import os
import secrets
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from django.conf import settings
from django.db.models import F, Q

from collectors import letters as protocol
from collectors import registry
from collectors.errors import CollectorError, NotSupported
from collectors.letters import Bounds, HoldsLetters, Price
from collectors.powers import Renews

from .. import audit
from ..access import Principal
from ..brokers import acting_url_of, url_of
from ..live.bus import the_bus
from ..live.feed import fleet
from ..models import Look, Place, Queue
from ..refused import DeedRefused
from ..secrets import SecretError
from ..snapshot import Snapshot
from ..ticks import Ints
from . import doubles, places, taking
from .causes import column_text

log = logging.getLogger("weir.letters")

#: Letters of one look: at most, and when nothing is said. Seconds of one look, and of its lease beyond them.
MOST, USUAL, SECONDS, GRACE = 1000, 50, 10.0, 30.0
MOST_BYTES, MOST_OF_ONE = 16 << 20, 1 << 20

_PROCESS = f"{socket.gethostname()[:30]}-{os.getpid()}"

Stop = Callable[[], bool]


@dataclass(frozen=True, slots=True)
class Offer:
    """What a look costs now, and what is left of the budget. `left`: looks; None = no end.

    `refused`: why it cannot be done, a sentence; "" = it can.
    """

    price: Price
    place: Place
    left: int | None
    refused: str


@contextmanager
def opened(queue: Queue) -> Iterator[HoldsLetters]:
    """The adapter for looking, built from the acting URL where there is one. Raises CollectorError."""
    broker = connected(queue)
    try:
        yield broker
    finally:
        broker.close()  # type: ignore[attr-defined]


def connected(queue: Queue) -> HoldsLetters:
    """The same, for who closes it. Raises CollectorError."""
    try:
        url = acting_url_of(queue.broker) or url_of(queue.broker)
    except SecretError as error:
        raise NotSupported(str(error)) from error
    broker = registry.connect(url)
    if not isinstance(broker, HoldsLetters):
        broker.close()
        raise NotSupported(f"Weir cannot look into messages of {registry.NAMES[url.scheme]}.")
    if isinstance(broker, Renews):
        broker.note_renewals(doubles.Book(queue.broker_id))
    return broker


def place_of(queue: Queue) -> Place:
    """The row of a queue's place, made when it is first asked for."""
    row, _ = Place.objects.get_or_create(queue=queue)
    return row


def offer(queue: Queue) -> Offer:
    """What a look into a queue costs here and now. Touches no message. Raises CollectorError."""
    with opened(queue) as broker:
        return offer_by(queue, broker)


def offer_by(queue: Queue, broker: HoldsLetters) -> Offer:
    """The same, by an adapter that is at hand; it is written down."""
    price = broker.price(queue.key)
    place = place_of(queue)
    place.price, place.free, place.limit = price.sentence, price.free, price.limit
    place.renews, place.refused, place.priced_at = price.renews, price.refused, time.time()
    place.save(update_fields=["price", "free", "limit", "renews", "refused", "priced_at"])
    return Offer(price, place, left_of(place), why_not(queue, place))


def left_of(place: Place) -> int | None:
    """How many looks are left before one could take a letter to the limit; None = there is no such limit."""
    if place.free or place.limit is None or place.renews:
        return None
    return max(0, place.limit - 1 - place.deliveries)


def why_not(queue: Queue, place: Place) -> str:
    """Why a look is refused by what is written of a place; "" = it is not."""
    if place.refused:
        return place.refused
    if queue.broker.look_only and not place.free:
        return (
            f"{queue.broker.name} is look-only, so nothing on it may be changed, and a look into {queue.name} "
            f"leaves a trace: {place.price}"
        )
    if left_of(place) == 0:
        return (
            f"The budget of {queue.name} is spent: a letter there may have been delivered {place.deliveries} times, "
            f"and at {place.limit} its broker gives up on it. What Weir has seen of it stays readable; "
            "the budget is whole again when the queue has been empty."
        )
    return ""


def look(principal: Principal, queue: Queue, limit: int = USUAL, stop: Stop = lambda: False) -> Look:
    """Look into a queue as somebody's deed: audited, kept for a while, and taken into the index.

    Any queue may be looked into; what lies in a live one is counted nowhere.

    Raises Refused, DeedRefused (conflict: the budget, another look), CollectorError.
    """
    principal.must("look")
    if not 1 <= limit <= MOST:
        raise DeedRefused("limit", f"A look takes from 1 to {MOST:,} letters.")
    sort_in(place_of(queue), fleet().snapshot())
    try:
        with opened(queue) as broker:
            return _kept(principal.who, queue, broker, limit, stop)
    except (DeedRefused, CollectorError) as error:
        audit.record(principal.who, "look", queue.name, str(error), broker=queue.broker.name, limit=limit)
        raise


def by_itself(queue: Queue, broker: HoldsLetters) -> Look:
    """A look that nobody asked for now, but somebody switched on. Raises as `look`."""
    return _kept("Weir itself", queue, broker, MOST, lambda: False)


def _kept(who: str, queue: Queue, broker: HoldsLetters, limit: int, stop: Stop) -> Look:
    """One look, taken into the index, with its row."""
    price, seen = once(queue, broker, limit, stop)
    ids = taking.take(queue, seen.letters, seen.at)
    note(queue, seen, ids)
    if twice := doubles.after(queue.pk, seen, everything(seen)):
        seen.notes.append(twice)
    row = Look.objects.create(
        queue=queue,
        by=who[:150],
        at=seen.at,
        expires_at=time.time() + settings.WEIR_RETENTION_BODIES,
        price=price.sentence,
        of=seen.of,
        exact=seen.exact,
        renewed=seen.renewed,
        notes=[column_text(one, 500) for one in seen.notes[:20]],
        letters=ids.tolist(),
    )
    audit.record(who, "look", queue.name, broker=queue.broker.name, look=row.pk, limit=limit, seen=len(ids))
    return row


def once(queue: Queue, broker: HoldsLetters, limit: int, stop: Stop) -> tuple[Price, protocol.Look]:
    """One look, within its bounds and its budget. Raises DeedRefused (conflict), CollectorError."""
    offered = offer_by(queue, broker)
    if offered.refused:
        raise DeedRefused("", offered.refused, conflict=True)
    bounds = Bounds(limit, MOST_BYTES, MOST_OF_ONE, SECONDS)
    end = time.monotonic() + SECONDS * 1.5
    late: Stop = lambda: stop() or time.monotonic() > end  # noqa: E731 - a name for two conditions
    if offered.price.free:
        return offered.price, broker.look(queue.key, bounds, "", late)
    with turn(queue) as owner:
        before = _spend(queue, offered.place, owner)
        seen = broker.look(queue.key, bounds, "", late)
        _correct(queue, offered.place, before, seen)
    return offered.price, seen


@contextmanager
def turn(queue: Queue) -> Iterator[str]:
    """Be the only one who looks into a queue; the name under which. Raises DeedRefused (conflict)."""
    owner = f"{_PROCESS}-{secrets.token_hex(4)}"
    if not claim(queue.pk, owner, SECONDS * 1.5 + GRACE):
        raise DeedRefused("", f"Somebody is looking into {queue.name} right now; try again in a moment.", conflict=True)
    try:
        yield owner
    finally:
        Place.objects.filter(queue=queue, owner=owner).update(owner="", owned_until=0.0)


def claim(queue: int, owner: str, seconds: float) -> bool:
    """Take or renew the turn at a queue, by a conditional update."""
    now = time.time()
    mine = Place.objects.filter(Q(owner=owner) | Q(owned_until__lt=now), queue=queue)
    return bool(mine.update(owner=owner, owned_until=now + seconds))


def _spend(queue: Queue, place: Place, owner: str) -> int:
    """Write down, before the look, that every letter may have been delivered once more; the count before.

    Raises DeedRefused when somebody else looked since the price was said, and nothing is left.
    """
    mine = Place.objects.filter(queue=queue, owner=owner)
    if place.limit is not None and not place.renews:
        mine = mine.filter(deliveries__lt=place.limit - 1)
    if not mine.update(deliveries=F("deliveries") + 1, spent_at=time.time()):
        place.refresh_from_db()
        raise DeedRefused("", why_not(queue, place) or "Another look came first; try again.", conflict=True)
    return int(Place.objects.values_list("deliveries", flat=True).get(queue=queue)) - 1


def _correct(queue: Queue, place: Place, before: int, seen: protocol.Look) -> None:
    """After the look: what is the highest count now, by what the letters themselves say.

    Letters that this look did not see may still have as many as before.
    """
    if seen.deliveries is None:
        after = before if place.limit is None else before + 1
    elif everything(seen):
        after = seen.deliveries
    else:
        after = max(before, seen.deliveries)
    Place.objects.filter(queue=queue).update(deliveries=after)


def everything(seen: protocol.Look) -> bool:
    """Whether a look from the beginning saw all that lay there, for certain."""
    return not seen.after and seen.exact and seen.of is not None and len(seen.letters) >= seen.of


def note(queue: Queue, seen: protocol.Look, ids: Ints) -> None:
    """Write down what a look from the beginning said of its queue, and tell everybody that there is news."""
    columns: dict[str, object] = {
        "looked_at": seen.at,
        "of": seen.of,
        "exact": seen.exact,
        "error": "",
        "tried_at": seen.at,
    }
    if not seen.after and seen.of is not None and len(ids) >= seen.of:
        taking.finish(queue, ids, seen.exact, began=seen.at)
        columns["complete_at"] = seen.at
    Place.objects.filter(queue=queue).update(**columns)
    the_bus().note("letters_changed")


def sort_in(place: Place, snapshot: Snapshot) -> None:
    """Whether the letters of a queue are dead ones, and counted: not in a queue that is first looked into while it
    holds none, nor in one of which people say so. Where that cannot be told now, it stays as it is."""
    dead = places.holds(snapshot, place.queue_id)
    if dead is None and place.looked_at is None:
        dead = False
    if dead is not None and dead != place.inbox:
        Place.objects.filter(queue=place.queue_id).update(inbox=dead)
        the_bus().note("letters_changed")


def refill(queue: int, emptied_at: float) -> bool:
    """The broker said that nothing lay in a queue, after the last look: what comes now was never looked at."""
    return bool(Place.objects.filter(queue=queue, spent_at__lt=emptied_at, deliveries__gt=0).update(deliveries=0))
