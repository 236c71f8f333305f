"""Reading by itself: free queues all the time, in steps; what has a price only when it was switched on."""

from __future__ import annotations

import time
from types import SimpleNamespace

import numpy as np
import pytest

from collectors.errors import Unreachable
from collectors.letters import Bounds
from dashboard.access import Principal
from dashboard.letters import bodies, choosing, contents, counting, deeds, looks, pruning, reader, taking
from dashboard.letters.columns import letters
from dashboard.live import bus
from dashboard.live.feed import fleet
from dashboard.live.rounds import Request, Rounds
from dashboard.live.view import BadView, read_view
from dashboard.models import Cause, DeadLetterMark, Incident, Letter, LetterBody, Look, Place, Rule

from ..letterbox import Letterbox

MIRA = Principal("person", 1, "mira", "operator")
VIEWER = Principal("person", 2, "vic", "viewer")


@pytest.fixture
def box(web, monkeypatch):
    monkeypatch.setattr(reader, "STEP", Bounds(messages=10))
    monkeypatch.setattr(reader, "LONGEST", 0.0)
    box = Letterbox()
    box.put(25)
    box.poll()
    return box


def through(one: reader.Reader) -> int:
    """Rounds until there is nothing more to do at once."""
    for n in range(1, 50):
        if not one.round():
            return n
    raise AssertionError("it never ends")


def there() -> int:
    index = letters()
    return int(index.whole["count"][index.there].sum())


def test_a_free_queue_is_read_through_in_steps_and_what_went_is_gone(box):
    one = reader.Reader()
    assert one.round() and there() == 10 and Place.objects.get().complete_at is None
    assert through(one) == 2 and there() == 25
    assert Place.objects.get().complete_at is not None
    box.world.take("orders.dlq", 5)
    box.world.ack("orders.dlq", 5)
    box.put(2, error="Timeout")
    box.poll()
    through(one)
    assert there() == 22 and Letter.objects.exclude(gone_at=None).count() == 5
    revision = letters().revision
    through(one)
    assert letters().revision == revision  # nothing changed, and nothing was written


def test_what_comes_behind_a_long_queue_is_read_without_reading_it_all_again(box, monkeypatch):
    one = reader.Reader()
    through(one)
    monkeypatch.setattr(reader, "LONGEST", 900.0)
    monkeypatch.setattr(reader, "SOON", 900.0)
    monkeypatch.setattr(reader, "LATER", 900.0)
    box.put(3, error="Timeout")
    box.poll()
    asked = []
    adapter = one._adapters[box.broker.pk][1]

    def noted(key, bounds, after="", stop=None, look=adapter.look):
        asked.append(after)
        return look(key, bounds, after, stop)

    monkeypatch.setattr(adapter, "look", noted)
    through(one)
    assert there() == 28 and asked == ["20"]


def test_one_reader_at_a_time_and_a_dead_ones_queue_is_taken_over(box):
    first, second = reader.Reader(), reader.Reader()
    assert first.round()
    assert not second.round() and there() == 10
    Place.objects.update(owned_until=time.time() - 1)
    through(second)
    assert there() == 25


def test_a_failure_is_written_at_the_queue_and_waited_after(box):
    one = reader.Reader()
    box.world.fail(Unreachable("Nothing listens there."))
    assert not one.round()
    assert Place.objects.get().error == "Nothing listens there." and one._not_before[box.dlq.pk] > time.monotonic()
    box.world.fail(None)
    one._not_before.clear()
    through(one)
    assert there() == 25 and Place.objects.get().error == ""


def test_what_has_a_price_is_read_only_when_somebody_switched_it_on_and_half_the_budget_is_left(box, monkeypatch):
    monkeypatch.setattr(reader, "PRICED_EVERY", -1.0)
    with box.world.still() as queues:
        queues["orders.dlq"].limit = 10
    one = reader.Reader()
    assert not one.round() and there() == 0
    deeds.look_by_itself(MIRA, box.dlq, True)
    for _ in range(9):
        box.put(1)
        box.poll()
        one.round()
    assert Place.objects.get().deliveries == 4 and Look.objects.filter(by="Weir itself").count() == 4
    assert box.world.queue("orders.dlq").dropped == 0
    assert looks.look(MIRA, box.dlq).of == 34  # a person's look still goes


def test_an_emptied_queue_has_its_whole_budget_again(box):
    with box.world.still() as queues:
        queues["orders.dlq"].limit = 5
    looks.look(MIRA, box.dlq)
    box.world.take("orders.dlq", 25)
    box.world.ack("orders.dlq", 25)
    box.poll()
    reader.Reader().round()
    assert Place.objects.get().deliveries == 0


def test_a_queue_said_by_hand_is_read_too_and_one_that_holds_none_is_not(box):
    box.world.put_letter("parked", b"{}")
    box.poll()
    DeadLetterMark.objects.create(queue=box.queue("parked"), holds=True, by="mira")
    DeadLetterMark.objects.create(queue=box.dlq, holds=False, by="mira")
    box.broker.marks += 1
    box.broker.save(update_fields=["marks"])
    fleet().refresh()
    through(reader.Reader())
    assert list(Letter.objects.values_list("queue__name", flat=True)) == ["parked"]


