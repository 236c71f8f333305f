"""What people do with replays: make, start, pause, resume, stop, change the rate, repeat, undo. Each is audited.

Nothing here touches a broker: a plan is made in a thread of its own, everything else by a worker.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import timedelta
from threading import Thread
from typing import Any

import orjson
from django.db import DatabaseError, connections, transaction
from django.utils import timezone

from collectors.decoding import visible

from .. import audit, filters
from ..access import Principal
from ..letters import choosing
from ..live.bus import the_bus
from ..models import Cause, Queue, Replay
from ..models.replays import ACTIVE, UNCLOSED
from ..refused import DeedRefused
from ..secrets import encrypt
from . import editing, keeping, orders, pruning, restoring
from .guards import Limits
from .places import journal_path
from .plan import make_plan
from .report import Reading
from .states import JournalError

log = logging.getLogger("weir.replay")

KINDS = ("all", "ids", "filter", "cause", "oldest")
MOST_IDS = 100_000
FASTEST = 100_000.0
NEEDS = {Replay.Deed.DELETE: "delete_letters", Replay.Deed.RESTORE: "delete_letters"}
PATIENCE = 10.0  # seconds to wait for a plan
_UNDER_WAY = (*ACTIVE, Replay.State.PAUSED)


def make(
    principal: Principal,
    queue: Queue,
    selection: Mapping[str, Any],
    deed: str = Replay.Deed.REPLAY,
    to: Mapping[str, Any] | None = None,
    rate: float | None = None,
    trial: int = 0,
    allow_replayed: bool = False,
    options: list[str] | None = None,
    limits: Mapping[str, Any] | None = None,
    edit: Mapping[str, Any] | None = None,
    how: str = Replay.How.WEIR,
    repeats: Replay | None = None,
    stages: bool = False,
    start_at_once: bool = False,
    confirm: int | None = None,
) -> Replay:
    """A replay with its plan, when that is ready within ten seconds; else it is still planning. Raises DeedRefused."""
    principal.must(NEEDS.get(Replay.Deed(deed), "replay"))
    orders.must_change(queue, "queue_id")
    if deed in (Replay.Deed.MOVE, Replay.Deed.COPY) and to is None:
        raise DeedRefused("to", "Say to which queue.")
    if deed == Replay.Deed.DELETE and to is not None:
        raise DeedRefused("to", "What is deleted goes nowhere.")
    orders.destination(to, queue)
    checked = checked_selection(principal, queue, selection, anew=repeats is None)
    if how == Replay.How.BROKER:
        _check_own_move(deed, checked, trial, bool(options), bool(edit))
    replay = Replay.objects.create(
        deed=deed, queue=queue, queue_name=queue.name, broker_name=queue.broker.name, selection=checked,
        to=None if to is None else dict(to), rate=checked_rate(rate), trial=_trial(trial),
        allow_replayed=allow_replayed,
        options=sorted(set(options or [])), limits=checked_limits(limits or {}), repeats=repeats, made_by=principal.who,
        how=how, stages=stages,
        secret_edit=_edit(principal, queue, checked, edit),
    )  # fmt: skip
    more: dict[str, Any] = {"edited": orders.edited_parts(replay)} if edit else {}
    audit.record(
        principal.who, f"plan {deed}", _target(replay), selection=_shown(checked), to=to, rate=rate, how=how, **more
    )
    _plan(principal, replay, start_at_once, confirm)
    replay.refresh_from_db()
    return replay


def _plan(principal: Principal, replay: Replay, start_at_once: bool, confirm: int | None) -> None:
    refused: list[DeedRefused] = []

    def work() -> None:
        try:
            refused.extend(make_plan(replay.pk))
            the_bus().note("replay_told", replay=replay.pk)
            if start_at_once and not refused:
                start(principal, Replay.objects.get(pk=replay.pk), confirm)
        except DeedRefused as error:
            refused.append(error)
            _drop(replay, str(error))
        except Exception:
            log.exception("Replay %d could not be planned.", replay.pk)
            with suppress(DatabaseError):
                pruning.give_up(Replay.objects.filter(pk=replay.pk), "Weir itself failed at this; its log says where.")
        finally:
            connections.close_all()

    thread = Thread(target=work, name=f"plan-{replay.pk}", daemon=True)
    thread.start()
    thread.join(PATIENCE)
    if refused:
        raise refused[0]


def _drop(replay: Replay, reason: str) -> None:
    """A plan that was to be started at once, and was not: nobody knows it by its number."""
    dropped = {"state": Replay.State.STOPPED, "reason": reason[:1000], "ended_at": timezone.now()}
    Replay.objects.filter(pk=replay.pk, state=Replay.State.PLANNED).update(**dropped)


def start(principal: Principal, replay: Replay, confirm: int | None = None) -> Replay:
    """Hand a planned replay to the workers. `confirm`: the count, typed, where the plan asks for it."""
    principal.must(NEEDS.get(Replay.Deed(replay.deed), "replay"))
    if replay.state == Replay.State.FAILED and replay.started_at is None:
        raise DeedRefused("", f"This cannot be done: {replay.reason}", conflict=True)
    if replay.state != Replay.State.PLANNED:
        raise DeedRefused("", f"This replay is {replay.state}: only a planned one can be started.", conflict=True)
    wanted = (replay.plan or {}).get("confirm")
    if wanted is not None and confirm != wanted:
        raise DeedRefused("confirm", f"This concerns {wanted:,} messages: give that number as confirm to go on.")
    orders.must_change(replay.queue)
    state = Replay.State.TRIAL if replay.trial else Replay.State.RUNNING
    columns: dict[str, Any] = {"state": state, "started_at": timezone.now(), "started_by": principal.who}
    if replay.deed == Replay.Deed.DELETE:
        columns["undone_until"] = timezone.now() + timedelta(days=keeping.DAYS)
    with _alone_on(replay):
        if not Replay.objects.filter(pk=replay.pk, state=Replay.State.PLANNED).update(**columns):
            raise DeedRefused("", "Somebody else has just started or stopped it.", conflict=True)
        _end_watches(replay)
    return _done(principal, replay, "start")


def pause(principal: Principal, replay: Replay) -> Replay:
    """Its worker lets go of every letter, and of the replay."""
    if replay.how == Replay.How.BROKER:
        raise DeedRefused("", "A broker's own move knows no pause: stop it, and what is left stays.", conflict=True)
    return _order(principal, replay, "pause", ACTIVE, Replay.State.PAUSED, reason=f"Paused by {principal.who}.")


def resume(principal: Principal, replay: Replay) -> Replay:
    """Go on where it was: what is paused, or failed for a reason that is mended."""
    states = (Replay.State.PAUSED, Replay.State.FAILED)
    if replay.state not in states:
        raise DeedRefused("", f"This replay is {replay.state}: it cannot resume now.", conflict=True)
    if replay.state == Replay.State.FAILED and replay.started_at is None:
        raise DeedRefused("", "It never started: make a new one.", conflict=True)
    if gone := pruning.sentence(replay):
        raise DeedRefused("", f"{gone} Make a new one.", conflict=True)
    orders.must_change(replay.queue)
    with _alone_on(replay):
        _end_watches(replay)
        return _order(principal, replay, "resume", states, Replay.State.RUNNING, reason="", trouble="", ended_at=None)


def stop(principal: Principal, replay: Replay) -> Replay:
    """For good: what was sent stays sent, the rest stays where it is."""
    states = (*ACTIVE, Replay.State.PLANNING, Replay.State.PLANNED, Replay.State.PAUSED)
    idle = {"ended_at": timezone.now()} if not replay.owner else {}
    _order(principal, replay, "stop", states, Replay.State.STOPPED, reason=f"Stopped by {principal.who}.", **idle)
    left = Replay.objects.filter(pk=replay.pk, state=Replay.State.STOPPED, owner="", how=Replay.How.WEIR)
    # What a paused one left open is named by a worker, who sees its journal.
    left.exclude(deed=Replay.Deed.RESTORE).exclude(place="").update(owner=UNCLOSED, owned_until=None)
    the_bus().note("replays_changed")
    return replay


def change_rate(principal: Principal, replay: Replay, rate: float | None) -> Replay:
    """From the next batch on; None = no limit."""
    principal.must("replay")
    if replay.over:
        raise DeedRefused("", f"This replay is {replay.state}: its rate matters no more.", conflict=True)
    if replay.how == Replay.How.BROKER and replay.started_at is not None:
        raise DeedRefused("rate", "A broker's own move keeps the rate that it began with.", conflict=True)
    before, rate = replay.rate, checked_rate(rate)
    Replay.objects.filter(pk=replay.pk).update(rate=rate)
    return _done(principal, replay, "change rate of", before=before, rate=rate)


def repeat(principal: Principal, replay: Replay) -> Replay:
    """A new replay, planned, of those that failed or were left out of one that is over. Raises DeedRefused."""
    if not replay.over or replay.queue is None:
        raise DeedRefused("", "Only what is over can be repeated.", conflict=True)
    if replay.how == Replay.How.BROKER:
        raise DeedRefused("", "A broker's own move keeps no journal: plan what is left anew.", conflict=True)
    if gone := pruning.sentence(replay):
        raise DeedRefused("", gone, conflict=True)
    try:
        with Reading(journal_path(replay.own)) as journal:
            ids = [row.id for kind in ("failed", "skipped") for row in journal.messages(kind, most=MOST_IDS)]
    except JournalError as error:
        raise DeedRefused("", str(error), conflict=True) from error
    if not ids:
        raise DeedRefused("", "None of it failed or was left out.", conflict=True)
    return make(
        principal, replay.queue, {"ids": ids}, replay.deed, replay.to, replay.rate, replay.trial,
        allow_replayed=replay.allow_replayed, options=replay.options, limits=replay.limits, repeats=replay,
    )  # fmt: skip


def restore(principal: Principal, deletion: Replay, confirm: int | None = None) -> Replay:
    """Put what was deleted back where it was; returns the replay that does it. `confirm`: the count, where the queue
    would push its oldest out for what comes. Raises DeedRefused."""
    principal.must("delete_letters")
    if deletion.deed != Replay.Deed.DELETE or deletion.started_at is None:
        raise DeedRefused("", "This is no deletion.", conflict=True)
    if deletion.undone_until is None or deletion.undone_until < timezone.now():
        raise DeedRefused("", "Its copies are no longer kept.", conflict=True)
    kept = keeping.counts(deletion.own)
    left = kept["kept"] - kept["restored"]
    if not left:
        raise DeedRefused("", "Everything that was kept of it has been restored.", conflict=True)
    if deletion.queue is None:
        raise DeedRefused("", f"{deletion.queue_name} is no longer known here.", conflict=True)
    orders.must_change(deletion.queue)
    plan = restoring.planned(deletion.queue, left)
    if plan.confirm is not None and confirm != plan.confirm:
        said = f"This concerns {plan.confirm:,} messages: give their number (confirm) to go on."
        raise DeedRefused("confirm", f"{' '.join(plan.warnings)} {said}")
    with _alone_on(deletion):
        if Replay.objects.filter(pk=deletion.pk, state__in=_UNDER_WAY).exists():
            raise DeedRefused("", "It is still being deleted: stop that first.", conflict=True)
        if Replay.objects.filter(repeats=deletion, deed=Replay.Deed.RESTORE, state__in=_UNDER_WAY).exists():
            raise DeedRefused("", "It is being restored.", conflict=True)
        made = Replay.objects.create(
            deed=Replay.Deed.RESTORE, queue=deletion.queue, queue_name=deletion.queue_name, repeats=deletion,
            broker_name=deletion.broker_name, selection={"all": True}, state=Replay.State.RUNNING, total=left,
            made_by=principal.who, started_by=principal.who, started_at=timezone.now(), place=deletion.place,
            plan=plan.as_json(),
        )  # fmt: skip
        _end_watches(made)
    return _done(principal, made, "start")


# --- inside ----------------------------------------------------------------------------------------------------------
@contextmanager
def _alone_on(replay: Replay) -> Iterator[None]:
    """Nobody else begins on its queue meanwhile. Raises DeedRefused where somebody is at work there; who only watches
    is not (`_end_watches`)."""
    with transaction.atomic():
        Queue.objects.select_for_update().filter(pk=replay.queue_id).first()
        there = Replay.objects.filter(queue=replay.queue_id, state__in=ACTIVE).exclude(pk=replay.pk)
        other = there.exclude(state=Replay.State.WATCHING).first() if replay.queue_id is not None else None
        if other is not None:
            raise DeedRefused(
                "",
                f"{other.deed.capitalize()} {other.pk} is {other.state} on {replay.queue_name}: one at a time. Stop "
                "that one, or wait until it is over.",
                True,
            )
        yield


def _end_watches(beginning: Replay) -> None:
    """Whoever watches its queue for returns does so until now: what this one takes from there, or what comes back of
    it, would be taken for others' returns, or hide them. Their workers look once more before this one begins."""
    if beginning.queue_id is not None:
        there = Replay.objects.filter(queue=beginning.queue_id, state=Replay.State.WATCHING)
        there.exclude(pk=beginning.pk).update(followed_by=beginning)


