"""What the worker does in a round: the past is made small, kept as long as asked, and what fails is said."""

from __future__ import annotations

import logging
import time
from threading import Thread
from types import SimpleNamespace

import pytest
from django.contrib.sessions.models import Session
from django.db import OperationalError

from dashboard.housekeeping import Worker
from dashboard.models import Fact
from dashboard.replay import keeping
from dashboard.samples import the_store

from .fleets import made_up_broker, made_up_tick

pytestmark = pytest.mark.usefixtures("web")
HOUR = 3600.0


@pytest.fixture
def broker(settings, monkeypatch) -> int:
    """Six hours of ticks, of which the oldest two hours are past their retention. It stays the same moment."""
    settings.WEIR_RETENTION_RAW, settings.WEIR_RETENTION_MINUTE = 4 * 3600, 30 * 86_400
    made, ids = made_up_broker()
    now = time.time()
    monkeypatch.setattr("dashboard.housekeeping.time", SimpleNamespace(time=lambda: now))
    for i in range(360):
        the_store().append(made_up_tick(made.pk, ids, now - 6 * HOUR + 60 * i, depth=float(i)))
    return made.pk


def test_a_round_seals_rolls_up_and_drops(broker):
    worker = Worker(the_store())
    worker.tidy()
    kept, oldest = the_store().extent(broker)
    assert 239 <= kept <= 300  # whole hours go
    assert oldest < time.time() - 5.9 * HOUR  # in rollups
    worker.tidy()
    assert the_store().extent(broker) == (kept, oldest)


def test_what_a_round_cannot_do_is_said(broker, settings, caplog):
    settings.WEIR_RETENTION_DISK = 1000
    with caplog.at_level(logging.WARNING, "weir"):
        Worker(the_store()).tidy()
    assert "more than the budget of 1000" in caplog.text


def test_a_worker_that_ends_leaves_the_rest_for_later(broker):
    worker = Worker(the_store())
    worker.stop()
    worker.tidy()
    assert the_store().extent(broker)[0] == 360
    Worker(the_store()).tidy()
    assert the_store().extent(broker)[0] <= 300


def test_a_database_that_takes_no_row_keeps_samples_and_files_from_nothing(broker, monkeypatch, caplog):
    def full(*_, **__):
        raise OperationalError("database or disk is full")

    pruned: list[bool] = []
    monkeypatch.setattr(Fact.objects, "get_or_create", full)
    monkeypatch.setattr(Session.objects, "filter", full)
    monkeypatch.setattr(keeping, "prune", lambda: pruned.append(True))
    worker = Worker(the_store())
    thread = Thread(target=worker.run)
    monkeypatch.setattr(worker.sender, "start", lambda: None)
    monkeypatch.setattr(worker, "_watch_the_clock", lambda: None)
    monkeypatch.setattr(worker, "_tidy_samples", lambda: (Worker._tidy_samples(worker), worker.stop()))
    thread.start()
    thread.join(60)
    assert not thread.is_alive() and pruned == [True]
    assert the_store().extent(broker)[0] <= 300
    assert "what can be tidied up without it is" in caplog.text