def test_a_live_page_is_told_when_letters_came(box, monkeypatch):
    monkeypatch.setattr("dashboard.live.rounds.close_old_connections", lambda: None)  # a test has one connection
    rounds = Rounds(fleet(), bus.the_bus())
    view = read_view({"view": "dead-letters", "group": "cause"}, VIEWER)
    request = Request(view, None, None, True, False)
    first = rounds.make([request])[request].frame
    assert '"total":0' in first.text and '"unlooked":["orders.dlq"]' in first.text
    later = Request(view, first, None, False, False)
    assert rounds.make([later]) == {}
    through(reader.Reader())
    deadline = time.monotonic() + 20
    while later not in (made := rounds.make([later])) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert '"count":25' in made[later].frame.text and "from 25 of 25, " in made[later].frame.text
    with pytest.raises(BadView, match="does not see"):
        read_view({"view": "dead-letters", "filter": "body:x"}, VIEWER)
    with pytest.raises(BadView, match="group must be"):
        read_view({"view": "dead-letters", "group": "colour"}, VIEWER)


def test_a_search_that_is_not_through_goes_on_by_itself_and_tells_live_pages(box, monkeypatch):
    rests = []

    class Rest:
        """A thread that runs when the test says so."""

        def __init__(self, target, args, **_):
            self.work, self.done = lambda: target(*args), False
            rests.append(self)

        def start(self): ...

        def is_alive(self):
            return not self.done

    monkeypatch.setattr(contents, "PATIENCE", -1.0)
    monkeypatch.setattr(contents, "Thread", Rest)
    monkeypatch.setattr(contents, "connection", SimpleNamespace(close=lambda: None))
    through(reader.Reader())
    sight, before = choosing.everything(), contents.progress()
    for _ in range(2):
        found = counting.count(fleet().snapshot(), "body:order", "cause", sight)
        words = "searched in 0 of 25 kept letters so far, of 25; more are being read"
        assert (found.summary["messages"], found.summary["searched"], len(rests)) == (0, words, 1)
    rests[0].work()
    rests[0].done = True
    assert contents.progress() > before, "the hub makes a new frame"
    found = counting.count(fleet().snapshot(), "body:order", "cause", sight)
    assert (found.summary["messages"], len(rests)) == (25, 1) and "in 25 of 25 letters" in found.summary["searched"]


def test_replays_choose_by_filter_and_cause_and_test_what_a_lease_takes(box):
    box.put(3, error="Timeout")
    box.poll()
    through(reader.Reader())
    cause = Cause.objects.get(error_class="Timeout")
    assert len(choosing.chosen(box.dlq.pk, "error:card*")) == 25
    assert len(choosing.chosen(box.dlq.pk, "", cause.fingerprint)) == 3
    test = choosing.tester(box.dlq, "error:timeout size>1 body:4111", cause.fingerprint)
    lease = box.adapter.lease("orders.dlq", 60)
    taken = lease.take(100)
    assert [test(one.letter()) for one in taken] == [False] * 25 + [True] * 3
    lease.close()


def test_what_nobody_needs_is_let_go_of_and_readers_follow(box, settings):
    through(reader.Reader())
    old = time.time() - settings.WEIR_RETENTION_LETTERS - 10
    ids, keys = zip(*Letter.objects.order_by("id").values_list("id", "key")[:5], strict=True)
    taking.removed(box.dlq.pk, dict.fromkeys(keys, 1), now=old)
    Letter.objects.filter(id=ids[4] + 1).update(expires_at=time.time() - 5)
    LetterBody.objects.filter(letter=ids[4] + 2).update(expires_at=1.0)
    Cause.objects.create(fingerprint="old", title="old", first_seen=old, revision=0)
    before = letters()
    assert pruning.prune(time.time()) == 5
    index = letters()
    assert (len(before), len(index), int(index.there.sum())) == (20, 20, 19)
    assert LetterBody.objects.count() == 19 and not Cause.objects.filter(fingerprint="old").exists()
    box.broker.delete()
    assert not choosing.mask("", choosing.table(choosing.everything())).any()
    assert Letter.objects.count() == LetterBody.objects.count() == 0


def test_bodies_stay_within_their_bounds(box, monkeypatch):
    through(reader.Reader())
    monkeypatch.setattr(bodies, "MOST_BODIES", 10)
    monkeypatch.setattr(bodies, "_BATCH", 4)
    bodies.prune(time.time())
    assert LetterBody.objects.count() == 9 and there() == 25
    assert np.array(bodies.kept_ids(time.time())).min() > Letter.objects.order_by("id")[15].pk


def test_a_new_cause_in_a_queue_that_was_read_before_opens_an_incident(box):
    Rule.objects.create(name="news", condition={"kind": "event", "value": "cause"})
    one = reader.Reader()
    through(one)
    assert not Incident.objects.exists()  # the first reading finds what was there
    box.put(2, error="Timeout")
    box.put(1)
    box.poll()
    through(one)
    incident = Incident.objects.get()
    assert incident.reason.startswith("Timeout: ") and incident.reason.endswith("is new in orders.dlq: 2 dead letters.")
    box.put(1, error="Timeout")
    box.poll()
    through(one)
    assert Incident.objects.count() == 1