def _order(
    principal: Principal, replay: Replay, verb: str, states: tuple[Any, ...], state: str, **columns: Any
) -> Replay:
    principal.must(NEEDS.get(Replay.Deed(replay.deed), "replay"))
    there = Replay.objects.filter(pk=replay.pk, state__in=states, journal_removed_at=None)
    if not there.update(state=state, **columns):
        replay.refresh_from_db()
        raise DeedRefused("", f"This replay is {replay.state}: it cannot {verb} now.", conflict=True)
    return _done(principal, replay, verb)


def _done(principal: Principal, replay: Replay, verb: str, **details: Any) -> Replay:
    audit.record(principal.who, f"{verb} {replay.deed}", _target(replay), **details)
    transaction.on_commit(lambda: the_bus().note("replays_changed"))
    transaction.on_commit(lambda: the_bus().note("replay_told", replay=replay.pk))
    replay.refresh_from_db()
    return replay


def _target(replay: Replay) -> str:
    return f"{replay.deed} {replay.pk} of {replay.queue_name}"


def _shown(selection: Mapping[str, Any]) -> dict[str, Any]:
    """A selection for the audit trail: of ids, how many."""
    return {"ids": len(selection["ids"])} if "ids" in selection else dict(selection)


def checked_selection(
    principal: Principal, queue: Queue, selection: Mapping[str, Any], anew: bool = True
) -> dict[str, Any]:
    """The selection as it is kept: exactly one kind. `anew`: somebody made it, it is not out of a journal. Raises
    DeedRefused."""
    kinds = [kind for kind in KINDS if (said := selection.get(kind)) is not None and said is not False and said != ""]
    if len(kinds) != 1:
        raise DeedRefused("selection", f"Choose by exactly one of {', '.join(KINDS)}.")
    (kind,), value = kinds, selection[kinds[0]]
    more = {name: True for name in ("beyond_bound", "others") if selection.get(name)}
    if "others" in more and kind not in ("filter", "cause", "ids"):
        raise DeedRefused("selection", "others goes with a filter, a cause or ids.")
    if kind == "ids":
        if not 0 < len(value) <= MOST_IDS:
            raise DeedRefused("selection", f"Choose at least one and at most {MOST_IDS:,} letters.")
        if anew and not orders.any_known(queue, value):
            raise DeedRefused("selection", f"None of these letters is known in {queue.name}.")
    elif kind == "oldest" and not 0 < value < 2**31:
        raise DeedRefused("selection", "oldest must be a whole number above 0.")
    elif kind == "cause" and anew and not Cause.objects.filter(fingerprint=value).exists():
        raise DeedRefused("selection", f"There is no cause with the fingerprint {visible(value[:40])}.")
    elif kind == "filter":
        try:
            choosing.parsed(value, choosing.Sight.of(principal))
        except filters.FilterError as error:
            raise DeedRefused("selection", str(error)) from None
    return {kind: value} | more


