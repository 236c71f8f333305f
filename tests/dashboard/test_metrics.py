"""/metrics, /healthz and /readyz."""

from __future__ import annotations

import math
import re
import time

import pytest
from django.db import OperationalError, connection
from django.test import Client
from django.utils import timezone

from dashboard.access import new_token
from dashboard.insight.states import State
from dashboard.live import bus
from dashboard.live.bus import BusError
from dashboard.live.feed import fleet
from dashboard.metrics import exposition
from dashboard.models import Broker, Queue
from dashboard.samples import the_store

from .fleets import made_up_tick
from .web import kept, seen

pytestmark = pytest.mark.usefixtures("web")

#: The text format's grammar of a sample line.
LINE = re.compile(r'[a-zA-Z_:][\w:]*\{([a-z_]+="(?:[^"\\\n]|\\["\\n])*",?)+\} -?[\d.]+(e[+-]?\d+)?$')


def told() -> str:
    return exposition(fleet().snapshot())


def samples() -> set[str]:
    return {line for line in told().splitlines() if not line.startswith("#")}


class TestWhatIsTold:
    def test_every_known_number_of_a_queue_by_broker_and_name(self):
        seen(queues=["orders"], depth=12, in_rate=1.5, consumers=0)
        assert {
            'weir_queue_depth{broker="prod",queue="orders"} 12.0',
            'weir_queue_in_rate{broker="prod",queue="orders"} 1.5',
            'weir_queue_consumers{broker="prod",queue="orders"} 0.0',
            'weir_queue_state{broker="prod",queue="orders",state="steady"} 1',
        } <= samples()

    def test_what_is_unknown_is_left_out_and_never_zero(self):
        seen(queues=["a", "b"], depth=[math.nan, 3])
        lines = [line for line in samples() if line.startswith("weir_queue_depth")]
        assert lines == ['weir_queue_depth{broker="prod",queue="b"} 3.0']

    def test_of_a_silent_broker_only_that_it_is_down_is_told(self):
        seen(queues=["a"], depth=1)
        long_ago = timezone.now() - timezone.timedelta(days=1)
        Broker.objects.update(last_answer_at=long_ago, last_poll_at=long_ago, interval=1.0)
        deadline = time.monotonic() + 30
        while 'weir_broker_up{broker="prod"} 0' not in samples() and time.monotonic() < deadline:
            time.sleep(0.1)  # brokers are read again within a second
        lines = samples()
        assert 'weir_broker_up{broker="prod"} 0' in lines
        assert not [line for line in lines if line.startswith(("weir_queue", "weir_poll"))]

    def test_a_broker_tells_what_its_polls_cost(self):
        seen(queues=[])
        Broker.objects.update(poll_seconds=0.25, poll_requests=3, poll_bytes=4200, queue_count=7)
        fleet().brokers(max_age=0)
        assert {'weir_poll_seconds{broker="prod"} 0.25', 'weir_broker_queues{broker="prod"} 7'} <= samples()
        assert 'weir_broker_up{broker="prod"} 1' in samples()

    def test_hidden_queues_are_left_out(self):
        broker, ids = seen(queues=["orders", "amq.gen-1"], depth=1)
        Queue.objects.filter(pk=ids[1]).update(hidden=True, why_hidden="exclusive")
        kept(made_up_tick(broker.pk, ids, at=time.time() + 1, inventory=2, depth=1))
        assert "amq.gen-1" not in told()

    def test_two_queues_of_one_name_are_told_apart(self):
        broker, ids = seen(queues=["a", "b"], depth=[1, 2])
        Queue.objects.filter(pk__in=ids).update(name="same")
        kept(made_up_tick(broker.pk, ids, at=time.time() + 1, inventory=2, depth=[1, 2]))
        lines = [line for line in samples() if line.startswith("weir_queue_depth")]
        labels = {line.rsplit(" ", 1)[0] for line in lines}
        assert len(labels) == 2 and all('queue="same",id="' in label for label in labels)

    def test_every_line_keeps_the_grammar_whatever_a_queue_is_called(self):
        names = ['quo"te', "back\\slash", "new\nline", "snow☃man", "{brace}", "<b>"]
        seen(name='br"oker', queues=names, depth=1e15, lag_seconds=0.001, state=State.GROWING)
        text = told()
        assert text.endswith("\n")
        for line in text.splitlines():
            assert line.startswith(("# HELP weir_", "# TYPE weir_")) or LINE.fullmatch(line), line
        assert text.count("# TYPE weir_queue_depth gauge\n") == 1
        assert 'queue="new\\nline"' in text and 'queue="quo\\"te"' in text

    @pytest.mark.slow
    def test_ten_thousand_queues_take_less_than_a_second(self):
        seen(queues=10_000, depth=5, in_flight=1, in_rate=2.5, out_rate=2.5, lag_seconds=3, consumers=4, dead_letters=0)
        fleet().snapshot()
        began = time.process_time()
        text = told()
        took = time.process_time() - began
        print(f"/metrics of 10,000 queues: {took * 1000:.0f} ms, {len(text) / 1e6:.1f} MB")
        assert text.count("weir_queue_depth{") == 10_000
        assert took < 1.0


class TestWhoMayRead:
    def test_a_token_of_any_role_may(self):
        _, token = new_token("prometheus", "viewer")
        response = Client(headers={"Authorization": f"Bearer {token}"}).get("/metrics")
        assert response.status_code == 200
        assert response["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"

    def test_nobody_else_may_unless_it_is_made_public(self, settings):
        response = Client().get("/metrics")
        assert (response.status_code, response["WWW-Authenticate"]) == (401, "Bearer")
        settings.WEIR_METRICS_PUBLIC = True
        assert Client().get("/metrics").status_code == 200


class TestHealth:
    def test_healthz_says_ok_without_the_database(self, django_db_blocker):
        with django_db_blocker.block():
            assert Client().get("/healthz").content == b"ok\n"

    def test_readyz_is_ready_when_everything_answers(self):
        response = Client().get("/readyz")
        assert response.status_code == 200
        assert response.json() == {"ready": True, "failing": [], "database": "ok", "store": "ok", "bus": "ok"}

    def test_readyz_names_a_store_that_fails(self):
        the_store().path.unlink()
        response = Client().get("/readyz")
        assert (response.status_code, response.json()["failing"]) == (503, ["store"])

    def test_readyz_names_a_bus_that_fails(self, monkeypatch):
        monkeypatch.setattr(bus, "_the_bus", bus.OverRedis("redis://:s3cret@127.0.0.1:1/0"))
        with pytest.raises(BusError):
            bus.the_bus().check()
        response = Client().get("/readyz")
        assert (response.status_code, response.json()["failing"]) == (503, ["bus"])
        assert b"s3cret" not in response.content

    def test_readyz_names_a_database_that_fails(self, monkeypatch):
        def away(*_args, **_kwargs):
            raise OperationalError("unable to open database file")

        the_store()
        with monkeypatch.context() as patched:
            patched.setattr(connection, "cursor", away)
            response = Client().get("/readyz")
        assert response.status_code == 503 and "database" in response.json()["failing"]
