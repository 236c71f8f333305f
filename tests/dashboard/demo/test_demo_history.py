"""The made-up past of the demo: it is there, tells only what its queues can tell, and says that it was generated."""

from __future__ import annotations

import time

import numpy as np
import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from collectors.protocol import Poll, Relation, Sample
from dashboard.demo.history import make_past, write_history
from dashboard.inventory import Inventory
from dashboard.models import Broker, Queue
from dashboard.samples import generated_until
from dashboard.store import open_store

END = 1_795_600_000.0
ORDERS = Sample("orders", "orders", "list", depth=40, in_rate=5.0, out_rate=5.0, consumers=3)
DEAD = Sample("orders:dlq", "orders:dlq", "list", depth=60)


def test_the_past_is_the_same_each_time_and_has_days_outages_and_clear_ends():
    past, again = (make_past([ORDERS, DEAD], END - 7 * 86_400, END) for _ in range(2))
    assert np.array_equal(past.depth, again.depth) and past.depth.shape == (7 * 1440, 2)
    assert past.in_rate[:, 0].max() > 3 * past.in_rate[:, 0].min() > 0
    balance = (past.in_rate - past.out_rate)[:, 0] * 60
    assert np.allclose(np.diff(past.depth[:, 0]), balance[1:])  # depth is what came and did not go


@pytest.mark.django_db
def test_it_is_written_to_the_store_and_said_on_the_page(tmp_path, client_viewer):
    row = Broker.objects.create(name="demo", kind="redis", secret_url="", safe_url="redis://127.0.0.1/0")
    poll = Poll(END, [ORDERS, DEAD], relations=[Relation("orders", "orders:dlq", "dead_letters")])
    store = open_store(tmp_path)
    minutes = write_history(store, row.pk, poll, Inventory(row.pk).resolve(poll), 3 * 86_400, END)
    ids = {queue.key: queue.pk for queue in Queue.objects.all()}
    series = store.range([ids["orders"], ids["orders:dlq"]], ["depth", "in_rate"], END - 3 * 86_400, END, 300)
    store.close()
    assert minutes == 3 * 1440
    assert np.isfinite(series.values["depth"]).mean() > 0.95
    assert np.isnan(series.values["in_rate"][1]).all()  # a list of dead letters tells no rates
    dead = series.values["depth"][1]
    assert np.all(np.diff(dead[np.isfinite(dead)]) >= 0)
    assert generated_until(row.pk) == END and generated_until(row.pk + 1) is None
    page = client_viewer.get(f"/queues/{ids['orders']}/").content.decode()
    assert "was generated for the demo: it was not measured" in page


def test_a_wrong_span_is_refused_before_anything_starts():
    began = time.monotonic()
    with pytest.raises(CommandError, match="--history is '7 weeks'; write a duration such as"):
        call_command("demo", history="7 weeks")
    assert time.monotonic() - began < 10
