"""Keys become ids, and names, facts and relations are written without a query per queue."""

from __future__ import annotations

import time

import pytest

from collectors.protocol import Poll, QueueFacts, Relation, Sample
from dashboard.directory import Directory
from dashboard.inventory import Inventory
from dashboard.models import Broker, Queue
from dashboard.models import Relation as RelationRow

pytestmark = pytest.mark.django_db


@pytest.fixture
def broker() -> Broker:
    return Broker.objects.create(name="one", kind="memory", secret_url="", safe_url="memory://one/")


def poll(*names: str, **changes) -> Poll:
    return Poll(at=time.time(), samples=[Sample(f"key {n}", n, "list", depth=1) for n in names], **changes)


def test_each_sample_gets_the_id_of_its_queue(broker):
    ids = Inventory(broker.id).resolve(poll("a", "b"))
    assert list(Queue.objects.filter(id__in=ids.tolist()).order_by("id").values_list("name", flat=True)) == ["a", "b"]


def test_ids_stay_over_polls_and_over_a_restart(broker):
    inventory = Inventory(broker.id)
    first = inventory.resolve(poll("a", "b")).tolist()
    assert inventory.resolve(poll("b", "a")).tolist() == first[::-1]
    assert Inventory(broker.id).resolve(poll("a", "b")).tolist() == first


def test_two_brokers_may_have_queues_of_one_name(broker):
    other = Broker.objects.create(name="two", kind="memory", secret_url="", safe_url="memory://two/")
    assert Inventory(broker.id).resolve(poll("a")) != Inventory(other.id).resolve(poll("a"))


def test_a_queue_that_vanishes_is_gone_and_comes_back_with_its_history(broker):
    inventory = Inventory(broker.id)
    [_, b] = inventory.resolve(poll("a", "b")).tolist()
    inventory.resolve(poll("a"))
    assert Queue.objects.get(id=b).gone_at is not None
    assert inventory.resolve(poll("a", "b")).tolist()[1] == b
    assert Queue.objects.get(id=b).gone_at is None


def test_a_queue_that_a_partial_poll_leaves_out_is_not_gone(broker):
    inventory = Inventory(broker.id)
    [_, b] = inventory.resolve(poll("a", "b")).tolist()
    inventory.resolve(poll("a", complete=False))
    assert Queue.objects.get(id=b).gone_at is None


def test_facts_are_written_and_readers_are_told(broker):
    inventory = Inventory(broker.id)
    inventory.resolve(poll("a"))
    before = inventory.version
    hidden = QueueFacts((("Type", "quorum"),), hidden=True, why_hidden="a timer", tags=("team:growth",))
    [a] = inventory.resolve(poll("a", facts={"key a": hidden})).tolist()
    entry = Directory().of(broker.id, inventory.version).entries[a]
    assert (entry.hidden, entry.why_hidden, entry.tags) == (True, "a timer", ("team:growth",))
    assert Queue.objects.get(id=a).facts == [["Type", "quorum"]]
    assert inventory.version > before


def test_the_same_facts_again_write_nothing(broker, django_assert_num_queries):
    inventory = Inventory(broker.id)
    facts = {"key a": QueueFacts((("Type", "quorum"),))}
    inventory.resolve(poll("a", facts=facts))
    with django_assert_num_queries(0):
        inventory.resolve(poll("a", facts=dict(facts)))


def test_relations_name_the_dead_letter_queue(broker):
    inventory = Inventory(broker.id)
    relations = [Relation("key a", "key dlq", "dead_letters", "argument"), Relation("key a", "key nowhere", "feeds")]
    a, dlq = inventory.resolve(poll("a", "dlq", relations=relations)).tolist()
    entries = Directory().of(broker.id, inventory.version).entries
    assert entries[a].dead_letter_queue_id == dlq and entries[dlq].dead_letter_of == (a,)
    inventory.resolve(poll("a", "dlq", relations=[]))
    assert not RelationRow.objects.exists()


def test_a_thousand_new_queues_cost_a_few_queries(broker, django_assert_max_num_queries):
    inventory = Inventory(broker.id)
    with django_assert_max_num_queries(20):
        inventory.resolve(poll(*(f"q{i}" for i in range(1000))))
    with django_assert_max_num_queries(0):
        inventory.resolve(poll(*(f"q{i}" for i in range(1000))))


def test_of_several_places_for_dead_letters_the_first_that_the_broker_names_stays_the_first(broker):
    for _ in range(3):  # processes: each writes the relations anew
        inventory = Inventory(broker.pk)
        names = [f"dlq{n}" for n in range(8)]
        relations = [Relation("key a", f"key {name}", "dead_letters") for name in names]
        ids = inventory.resolve(poll("a", *names, relations=relations)).tolist()
        entry = Directory().of(broker.pk, inventory.version).entries[ids[0]]
        assert entry.dead_letter_queue_id == ids[1]
