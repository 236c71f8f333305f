"""What another replay over the same queue has left open: of some messages it is not known whether they were moved.

One that was paused or failed while its worker was gone may be resumed, and then sends such messages again and names
them. When another replay begins over the queue meanwhile, that one sends them: so they are named by then.
"""

from __future__ import annotations

import logging

from django.db.models import Q
from django.utils import timezone

from ..models import Replay
from .journal import Journal
from .places import journal_path
from .states import JournalError

log = logging.getLogger("weir.replay")


def name_those_of_others(beginning: Replay, writer: str) -> None:
    """Name in their own journals what other replays over the queue of this one left open; `writer` writes there."""
    free = Q(owner="") | Q(owned_until__lt=timezone.now())
    others = Replay.objects.filter(
        free, queue=beginning.queue_id, place=beginning.place, how=Replay.How.WEIR,
        state__in=(Replay.State.PAUSED, Replay.State.FAILED),
    )  # fmt: skip
    for other in others.exclude(pk=beginning.pk).exclude(deed=Replay.Deed.RESTORE):
        path = journal_path(other.own)
        if not path.exists():
            continue
        try:
            with Journal(path, writer) as journal:
                if name(journal):
                    others.filter(pk=other.pk).update(possibly_duplicated=journal.counts.possibly_duplicated)
        except JournalError as error:
            log.warning("What replay %d left open could not be named: %s", other.pk, error)


def name(journal: Journal) -> int:
    """How many there were, unless these were named so before."""
    doubled = journal.name_doubles()
    found = journal.open_messages()
    sent = {} if journal.said("keeps") else found.sent  # whose originals stay are over
    numbers = sorted(n for of in (found.sending, sent) for ids in of.values() for n in ids)
    named = f"{len(numbers)} from {min(numbers, default=0)}"
    if not numbers or journal.said("atomic") or journal.said("left_open") == named:
        return doubled
    for n in numbers:
        journal.again(n)
    journal.say("left_open", named)
    journal.commit()
    return len(numbers) + doubled
