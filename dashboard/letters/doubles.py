"""Letters that may lie twice in their queue: a look was just replacing them by copies when it ended without a word.

Near its delivery limit a letter is not given back: a confirmed copy goes into the same queue, and then the original is
acknowledged (`collectors.letters.Price.renews`). Before the copy is sent its id is written down at the place of its
queue, and taken away when the broker has heard of both. What stays there is told of by every further look, by plans,
and in the reports of replays, until a look has seen everything and found no two of it.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from django.db import DatabaseError, transaction

from collectors.errors import Busy
from collectors.letters import Letter as Seen
from collectors.letters import Look

from ..models import Letter, Place

#: Seconds for which a broker may still hold an original for a connection that is gone, so that a look finds one alone.
HELD_ON = 150.0
#: Letters that are named one by one.
MOST_NAMED = 20


class Book:
    """`collectors.powers.RenewalBook` of looks into queues of one broker."""

    def __init__(self, broker: int) -> None:
        self._broker = broker
        self._begun: list[str] = []

    def begin(self, key: str, ids: Sequence[str]) -> None:
        """Raises Busy where it cannot be written down."""
        with self._place(key) as place:
            self._begun = [id for id in dict.fromkeys(ids) if id not in place.doubles]
            place.doubles |= dict.fromkeys(self._begun, time.time())

    def end(self, key: str, ids: Sequence[str]) -> None:
        with self._place(key) as place:
            for id in set(ids).intersection(self._begun):
                place.doubles.pop(id, None)

    @contextmanager
    def _place(self, key: str) -> Iterator[Place]:
        """The place of a queue, for as long as the block lasts; then it is saved."""
        try:
            with transaction.atomic():
                place = Place.objects.select_for_update().get(queue__broker=self._broker, queue__key=key)
                yield place
                place.save(update_fields=["doubles"])
        except (DatabaseError, Place.DoesNotExist) as error:
            said = " ".join(str(error).split())[:200].rstrip(".")
            raise Busy(f"That could not be written down before: {said}.") from error


def add(queue: int, ids: Iterable[str]) -> None:
    """A replay was replacing these when it broke off."""
    if named := dict.fromkeys(ids, time.time()):
        with transaction.atomic():
            place, _ = Place.objects.select_for_update().get_or_create(queue_id=queue)
            place.doubles = named | place.doubles
            place.save(update_fields=["doubles"])


def of(queue: int) -> list[str]:
    """The ids of letters that may lie twice in a queue."""
    return list(Place.objects.filter(queue=queue).values_list("doubles", flat=True).first() or {})


def after(queue: int, seen: Look, everything: bool) -> str:
    """After a look: of which letters two may lie there, a sentence; "" = of none. What is no longer so is forgotten."""
    place = Place.objects.filter(queue=queue).first()
    if place is None or not place.doubles:
        return ""
    if everything:
        _forget(place, seen.letters)
    return sentence(queue, list(place.doubles))


def _forget(place: Place, letters: Sequence[Seen]) -> None:
    """Those of which a look that saw everything found one at most, when nobody can hold another any more."""
    there, before = Counter(one.id for one in letters), time.time() - HELD_ON
    gone = [id for id, at in place.doubles.items() if there[id] < 2 and at < before]
    if gone:
        place.doubles = {id: at for id, at in place.doubles.items() if id not in gone}
        place.save(update_fields=["doubles"])


def sentence(queue: int, ids: Sequence[str]) -> str:
    """What is said of them, with the numbers under which the index knows them; "" = of none."""
    if not ids:
        return ""
    known = Letter.objects.filter(queue=queue, key__in=ids[:MOST_NAMED]).order_by("pk").values_list("pk", flat=True)
    named = ", ".join(map(str, known))
    which = f" (number {named}{' and others' if len(known) < len(ids) else ''})" if named else ""
    many = "A letter" if len(ids) == 1 else f"{len(ids):,} letters"
    return (
        f"{many} near the delivery limit may lie there twice{which}: replacing by a copy was broken off before the "
        "broker had heard that the original is to go."
    )
