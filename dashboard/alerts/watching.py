"""The rules of one broker in the ingest: each tick is judged, and what begins or ends is written down at once.

What a restart has to know (`RuleMemory`), incidents, and what is to be told of them are one transaction: a process that
is killed at any moment has either done all of it or nothing, and the next one goes on from there.
"""

from __future__ import annotations

import logging
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import orjson
from django.db import DatabaseError, transaction
from django.utils import timezone

from ..directory import Directory, Entry
from ..models import Broker, Fact, Queue, Rule, RuleMemory
from ..snapshot import number
from ..store.base import Store, StoreError
from ..ticks import Ring, Tick
from . import incidents, silences
from .conditions import NUMERIC, ON_TICKS, BadCondition, Condition, amount, words
from .frames import TickFrame, rolled
from .incidents import Closing, Opening
from .rules import Change, Engine, Spec, longest_window
from .scopes import ScopeTable
from .usual import usual_of

log = logging.getLogger("weir.alerts")

VERSION = "rules_version"
_BEFORE = 300.0  # what changed is told against so many seconds earlier


def touch_rules() -> None:
    """Say that rules are others: every collector reads them again before its next tick."""
    Fact.objects.update_or_create(name=VERSION, defaults={"value": str(timezone.now().timestamp())})


class Watch:
    """Judges the rules on the ticks of one broker."""

    def __init__(self, broker: int, store: Store, ring: Ring) -> None:
        self.broker, self.store = broker, store
        self.directory = Directory()
        self.rules: dict[int, Rule] = {}
        self.engine: Engine | None = None
        self.name = ""
        self._version: str | None = None
        self._table: tuple[Any, ScopeTable] | None = None
        self._unwritten: list[tuple[Change, TickFrame]] = []
        self._past = list(ring)

    def __call__(self, tick: Tick, ring: Ring) -> None:
        """Judge a tick that comes after all of the ring's. Never raises: what cannot be written is tried again."""
        try:
            self._follow_rules(tick.at)
            if self.engine is None or not self.rules:
                return
            self._judge(self.engine, tick, ring)
        except DatabaseError as error:
            log.warning("Rules on broker %d wait for the database: %s", self.broker, " ".join(str(error).split())[:200])
        except Exception:  # a mistake in judging a rule must never cost samples
            log.exception("The rules on broker %d could not be judged.", self.broker)

    def _judge(self, engine: Engine, tick: Tick, ring: Ring) -> None:
        frame = TickFrame(tick, ring, engine.ids, self._entries)
        table = self._scopes(frame)
        scopes = {id: table.mask(rule.filter) for id, rule in self.rules.items()}
        before = engine.stirred
        changes = engine.judge(frame, scopes)
        self._unwritten += [(change, frame) for change in changes]
        if self._unwritten or engine.stirred != before:
            with transaction.atomic():
                self._write(engine, table, ring)
            self._unwritten = []

    # --- rules ---------------------------------------------------------------------------------------------------

    def _follow_rules(self, at: float) -> None:
        """Read the rules again when they are others; at the first tick, go on where the last process was."""
        version = Fact.objects.filter(name=VERSION).values_list("value", flat=True).first() or ""
        if version == self._version:
            return
        broker = Broker.objects.filter(pk=self.broker).first()
        if broker is None:
            return
        self.name = broker.name
        specs, self.rules = [], {}
        for rule in Rule.objects.filter(enabled=True):
            try:
                condition = Condition.read(rule.condition)
            except BadCondition as error:
                log.warning("The rule %s is left out: %s", rule.name, error)
                continue
            if condition.kind in ON_TICKS:
                specs.append(Spec(rule.pk, condition))
                self.rules[rule.pk] = rule
        first = self.engine is None
        engine = self.engine or Engine(broker.interval, usual_of(self.store))
        engine.interval = broker.interval
        engine.set_rules(specs)
        self.engine = engine
        if first:
            self._resume(engine)
        self._refill(engine, longest_window(specs), at)
        self._adopt(engine)
        self._version = version

    def _resume(self, engine: Engine) -> None:
        """Where the last process was; ticks that came after its last word changed nothing."""
        memory = RuleMemory.objects.filter(broker_id=self.broker).first()
        if memory is None:
            return
        kept = unpacked(bytes(memory.kept))
        newest = self._past[-1].at if self._past else 0.0
        engine.restore(kept, max(memory.at, newest))

    def _adopt(self, engine: Engine) -> None:
        """What is open in the books fires: it closes when its rule says so, and is never forgotten."""
        for rule, queue in incidents.open_queues(self.broker):
            if rule in engine.phases:
                engine.phases[rule].adopt(queue)

    def _refill(self, engine: Engine, window: float, at: float) -> None:
        """Windows look back on what is stored, and from the ring on."""
        if not window:
            return
        first = self._past[0].at if self._past else at
        if window > at - first:
            ids = list(
                Queue.objects.filter(broker_id=self.broker, gone_at=None).order_by("id").values_list("id", flat=True)
            )
            try:
                past = rolled(self.store, ids, engine.metrics, first - window, first, engine.slot, "last")
                for frame in past.frames():
                    engine.remember(frame)
            except StoreError as error:
                log.warning("Rules with a window begin without the past: %s", error)
        ring = Ring()
        for tick in self._past:
            engine.remember(TickFrame(tick, ring, None, self._entries))
            ring.push(tick)
        self._past = []

    # --- scopes --------------------------------------------------------------------------------------------------

    def _entries(self, tick: Tick) -> Mapping[int, Entry]:
        marks = Broker.objects.filter(pk=self.broker).values_list("marks", "name").first() or (0, self.name)
        self.name = marks[1]
        return self.directory.of(self.broker, (tick.inventory, *marks)).entries

    def _scopes(self, frame: TickFrame) -> ScopeTable:
        entries = frame.entries
        if self._table is None or self._table[0] is not entries or not np.array_equal(self._table[1].ids, frame.ids):
            rows = [entries.get(id) for id in frame.ids.tolist()]
            self._table = (entries, ScopeTable(self.name, frame.ids, rows))
        self._table[1].numbers_of = frame.numbers
        return self._table[1]

    # --- what began and what ended -------------------------------------------------------------------------------

    def _write(self, engine: Engine, table: ScopeTable, ring: Ring) -> None:
        now = silences.all_in_force(timezone.now())
        for change, frame in self._unwritten:
            rule = self.rules.get(change.rule)
            if rule is None:
                continue
            closings = [
                Closing(rule, f"q{queue}", change.at, _over(rule, value), queue) for queue, value in change.closed
            ]
            closings += [Closing(rule, f"q{queue}", change.at, "The queue is gone.", queue) for queue in change.gone]
            incidents.close_many(closings)
            openings = [self._opening(rule, queue, value, frame, ring) for queue, value in change.opened]
            for opening in openings:
                row = int(np.searchsorted(table.ids, opening.queue or 0))
                known = row < len(table.ids) and table.ids[row] == opening.queue
                opening.silence = silences.silence_of(now, rule, table, row if known else None)
            incidents.open_many(openings)
        RuleMemory.objects.update_or_create(
            broker_id=self.broker, defaults={"at": engine.at or 0.0, "kept": packed(engine.kept())}
        )

    def _opening(self, rule: Rule, queue: int, value: float, frame: TickFrame, ring: Ring) -> Opening:
        entry = frame.entries.get(queue)
        name = entry.name if entry else Queue.objects.filter(pk=queue).values_list("name", flat=True).first() or "?"
        values: dict[str, Any] = {"value": number(value), "never": value == np.inf, "row": frame.row(queue)}
        values["changed"] = _changes(frame.row(queue), _earlier(ring, queue, frame.at))
        why = f"{_why(rule, value)} {frame.why(queue)}".strip()
        return Opening(rule, f"q{queue}", frame.at, why, queue, name, self.broker, self.name, values)


