"""`manage.py queues`: the page for a terminal."""

from __future__ import annotations

import io
import json
import math
import os
import signal
import subprocess
import sys
import time

import pytest
from django.core.management import CommandError, call_command

from dashboard.insight.states import State
from dashboard.models import Broker
from dashboard.terminal import cut, duration, table
from tests.servers.children import end

from ..fleets import made_up_tick
from ..web import kept, seen


def said(*arguments: str) -> str:
    out = io.StringIO()
    call_command("queues", *arguments, stdout=out)
    return out.getvalue()


def test_what_needs_attention_is_first_and_unknown_is_no_zero(web):
    seen(queues=["mail", "orders"], depth=[0, 9000], in_rate=[math.nan, 3.5], state=[State.IDLE, State.STALLED])
    head, orders, mail, total = said().splitlines()
    assert head.split() == ["STATE", "QUEUE", "BROKER", "DEPTH", "IN/S", "OUT/S", "LAG", "CLEARS", "CONS", "DEAD"]
    assert orders.split()[:6] == ["■", "stalled", "orders", "prod", "9,000", "3.5"]
    assert mail.split()[:6] == ["○", "idle", "mail", "prod", "0", "?"]
    assert total == "2 queues"


def test_filter_sort_and_limit_are_those_of_the_page(web):
    seen(queues=["a", "b", "c"], depth=[1, 3, 2])
    lines = said("--filter", "depth>=2", "--sort=-depth", "--limit", "1").splitlines()
    assert [line.split()[2] for line in lines[1:-1]] == ["b"]
    assert lines[-1] == "2 queues, 1 of them not shown (--limit)"


def test_json_is_the_rows_of_the_api(web, viewer_api):
    _, [id] = seen(queues=["orders"], depth=5)
    told = json.loads(said("--json"))
    assert told["total"] == 1
    assert set(told["items"][0]) == set(viewer_api.get(f"queues/{id}"))


def test_a_broker_that_is_silent_is_said(web):
    seen(queues=["orders"], depth=5)
    Broker.objects.update(last_answer_at="2026-01-01T00:00:00Z", interval=1, last_error="Nothing listens there.")
    assert said().splitlines()[-1] == "broker prod is silent: Nothing listens there."


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--filter", "depth>>1"), "--filter: At position 7: '>1' cannot be compared"),
        (("--sort", "colour"), "--sort must be one of attention"),
        (("--limit", "-1"), "--limit must be 0 or more"),
        (("--watch", "soon"), "'soon' is not a number of seconds"),
    ],
)
def test_what_is_wrong_is_a_sentence(web, arguments, words):
    with pytest.raises(CommandError, match=words):
        said(*arguments)


def test_a_name_cannot_speak_to_the_terminal():
    assert cut("a\x1b[31mb\nc", 20) == "a�[31mb�c"
    assert cut("a-very-long-name", 8) == "a-very-…"


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.6, "0.6s"), (36, "36s"), (221, "3m41s"), (7440, "2h04m"), (266400, "3d2h")]
)
def test_durations_are_short(seconds, words):
    assert duration(seconds) == words


def test_a_narrow_terminal_cuts_names_and_no_figure(web, viewer_api):
    _, [id] = seen(queues=["x" * 300], depth=12345)
    wide, narrow = (table([viewer_api.get(f"queues/{id}")], width)[1] for width in (140, 80))
    assert len(wide) <= 140 and "12,345" in wide and "12,345" in narrow and "…" in narrow


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_watch_shows_what_is_new_and_ends_on_ctrl_c(tmp_path):
    """In a process of its own, on a data folder of its own, in which the test polls."""
    environment = {**os.environ, "WEIR_DATA": str(tmp_path), "DJANGO_SETTINGS_MODULE": "dashboard.settings"}
    feeder = subprocess.Popen(
        [sys.executable, "manage.py", "up", "--port", "0", "--no-demo", "--interval", "1", "--broker", "memory://shop"],
        env=environment, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert "Weir is at" in feeder.stdout.readline()
        watcher = subprocess.Popen(
            [sys.executable, "manage.py", "queues", "--watch", "0.3", "--json"],
            env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        rounds = [json.loads(watcher.stdout.readline()) for _ in range(3)]
        assert [one["total"] for one in rounds] == [0, 0, 0] and len({one["at"] for one in rounds}) == 3
        watcher.send_signal(signal.SIGINT)
        _, errors = watcher.communicate(timeout=60)
        assert watcher.returncode == 0 and errors == ""
    finally:
        end(feeder, 30)


def test_a_second_look_takes_in_what_came_since(web):
    from dashboard.management.commands.queues import _Shown
    from dashboard.models import Queue
    from dashboard.samples import the_store

    broker, ids = seen(queues=["a"], depth=1)
    shown = _Shown(the_store())
    assert shown.snapshot().texts("name") == ["a"]
    new = Queue.objects.create(broker=broker, key="b", name="b", kind="list").pk
    kept(made_up_tick(broker.pk, [*ids, new], at=time.time() + 1, depth=[7, 8]))
    again = shown.snapshot()
    assert (again.texts("name"), again.column("depth").tolist()) == (["a", "b"], [7, 8])
