"""What people do to queues in Weir's own books: hide and show, tag, say where dead letters lie, delete from the
archive. Brokers never notice.

Each deed is audited, and told to every process; a process that did not hear of it sees it within a second, by
`Broker.marks`.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from threading import Thread
from typing import Any

from django.db import transaction
from django.db.models import F

from . import audit
from .access import Principal
from .directory import tags_of_url
from .live.bus import the_bus
from .models import Broker, DeadLetterMark, Queue
from .refused import DeedRefused
from .samples import the_store
from .store.base import Store, StoreError

log = logging.getLogger("weir.queues")

MOST_TAGS, LONGEST_TAG = 30, 100
_BATCH = 500


def tag(principal: Principal, queue: Queue, tags: Sequence[str]) -> Queue:
    """These are the tags that people gave it; such as it has from its broker are left out. Raises DeedRefused."""
    known = {*queue.tags, *tags_of_url(queue.broker.safe_url)}
    wanted = [one for one in dict.fromkeys(map(checked_tag, tags)) if one not in known]
    if len(wanted) > MOST_TAGS:
        raise DeedRefused("tags", f"A queue has at most {MOST_TAGS} tags by hand; these are {len(wanted)}.")
    if wanted != queue.tags_by_hand:
        before, queue.tags_by_hand = queue.tags_by_hand, wanted
        queue.save(update_fields=["tags_by_hand"])
        audit.record(principal.who, "tag queue", queue.name, broker=queue.broker.name, before=before, tags=wanted)
        _marked([queue.broker_id])
    return queue


def hide(principal: Principal, ids: Iterable[int], hidden: bool) -> list[int]:
    """Hide queues or show them again; the ids of those for which that was news, so that it can be undone."""
    changed: list[Queue] = []
    with transaction.atomic():
        for batch in _batches(ids):
            found = [q for q in Queue.objects.select_for_update().filter(pk__in=batch) if is_hidden(q) != hidden]
            for queue in found:
                queue.hidden_by_hand = None if queue.hidden == hidden else hidden
                queue.hidden_by = principal.who[:150]
            Queue.objects.bulk_update(found, ["hidden_by_hand", "hidden_by"])
            changed += found
    if changed:
        _note(principal, "hide queue" if hidden else "show queue", changed)
        _marked({queue.broker_id for queue in changed})
    return [queue.pk for queue in changed]


def is_hidden(queue: Queue) -> bool:
    """What people say, else what its broker says."""
    return queue.hidden if queue.hidden_by_hand is None else queue.hidden_by_hand


def mark_dead_letters(principal: Principal, queue: Queue, said: str, sources: Sequence[Queue] = ()) -> None:
    """Say that a queue holds dead letters ("yes", those of `sources`), or does not ("no"), or what the broker says.

    Raises DeedRefused.
    """
    if sources and said != "yes":
        raise DeedRefused(
            "dead_letter_of", "Queues whose dead letters arrive here are named with holds_dead_letters: yes."
        )
    wrong = next((one for one in sources if one.broker_id != queue.broker_id or one.pk == queue.pk), None)
    if wrong is not None:
        raise DeedRefused("dead_letter_of", f"{wrong.name} is no other queue of the same broker as {queue.name}.")
    with transaction.atomic():
        DeadLetterMark.objects.filter(queue=queue).delete()
        if said != "auto":
            mark = DeadLetterMark.objects.create(queue=queue, holds=said == "yes", by=principal.who[:150])
            mark.sources.set(sources)
    names = [one.name for one in sources[:20]]
    audit.record(
        principal.who, "mark dead letters", queue.name, broker=queue.broker.name, holds=said, dead_letter_of=names
    )
    _marked([queue.broker_id])
    the_bus().note("dead_letters_marked", broker=queue.broker_id)


def delete(principal: Principal, ids: Iterable[int]) -> int:
    """Delete queues that are gone, with their history; how many. One that is there is left alone.

    The samples go behind the request's back; what a killed process leaves of them is nobody's, and ends with its
    retention. If such a queue comes back, it is a new one.
    """
    deleted: list[Queue] = []
    for batch in _batches(ids):
        with transaction.atomic():
            found = list(Queue.objects.select_for_update().filter(pk__in=batch).exclude(gone_at=None))
            Queue.objects.filter(pk__in=[queue.pk for queue in found]).delete()
        deleted += found
    if deleted:
        _note(principal, "delete queue", deleted)
        _marked({queue.broker_id for queue in deleted})
        gone = [queue.pk for queue in deleted]
        Thread(target=_forget, args=(the_store(), gone), name="forget-queues", daemon=True).start()
    return len(deleted)


def checked_tag(text: str) -> str:
    """A tag as it is kept. Raises DeedRefused."""
    text = text.strip()
    if not text or len(text) > LONGEST_TAG or not text.isprintable():
        raise DeedRefused("tags", f"A tag is a text of at most {LONGEST_TAG} printable characters.")
    return text


def _note(principal: Principal, action: str, queues: Sequence[Queue]) -> None:
    """One line of the audit trail, with the first names; a thousand queues are one deed."""
    names = [queue.name for queue in queues[:20]]
    more: dict[str, Any] = {"queues": len(queues), "names": names} if len(queues) > 1 else {}
    audit.record(principal.who, action, names[0] if len(queues) == 1 else f"{len(queues)} queues", **more)


def _marked(brokers: Iterable[int]) -> None:
    Broker.objects.filter(pk__in=list(brokers)).update(marks=F("marks") + 1)
    the_bus().note("queues_marked")


def _forget(store: Store, queues: Sequence[int]) -> None:
    try:
        store.forget_queues(queues)
    except StoreError as error:
        log.warning("The samples of deleted queues stay until their retention ends: %s", error)


def _batches(ids: Iterable[int]) -> Iterable[list[int]]:
    listed = list(dict.fromkeys(ids))
    return (listed[i : i + _BATCH] for i in range(0, len(listed), _BATCH))
