"""From a row to what a runner does: where copies go, which letters are chosen, through which adapter."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import orjson

from collectors import registry
from collectors.decoding import visible
from collectors.errors import CollectorError, NotSupported
from collectors.letters import Destination, HoldsLetters, Taken

from ..brokers import acting_url_of, url_of
from ..letters import choosing, doubles
from ..models import Broker, DeadLetterMark, Letter, Queue, Relation, Replay
from ..refused import DeedRefused
from ..secrets import decrypt
from . import room
from .guards import Limits
from .tasks import Order, Task

GUARD = 3  # letters that were replayed so often are left out, unless allowed

MOST_BYTES = 255  # of the name of an exchange, and of a routing key
MOST_TOLD = 100  # places to which letters of one queue go back that are known by name

__all__ = [
    "adapter",
    "any_known",
    "destination",
    "homes_of",
    "limits_of",
    "must_change",
    "named_letters",
    "order_of",
    "sources_of",
    "stamped",
]


def adapter(broker: Broker) -> Any:
    """Something that leases letters of a broker, by the stronger credential where there is one.

    Raises CollectorError, SecretError.
    """
    made = registry.connect(acting_url_of(broker) or url_of(broker))
    if not isinstance(made, HoldsLetters):
        made.close()
        raise NotSupported(f"Letters of {broker.kind} cannot be replayed from here.")
    return made


def must_change(queue: Queue | None, field: str = "") -> None:
    """Raises DeedRefused where nothing may be changed on the broker of a queue."""
    if queue is not None and queue.broker.look_only:
        raise DeedRefused(field, f"{queue.broker.name} is look-only: nothing on it is changed from here.", True)


def destination(to: Mapping[str, Any] | None, queue: Queue) -> Destination | None:
    """Where copies go; None = each to where it died. Raises DeedRefused."""
    if to is None:
        return None
    named = [name for name in ("exchange", "routing_key") if to.get(name) is not None]
    if "queue_id" in to:
        if named:
            raise DeedRefused("to", "Say to which queue, or to which exchange: not both.")
        target = Queue.objects.filter(pk=to["queue_id"]).first()
        if target is None or target.gone_at is not None:
            raise DeedRefused("to", f"There is no queue {to['queue_id']} to send to.")
        if target.broker_id != queue.broker_id:
            raise DeedRefused("to", f"{target.name} is on another broker than {queue.name}; that cannot be done.")
        if target.pk == queue.pk:
            raise DeedRefused("to", f"{queue.name} is where the letters are: choose another queue.")
        return Destination(target.key)
    exchange, key = (str(to.get(name) or "") for name in ("exchange", "routing_key"))
    if not exchange:
        raise DeedRefused("to", "Say to which queue (queue_id) or exchange; without to, each goes to where it died.")
    for name, text in (("exchange", exchange), ("routing_key", key)):
        if len(text.encode()) > MOST_BYTES:
            raise DeedRefused("to", f"{name} has more than the {MOST_BYTES} bytes that AMQP knows.")
    return Destination("", exchange, key)


def sources_of(queue: Queue) -> list[Queue]:
    """The queues whose dead letters arrive in this one: by the broker, by names, and by what people said."""
    ids = set(Relation.objects.filter(target=queue, kind="dead_letters").values_list("source_id", flat=True))
    mark = DeadLetterMark.objects.filter(queue=queue).first()
    if mark is not None:
        ids |= set(mark.sources.values_list("pk", flat=True))
    return list(Queue.objects.filter(pk__in=ids - {queue.pk}, gone_at=None).order_by("name"))


def homes_of(queue: Queue) -> dict[str, Queue | None]:
    """Where letters of a queue go back to, by key: its sources, and where its letters say that they died, as far as
    they are known. None: no such queue is seen now, as an empty list of Redis is not; a copy makes it."""
    homes: dict[str, Queue | None] = {one.key: one for one in sources_of(queue)}
    told = Letter.objects.filter(queue=queue, gone_at=None).exclude(origin="")
    keys = [key for key in told.values_list("origin", flat=True).distinct()[:MOST_TOLD] if key not in homes]
    found = Queue.objects.filter(broker=queue.broker, key__in=keys, gone_at=None)
    return homes | dict.fromkeys(keys) | {one.key: one for one in found}


def limits_of(replay: Replay) -> Limits:
    """The limits that were chosen, else the usual ones."""
    return replace(Limits(), **replay.limits)


def stamped(replay: Replay) -> bool:
    """Whether copies say of which replay they are: those of a move, a copy or a deletion do not."""
    return replay.deed == Replay.Deed.REPLAY


def edit_of(replay: Replay) -> dict[str, Any]:
    """What differs in an edited copy: its `body`, its `headers`. Raises SecretError."""
    told: dict[str, Any] = orjson.loads(decrypt(replay.secret_edit)) if replay.secret_edit else {}
    return told


def edited_parts(replay: Replay) -> list[str]:
    """What was changed in an edited letter, in words. Raises SecretError."""
    edit = edit_of(replay)
    headers = (edit.get("headers") or {}).items()
    changed = [f"header {visible(name)}" + ("" if value is not None else " taken away") for name, value in headers]
    return ["body", *changed] if edit.get("body") is not None else changed


def named_letters(queue: Queue, selection: Mapping[str, Any]) -> dict[str, int] | None:
    """The ids that were chosen by hand, each so often; None = letters are judged when they are met."""
    if "ids" not in selection:
        return None
    numbers = [id for id in selection["ids"] if isinstance(id, int)]
    found = dict(Counter(id for id in selection["ids"] if isinstance(id, str)))
    for at in range(0, len(numbers), 500):
        rows = Letter.objects.filter(queue=queue, pk__in=numbers[at : at + 500])
        found.update(dict(rows.values_list("key", "count")))
    return found


def any_known(queue: Queue, ids: Sequence[int | str]) -> bool:
    """Whether any of these letters, by numbers or keys, is or was known in this queue."""
    for column, kind in (("pk", int), ("key", str)):
        told = [id for id in ids if isinstance(id, kind)]
        parts = (told[at : at + 500] for at in range(0, len(told), 500))
        if any(Letter.objects.filter(queue=queue, **{f"{column}__in": part}).exists() for part in parts):
            return True
    return False


def order_of(replay: Replay, broker: HoldsLetters, begun_with: bool | None = None) -> Order:
    """What a runner is to do. Raises DeedRefused (the selection), CollectorError.

    `begun_with`: of one that goes on, whether its copies bear stamps.
    """
    queue = replay.queue
    if queue is None:
        raise DeedRefused("queue_id", f"{replay.queue_name} is no longer known here.")
    to, sources, selection = destination(replay.to, queue), sources_of(queue), replay.selection
    planned = None if selection.get("others") else named_letters(queue, selection)
    edit = edit_of(replay)
    stamps = _bear_stamps(replay, broker, queue, to) if begun_with is None else begun_with
    deletes = replay.deed == Replay.Deed.DELETE
    task = Task(
        own=replay.own,
        to=Destination("kept") if deletes else to,
        by=replay.started_by or replay.made_by,
        at=(replay.started_at or replay.made_at).isoformat(timespec="seconds").replace("+00:00", "Z"),
        wants=_wants(queue, selection),
        named=planned is not None,
        guard=0 if replay.allow_replayed or not stamped(replay) else GUARD,
        stamps=stamps,
        keeps=replay.deed == Replay.Deed.COPY,
        body=edit["body"].encode("latin-1") if edit.get("body") is not None else None,
        headers=edit.get("headers"),
        options=frozenset(replay.options),
        fallback=Destination(sources[0].key) if len(sources) == 1 else None,
    )
    return Order(
        queue.key,
        task,
        trial=replay.trial,
        limits=limits_of(replay),
        ramp=replay.trial > 0,
        planned=planned,
        sizes=_sizes(queue, planned or {}),
        oldest=selection.get("oldest"),
        holds=bool({"ids", "filter", "cause"} & selection.keys()) or replay.deed == Replay.Deed.COPY,
        judges=stamped(replay),
        foreseen=(replay.plan or {}).get("of") or 0,
        doubles=tuple(id for id in doubles.of(queue.pk) if planned is None or id in planned),
    )


def _bear_stamps(replay: Replay, broker: HoldsLetters, queue: Queue, to: Destination | None) -> bool:
    """While the broker is away, as it was when this was planned: a runner waits for it, and nothing else does."""
    if not stamped(replay):
        return False
    try:
        return not room.refused(broker, queue, to, homes_of(queue))
    except CollectorError as error:
        if error.permanent or replay.plan is None:
            raise
        return not replay.plan.get("stamps")


def _wants(queue: Queue, selection: Mapping[str, Any]) -> Callable[[Taken], bool]:
    text, cause, others = selection.get("filter", ""), selection.get("cause", ""), bool(selection.get("others"))
    if "ids" in selection and others:
        named = named_letters(queue, selection) or {}
        return lambda taken: taken.id not in named
    if not text and not cause:
        return lambda taken: True
    return partial(_matches, choosing.tester(queue, text, cause), others)


def _matches(test: Callable[[Any], bool], others: bool, taken: Taken) -> bool:
    return test(taken.letter()) is not others


def _sizes(queue: Queue, planned: Mapping[str, int]) -> dict[str, int]:
    sizes: dict[str, int] = {}
    keys = list(planned)
    for at in range(0, len(keys), 500):
        sizes.update(dict(Letter.objects.filter(queue=queue, key__in=keys[at : at + 500]).values_list("key", "size")))
    return sizes
