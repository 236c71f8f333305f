"""People who start, resume or restore at the same moment: one of them does, the others are told."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from threading import Barrier, BrokenBarrierError

import pytest
from django.db import connections
from django.utils import timezone

from dashboard.access import Principal
from dashboard.models import Replay
from dashboard.refused import DeedRefused
from dashboard.replay import deeds, keeping

from ..letterbox import Letterbox

pytestmark = pytest.mark.django_db(transaction=True)

OPERATOR = Principal("person", 1, "ana", "operator")


def made(box: Letterbox, state: str, **more) -> Replay:
    queue = box.dlq
    more = {"started_at": timezone.now(), "made_by": "ana", "plan": {}} | more
    return Replay.objects.create(queue=queue, queue_name=queue.name, broker_name=box.name, state=state, **more)


@pytest.fixture
def together(monkeypatch) -> Callable[..., list[str]]:
    """Do things at the same moment: each comes to where it would write before any has written, unless it has to wait
    for another. What they were refused with."""
    meeting: list[Barrier] = []

    def met(do: Callable) -> Callable:
        def waiting(*given, **named):
            with suppress(BrokenBarrierError):
                meeting and meeting[0].wait(1.0)
            return do(*given, **named)

        return waiting

    monkeypatch.setattr(deeds, "_order", met(deeds._order))
    monkeypatch.setattr(Replay, "save", met(Replay.save))

    def one(do: Callable[[], object]) -> str:
        try:
            do()
            return ""
        except DeedRefused as refused:
            return str(refused)
        finally:
            connections.close_all()

    def both(*things: Callable[[], object]) -> list[str]:
        meeting.append(Barrier(2))
        with ThreadPoolExecutor(len(things)) as pool:
            return sorted(pool.map(one, things))

    return both


def test_two_that_are_resumed(box, together):
    first, second = (made(box, "paused") for _ in range(2))
    refused = together(lambda: deeds.resume(OPERATOR, first), lambda: deeds.resume(OPERATOR, second))
    assert refused[0] == "" and "on orders.dlq: one at a time." in refused[1]
    assert sorted(Replay.objects.values_list("state", flat=True)) == ["paused", "running"]


def test_one_that_is_resumed_beside_one_that_is_started(box, together):
    first, second = made(box, "paused"), made(box, "planned", started_at=None)
    refused = together(lambda: deeds.resume(OPERATOR, first), lambda: deeds.start(OPERATOR, second))
    assert refused[0] == "" and "on orders.dlq: one at a time." in refused[1]
    assert Replay.objects.filter(state="running").count() == 1


@pytest.mark.parametrize("other", ["restore", "resume"])
def test_a_deletion_is_put_back_once(box, together, monkeypatch, other):
    deletion = made(box, "failed", deed="delete", undone_until=timezone.now() + timedelta(days=1))
    monkeypatch.setattr(keeping, "counts", lambda own: {"kept": 3, "restored": 0, "not_restored": 0})
    do = {"restore": deeds.restore, "resume": deeds.resume}[other]
    refused = together(lambda: deeds.restore(OPERATOR, deletion), lambda: do(OPERATOR, deletion))
    assert refused[0] == "" and refused[1]
    assert Replay.objects.filter(state="running").count() == 1