def checked_rate(rate: float | None) -> float | None:
    """Messages a second. Raises DeedRefused."""
    if rate is None:
        return None
    if not math.isfinite(rate) or not 0.01 <= rate <= FASTEST:
        raise DeedRefused("rate", f"The rate must be from 0.01 to {FASTEST:,.0f} a second, or null for no limit.")
    return float(rate)


def _trial(trial: int) -> int:
    if not 0 <= trial <= 10_000:
        raise DeedRefused("trial", "The trial must be from 0 (none) to 10,000 messages.")
    return trial


def checked_limits(limits: Mapping[str, Any]) -> dict[str, Any]:
    """Those that differ from the usual ones. Raises DeedRefused."""
    known = Limits.__dataclass_fields__
    for name, value in limits.items():
        if name not in known:
            raise DeedRefused("limits", f"There is no limit '{name[:40]}'; there are {', '.join(known)}.")
        none = value is None and name in ("depth", "lag")
        if not none and (isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1e9):
            raise DeedRefused("limits", f"{name} must be a number from 0 to 1,000,000,000.")
    return dict(limits)


def _check_own_move(deed: str, selection: Mapping[str, Any], trial: int, options: bool, edit: bool) -> None:
    """A broker's own move takes a whole queue as it is. Raises DeedRefused."""
    if deed not in (Replay.Deed.REPLAY, Replay.Deed.MOVE):
        raise DeedRefused("how", f"A broker does not {deed} by itself; it moves.")
    if not selection.get("all"):
        raise DeedRefused("how", "A broker's own move takes all that lies in the queue; it cannot choose.")
    for field, asked in (("trial", trial > 0), ("options", options), ("edit", edit)):
        if asked:
            raise DeedRefused(field, f"A broker's own move knows no {field.rstrip('s')}.")


def _edit(principal: Principal, queue: Queue, selection: Mapping[str, Any], edit: Mapping[str, Any] | None) -> str:
    if not edit:
        return ""
    principal.must("edit_letters")
    named = orders.named_letters(queue, selection) or {}
    if len(named) != 1 or "ids" not in selection:
        raise DeedRefused("edit", "One letter at a time can be edited.")
    body, headers = editing.merged(queue, next(iter(named)), edit.get("body"), edit.get("headers") or {})
    told = {"body": None if body is None else body.decode("latin-1"), "headers": headers or None}
    return encrypt(orjson.dumps(told).decode())
