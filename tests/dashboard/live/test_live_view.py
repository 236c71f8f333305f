"""What a client may ask for, what a wrong question is told, and what credit it has."""

from __future__ import annotations

import asyncio
import time
from types import SimpleNamespace

import pytest

from dashboard.access import DEEDS
from dashboard.live import client as clients
from dashboard.live import view
from dashboard.live.client import CREDIT, Client
from dashboard.live.hub import Hub
from dashboard.live.rounds import Made
from dashboard.live.view import BadView, QueuesView, QueueView, queues_view, same_list


def test_a_view_of_queues_has_defaults():
    assert queues_view({"view": "queues"}) == QueuesView("", "", 0, 50)
    assert queues_view({"view": "queues", "filter": None, "sort": None}) == QueuesView()


def test_views_that_ask_the_same_are_equal():
    asked = {"view": "queues", "filter": " depth>5 ", "sort": "-lag", "offset": 20, "limit": 30}
    assert queues_view(asked) == QueuesView("depth>5", "-lag", 20, 30) and hash(queues_view(asked))
    assert queues_view({"view": "queue", "id": 7, "range": "6h"}) == QueueView(7)


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({}, "view"),
        ({"view": "pages"}, "view"),
        ({"view": ["queues"]}, "view"),
        ({"view": "queues", "limit": 201}, "limit"),
        ({"view": "queues", "limit": 0}, "limit"),
        ({"view": "queues", "limit": True}, "limit"),
        ({"view": "queues", "limit": "50"}, "limit"),
        ({"view": "queues", "offset": -1}, "offset"),
        ({"view": "queues", "offset": 1.5}, "offset"),
        ({"view": "queues", "sort": "size"}, "sort"),
        ({"view": "queues", "sort": "--depth"}, "sort"),
        ({"view": "queues", "sort": 3}, "sort"),
        ({"view": "queues", "filter": 3}, "filter"),
        ({"view": "queues", "filter": "depth>"}, "filter"),
        ({"view": "queues", "id": 3}, "id"),
        ({"view": "queue"}, "id"),
        ({"view": "queue", "id": "7"}, "id"),
        ({"view": "queue", "id": 2**70}, "id"),
        ({"view": "queue", "id": 7, "range": "long"}, "range"),
        ({"view": "queue", "id": 7, "range": 5}, "range"),
    ],
)
def test_a_wrong_view_is_told_its_field_in_a_sentence(asked, field):
    with pytest.raises(BadView) as wrong:
        queues_view(asked)
    assert wrong.value.field == field and len(str(wrong.value)) > 20


def test_every_view_needs_a_deed_that_exists():
    assert set(view.DEEDS.values()) <= set(DEEDS)
    assert set(view.DEEDS) == {QueuesView.name, QueueView.name}


def test_scrolling_stays_in_the_same_list_and_another_filter_does_not():
    assert same_list(QueuesView("a", "name", 0), QueuesView("a", "name", 50))
    assert not same_list(QueuesView("a", "name"), QueuesView("b", "name"))
    assert not same_list(QueuesView(), QueueView(1)) and same_list(QueueView(1), QueueView(1))


@pytest.fixture
def client():
    async def nothing(*_):
        return True

    return Client(nothing, nothing)


def test_credit_ends_with_as_many_frames_and_comes_back_with_an_acknowledgement(client):
    for seq in range(CREDIT):
        assert client.has_credit
        client.note_sent(seq)
    assert not client.has_credit
    assert client.acknowledge(4) is True
    assert client.has_credit and len(client.outstanding) == CREDIT - 5
    assert client.acknowledge(9) is False and not client.outstanding


def test_what_is_asked_for_while_a_frame_is_made_is_answered_by_the_next(client):
    hub, made = Hub.__new__(Hub), Made.of(1, "{}", SimpleNamespace())
    client.show(QueuesView())
    asked = client.asked
    client.hold(True)
    asyncio.run(hub._deliver(client, made, asked))
    assert client.fresh, "the frame was made before it held"
    client.hold(True)
    asyncio.run(hub._deliver(client, made, asked + 1))
    assert not client.fresh and len(client.outstanding) == 2


def test_an_acknowledgement_of_nothing_new_buys_no_time(client, monkeypatch):
    monkeypatch.setattr(clients, "PATIENCE", 0.0)
    client.note_sent(5)
    time.sleep(0.01)
    client.acknowledge(4)
    assert client.gone_quiet
    client.acknowledge(5)
    assert not client.gone_quiet


def test_who_signed_out_is_found_by_session_token_or_user(client):
    person, machine = client, Client(client.send, client.may_stay, token=3)
    person.session, person.user = "abc", 3
    assert person.is_of({"session": "abc"}) and person.is_of({"user": 3}) and not person.is_of({"token": 3})
    assert machine.is_of({"token": 3}) and not machine.is_of({"user": 3}) and not machine.is_of({"session": None})
