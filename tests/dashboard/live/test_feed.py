"""The feed: a fleet that is refilled from the store and follows the bus."""

from __future__ import annotations

import time

import numpy as np
import pytest

from dashboard.live.bus import InProcess
from dashboard.live.feed import WHOLE_TICKS, Feed, past
from dashboard.store import open_store
from tests.dashboard.fleets import made_up_broker, made_up_tick

pytestmark = pytest.mark.django_db


@pytest.fixture
def store(tmp_path):
    store = open_store(tmp_path)
    yield store
    store.close()


@pytest.fixture
def bus():
    return InProcess()


def filled(store, ticks: int, step: float = 10.0, queues: int = 2):
    """A broker with stored ticks of rising depths that end now; its ids and the time of the last."""
    broker, ids = made_up_broker("prod", queues)
    last = time.time() - 1
    for n in range(ticks):
        store.append(made_up_tick(broker.id, ids, last - (ticks - 1 - n) * step, depth=n))
    return broker, ids, last


def test_it_starts_with_what_the_store_knows(store, bus):
    _, ids, last = filled(store, 120)
    fleet = Feed(bus, store).fleet
    snapshot = fleet.snapshot()
    assert snapshot.ids.tolist() == ids and snapshot.column("depth").tolist() == [119, 119]
    _, values = fleet.sparks(ids, last)
    line = values[0][~np.isnan(values[0])]
    assert len(line) >= 39 and line[0] < 5 and line[-1] == 119 and (np.diff(line) > 0).all()


def test_of_the_past_only_the_newest_ticks_are_taken_whole(store):
    broker, _, last = filled(store, 180)
    ticks = past(store, broker.id, last)
    assert len(ticks) <= WHOLE_TICKS + 60
    assert [tick.at for tick in ticks] == sorted(tick.at for tick in ticks)
    assert ticks[-1].judgement is not None and ticks[-1].at == pytest.approx(last)


def test_ticks_of_the_bus_follow_and_listeners_are_told_after_the_fleet_knows(store, bus):
    broker, ids, last = filled(store, 3)
    feed, seen = Feed(bus, store), []
    end = feed.listen(lambda: seen.append(feed.fleet.snapshot().column("depth")[0]))
    bus.publish(made_up_tick(broker.id, ids, last + 1, depth=77))
    end()
    bus.publish(made_up_tick(broker.id, ids, last + 2, depth=78))
    assert seen == [77] and feed.fleet.snapshot().column("depth")[0] == 78


def test_a_tick_that_comes_while_the_store_is_read_hides_no_history(store, bus):
    broker, ids, last = filled(store, 60)

    class Slow:
        """A store during whose reading a tick arrives."""

        def __getattr__(self, name):
            return getattr(store, name)

        def recent(self, *asked):
            bus.publish(made_up_tick(broker.id, ids, last + 5, depth=500))
            return store.recent(*asked)

    feed = Feed(bus, Slow())
    assert feed.fleet.snapshot().column("depth")[0] == 500
    _, values = feed.fleet.sparks(ids, last)
    assert (~np.isnan(values[0])).sum() >= 19


def test_a_broker_that_was_deleted_is_forgotten(store, bus):
    broker, *_ = filled(store, 2)
    feed, told = Feed(bus, store), []
    feed.listen(lambda: told.append(True))
    id = broker.id
    broker.delete()
    bus.note("broker_deleted", broker=id)
    assert len(feed.fleet.snapshot()) == 0 and told


def test_after_stop_it_follows_no_more(store, bus):
    broker, ids, last = filled(store, 2)
    feed = Feed(bus, store)
    feed.stop()
    bus.publish(made_up_tick(broker.id, ids, last + 1, depth=9))
    assert feed.fleet.snapshot().column("depth")[0] == 1


def test_a_store_that_cannot_be_read_leaves_no_subscriber_behind(bus):
    made_up_broker()

    class Broken:
        def recent(self, *asked):
            raise OSError("the disk is gone")

    with pytest.raises(OSError, match="disk"):
        Feed(bus, Broken())
    assert not bus.wants_ticks
