"""The order of queues: by any column, unknown last, and by attention."""

from __future__ import annotations

import time

import numpy as np
import pytest

from dashboard.fleet import Fleet
from dashboard.insight.states import Reason, State
from dashboard.live.sorting import COLUMNS, Sorter
from dashboard.models import Relation
from tests.dashboard.fleets import made_up_broker, made_up_tick

pytestmark = pytest.mark.django_db


def names(snapshot, sort, shown=None):
    shown = np.ones(len(snapshot), bool) if shown is None else shown
    return [snapshot.entries[i].name for i in Sorter().order(snapshot, sort, shown)]


def fleet_of(queues, **metrics):
    broker, ids = made_up_broker("prod", queues)
    fleet = Fleet()
    fleet.accept(made_up_tick(broker.id, ids, **metrics))
    return fleet.snapshot()


def test_unknown_is_last_in_both_directions_and_ties_go_by_name():
    snapshot = fleet_of(["d", "C", "b", "a"], lag_seconds=[3, np.nan, 3, 9])
    assert names(snapshot, "lag") == ["b", "d", "a", "C"]
    assert names(snapshot, "-lag") == ["a", "b", "d", "C"]


def test_names_go_by_letter_and_not_by_case():
    snapshot = fleet_of(["b", "C", "a", "B"], depth=1)
    assert names(snapshot, "name") == ["a", "B", "b", "C"]
    assert names(snapshot, "-name") == ["C", "b", "B", "a"]


def test_a_queue_that_never_clears_comes_after_those_that_do_and_before_the_unknown():
    snapshot = fleet_of(["never", "soon", "unknown"], depth=1)
    snapshot.clears = np.array([np.inf, 5.0, np.nan])
    assert names(snapshot, "clears") == ["soon", "never", "unknown"]
    assert names(snapshot, "-clears") == ["never", "soon", "unknown"]


def test_the_default_leads_with_what_needs_attention_then_by_state_then_by_depth():
    words = ["idle", "steady", "stalled", "growing", "unknown", "draining", "steady"]
    names_ = [f"{n}-{word}" for n, word in enumerate(words)]
    snapshot = fleet_of(
        names_,
        depth=[0, 5, 10, 5000, np.nan, 7, 50],
        state=[State[word.upper()] for word in words],
        since=time.time() - 600,
    )
    expected = ["2-stalled", "3-growing", "5-draining", "6-steady", "1-steady", "4-unknown", "0-idle"]
    assert names(snapshot, "") == expected == names(snapshot, "attention")


def test_a_queue_of_dead_letters_that_nobody_reads_is_no_alarm():
    broker, ids = made_up_broker("prod", ["orders", "orders.dead", "mail"])
    Relation.objects.create(source_id=ids[0], target_id=ids[1], kind="dead_letters")
    fleet = Fleet()
    states = [State.GROWING, State.STALLED, State.STALLED]
    fleet.accept(made_up_tick(broker.id, ids, depth=[2000, 9000, 1], state=states, reason=Reason.NO_CONSUMERS))
    assert names(fleet.snapshot(), "") == ["mail", "orders", "orders.dead"]


def test_only_what_is_shown_is_sorted():
    snapshot = fleet_of(["a", "b", "c"], depth=[1, 2, 3])
    assert names(snapshot, "-depth", np.array([True, False, True])) == ["c", "a"]


@pytest.mark.parametrize("column", sorted(COLUMNS))
def test_every_column_sorts_without_losing_a_row(column):
    snapshot = fleet_of(["a", "b", "c"], depth=[3, 1, 2], consumers=[1, np.nan, 0])
    assert sorted(names(snapshot, column)) == sorted(names(snapshot, f"-{column}")) == ["a", "b", "c"]


def test_new_names_are_sorted_anew():
    sorter = Sorter()
    one, other = fleet_of(["b", "a"], depth=1), fleet_of_other(["x", "c", "d"])
    assert [one.entries[i].name for i in sorter.order(one, "name", np.ones(2, bool))] == ["a", "b"]
    assert [other.entries[i].name for i in sorter.order(other, "name", np.ones(3, bool))] == ["c", "d", "x"]


def fleet_of_other(queues):
    broker, ids = made_up_broker("other", queues)
    fleet = Fleet()
    fleet.accept(made_up_tick(broker.id, ids, depth=1))
    return fleet.snapshot()