def packed(kept: Mapping[int, list[tuple[int, int, float]]]) -> bytes:
    """Phases for the database."""
    return zlib.compress(orjson.dumps([[rule, rows] for rule, rows in kept.items()]), 1)


def unpacked(data: bytes) -> dict[int, list[tuple[int, int, float]]]:
    """The opposite of `packed`; nothing for what cannot be read: open incidents are adopted all the same."""
    try:
        return {rule: [(q, p, s) for q, p, s in rows] for rule, rows in orjson.loads(zlib.decompress(data))}
    except (ValueError, TypeError, zlib.error):
        return {}


def _why(rule: Rule, value: float) -> str:
    condition = Condition.read(rule.condition)
    said = f"{words(condition)}"
    if condition.kind in NUMERIC and value == value:
        said += f": {'it is' if condition.metric.endswith('_seconds') else 'now'} {amount(condition.metric, value)}"
    return f"{said[:1].upper()}{said[1:]}."


def _over(rule: Rule, value: float) -> str:
    condition = Condition.read(rule.condition)
    if condition.kind not in NUMERIC or value != value:
        return "It is over."
    said = amount(condition.metric, value)
    return f"It is {said} again." if condition.kind == "threshold" else f"It is over: now {said}."


def _earlier(ring: Ring, queue: int, at: float) -> dict[str, float | int | None]:
    """The numbers of a queue some minutes ago."""
    before = [tick for tick in ring if tick.at <= at - _BEFORE] or list(ring)[:1]
    return TickFrame(before[-1], Ring(), None, lambda _: {}).row(queue) if before else {}


def _changes(now: Mapping[str, Any], before: Mapping[str, Any]) -> list[str]:
    """What is another than it was: "consumers 4 → 0"."""
    said = []
    for metric, word in (("consumers", "consumers"), ("in_rate", "in"), ("out_rate", "out"), ("depth", "depth")):
        old, new = before.get(metric), now.get(metric)
        if old is None or new is None or abs(new - old) <= 0.2 * max(abs(old), abs(new)):
            continue
        said.append(f"{word} {amount(metric, old)} → {amount(metric, new)}")
    return said
