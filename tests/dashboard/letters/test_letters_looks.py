"""Looking: the price first, a budget that is written down before the look, and nothing lost whatever happens."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from collectors.errors import Unreachable
from dashboard.access import Principal
from dashboard.letters import choosing, looks
from dashboard.letters.columns import letters
from dashboard.models import AuditEntry, Look, Place
from dashboard.refused import DeedRefused

from ..letterbox import Letterbox

MIRA = Principal("person", 1, "mira", "operator")


@pytest.fixture
def box(web):
    box = Letterbox()
    box.put(3)
    box.poll()
    return box


def limited(box, limit):
    with box.world.still() as queues:
        queues["orders.dlq"].limit = limit


def test_fifty_looks_at_a_queue_with_a_limit_drop_nothing_and_end_in_a_sentence(box):
    limited(box, 5)
    before, refused = box.ready(), ""
    for _ in range(50):
        try:
            looks.look(MIRA, box.dlq, 50)
        except DeedRefused as error:
            refused = str(error)
    assert box.ready() == before and box.world.queue("orders.dlq").dropped == 0
    assert Look.objects.count() == 4 and Place.objects.get().deliveries == 4
    assert "budget of orders.dlq is spent" in refused and "at 5" in refused
    assert AuditEntry.objects.filter(action="look", result="done").count() == 4
    assert AuditEntry.objects.filter(action="look").exclude(result="done").count() == 46


def test_the_budget_follows_what_the_letters_say_and_is_whole_again_after_the_queue_was_empty(box):
    limited(box, 10)
    looks.look(MIRA, box.dlq)
    Place.objects.update(deliveries=7)  # as after killed looks, which were written down and never happened
    looks.look(MIRA, box.dlq)
    assert Place.objects.get().deliveries == 2
    Place.objects.update(deliveries=9)
    assert looks.offer(box.dlq).left == 0
    assert looks.refill(box.dlq.pk, time.time() + 1)
    assert looks.offer(box.dlq).left == 9 and not looks.refill(box.dlq.pk, time.time() + 1)


def test_a_part_of_a_queue_says_nothing_of_the_letters_that_were_not_seen(box):
    limited(box, 10)
    Place.objects.create(queue=box.dlq, deliveries=6)
    looks.look(MIRA, box.dlq, 1)
    assert Place.objects.get().deliveries == 6


def test_a_look_that_breaks_stays_spent_and_gives_the_turn_back(box):
    limited(box, 10)
    looks.place_of(box.dlq)
    box.world.interrupt = lambda step, numbers: (_ for _ in ()).throw(Unreachable("The line is cut."))
    with pytest.raises(Unreachable):
        looks.look(MIRA, box.dlq)
    box.world.interrupt = None
    place = Place.objects.get()
    assert (place.deliveries, place.owner) == (1, "")
    assert AuditEntry.objects.get(action="look").result == "The line is cut."


def test_one_look_at_a_time_where_it_has_a_price_and_a_dead_lookers_turn_ends(box):
    limited(box, 10)
    place = looks.place_of(box.dlq)
    assert looks.claim(box.dlq.pk, "another", 60)
    with pytest.raises(DeedRefused, match="right now"):
        looks.look(MIRA, box.dlq)
    assert Place.objects.get().deliveries == 0
    Place.objects.filter(pk=place.pk).update(owned_until=time.time() - 1)
    assert looks.look(MIRA, box.dlq).of == 3


def test_a_look_only_broker_is_looked_into_only_where_that_leaves_no_trace(web):
    box = Letterbox(look_only=True)
    box.put(2)
    box.poll()
    assert len(looks.look(MIRA, box.dlq).letters) == 2
    limited(box, 5)
    with pytest.raises(DeedRefused, match="look-only"):
        looks.look(MIRA, box.dlq)
    assert [m.deliveries for m in box.world._queues["orders.dlq"].ready] == [0, 0]


def test_letters_that_a_complete_look_no_longer_sees_are_gone_and_equal_ones_are_counted(box):
    for _ in range(2):
        box.put(body=b"the same", at=1_700_000_000.0)
    looks.look(MIRA, box.dlq)
    index = letters()
    assert sorted(index.whole["count"].tolist()) == [1, 1, 1, 2] and index.there.all()
    box.world.take("orders.dlq", 4)
    box.world.ack("orders.dlq", 4)
    looks.look(MIRA, box.dlq)
    index = letters()
    assert index.there.sum() == 1 and index.whole["count"][index.there].tolist() == [1]


def test_what_lies_in_a_live_queue_is_seen_and_counted_nowhere(box, operator_api):
    box.world.put_letter("orders", b"alive")
    box.poll()
    live = box.queue("orders")
    look = operator_api.send("post", f"queues/{live.pk}/looks", {}, 201)
    assert [message["body"] for message in look["items"]] == ["alive"]
    assert operator_api.get("dead-letters")["total"] == 0 and operator_api.get("dead-letters/causes")["total"] == 0
    assert list(choosing.chosen(live.pk).values()) == [1]
    operator_api.send("patch", f"queues/{live.pk}", {"holds_dead_letters": "yes"})
    operator_api.send("post", f"queues/{live.pk}/looks", {}, 201)
    assert operator_api.get("dead-letters")["total"] == 1
    operator_api.send("patch", f"queues/{live.pk}", {"holds_dead_letters": "no"})
    operator_api.send("post", f"queues/{live.pk}/looks", {}, 201)
    assert operator_api.get("dead-letters")["total"] == 0


CHILD = """
import os, signal, sys
import django
django.setup()
from collectors.brokers.memory import world
from dashboard.access import Principal
from dashboard.letters import looks
from dashboard.models import Queue

queue = Queue.objects.select_related("broker").get(key="orders.dlq")
box = world(queue.broker.name)
box.put_letter("orders.dlq", b"1")
with box.still() as queues:
    queues["orders.dlq"].limit = 9
box.interrupt = lambda step, numbers: os.kill(os.getpid(), signal.SIGKILL)
looks.look(Principal("person", 1, "mira", "operator"), queue)
"""


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_a_process_that_is_killed_in_mid_look_has_spent_its_look(tmp_path):
    """In a data folder of its own: what the child wrote is what another process finds."""
    environment = {**os.environ, "WEIR_DATA": str(tmp_path), "DJANGO_SETTINGS_MODULE": "dashboard.settings"}

    def run(code):
        return subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)

    subprocess.run([sys.executable, "manage.py", "migrate", "-v0"], env=environment, check=True)
    made = run(
        "import django; django.setup()\n"
        "from dashboard.models import Broker, Queue\n"
        "from dashboard.secrets import encrypt\n"
        "broker = Broker.objects.create(name='box', kind='memory', secret_url=encrypt('memory://box'), safe_url='')\n"
        "Queue.objects.create(broker=broker, key='orders.dlq', name='orders.dlq', kind='memory')\n"
    )
    assert made.returncode == 0, made.stderr
    killed = run(CHILD)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    left = run(
        "import django; django.setup()\n"
        "from dashboard.models import Place\n"
        "place = Place.objects.get()\n"
        "print(place.deliveries, bool(place.owner), place.looked_at)\n"
    )
    assert left.stdout.split() == ["1", "True", "None"], left.stderr
