"""`manage.py export` and `import`: history out of one Weir and into another."""

from __future__ import annotations

import gzip
import io
import time

import numpy as np
import pytest
from django.core.management import CommandError, call_command

from collectors.protocol import METRICS
from dashboard.models import Broker, Queue
from dashboard.samples import close_store, the_store
from dashboard.store import Retention

from ..fleets import made_up_broker, made_up_tick

pytestmark = pytest.mark.usefixtures("web")
HOUR, DAY = 3600.0, 86_400.0


@pytest.fixture
def past() -> tuple[int, list[int], float]:
    """A broker with three days behind it, of which two are rolled up: its id, its queues, now."""
    broker, ids = made_up_broker("prod", ["orders", "orders-dead", "mail"])
    now = time.time() // DAY * DAY
    store = the_store()
    random = np.random.default_rng(2)
    for at in np.arange(now - 3 * DAY, now, 240):
        depth = random.poisson(30, 3).astype(float)
        depth[random.random(3) < 0.1] = np.nan
        store.append(made_up_tick(broker.pk, ids, float(at) + 0.25, depth=depth, in_rate=random.uniform(0, 9, 3)))
    store.tidy(now, Retention(raw=30 * HOUR, minute=2.2 * DAY, hour=400 * DAY))
    return broker.pk, ids, now


def run(*arguments: str) -> str:
    out = io.StringIO()
    call_command(*arguments, stdout=out, stderr=out)
    return out.getvalue()


def series(ids: list[int], start: float, end: float, points: int) -> dict[str, np.ndarray]:
    store = the_store()
    return {
        f"{metric} {how}": store.range(ids, [metric], start, end, points, how).values[metric]
        for metric in ("depth", "in_rate", "consumers")
        for how in ("avg", "min", "max", "last")
    }


@pytest.mark.parametrize("name", ["history.csv", "history.csv.gz"])
def test_history_goes_out_and_comes_in_again(past, tmp_path, name):
    broker, ids, now = past
    spans = [(now - 3 * DAY, now, 72), (now - 2 * DAY, now - DAY, 400), (now - 20 * HOUR, now, 900)]
    before = [series(ids, *span) for span in spans]
    assert "3 queues" in run("export", str(tmp_path / name), "--last", "5d")
    the_store().forget(broker)
    Queue.objects.filter(pk=ids[1]).delete()
    said = run("import", str(tmp_path / name))
    assert "1 queues made" in said
    again = [ids[0], Queue.objects.get(key="orders-dead").pk, ids[2]]
    for span, was in zip(spans, before, strict=True):
        for what, values in series(again, *span).items():
            np.testing.assert_allclose(values, was[what], rtol=1e-6, err_msg=what)


def test_what_is_there_stays_as_it_is(past, tmp_path):
    broker, ids, now = past
    run("export", str(tmp_path / "history.csv"))
    extent, before = the_store().extent(broker), series(ids, now - 3 * DAY, now, 72)
    for _ in range(2):
        run("import", str(tmp_path / "history.csv"))
        assert the_store().extent(broker) == extent
        for what, values in series(ids, now - 3 * DAY, now, 72).items():
            np.testing.assert_allclose(values, before[what], rtol=1e-6, err_msg=what)


def test_a_choice_of_queues_and_steps(past, tmp_path):
    assert past
    file = tmp_path / "history.csv"
    run("export", str(file), "--queue", "orders*", "--step", "hour", "--broker", "prod")
    lines = [line.split(",") for line in file.read_text().splitlines()]
    assert lines[0][:4] == ["time", "seconds", "broker", "queue"]
    assert {line[3] for line in lines[1:]} == {"orders", "orders-dead"}
    assert {"3600"} <= {line[1] for line in lines[1:]} <= {"0", "3600"}
    assert all(line[6] in METRICS and line[2] == "prod" for line in lines[1:])
    with pytest.raises(CommandError, match="no broker named other"):
        run("export", str(file), "--broker", "other")
    with pytest.raises(CommandError, match="--last"):
        run("export", str(file), "--last", "ages")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "first line"),
        ("a,b\n", "first line"),
        ("{head}\nnow,0,prod,a,a,list,depth,exact,1,5,,,\n", "Line 2"),
        ("{head}\n2026-01-01T00:00:00Z,0,prod,a,a,list,size,exact,1,5,,,\n", "no metric 'size'"),
        ("{head}\n2026-01-01T00:00:00Z,7,prod,a,a,list,depth,exact,1,5,,,\n", "rollups of 7"),
        ("{head}\n2026-01-01T00:00:00Z,0,elsewhere,a,a,list,depth,exact,1,5,,,\n", "no broker 'elsewhere'"),
        ("{head}\n2026-01-01T00:00:00Z,0,prod,a,a,list,depth,exact,1,nan,,,\n", "Line 2"),
        ("{head}\n2026-01-01T00:00:00Z,0,prod\n", "3 fields"),
    ],
)
def test_a_file_that_is_none_is_refused_in_a_sentence(tmp_path, text, said):
    made_up_broker("prod")
    head = "time,seconds,broker,queue,key,kind,metric,quality,samples,average,minimum,maximum,last"
    (tmp_path / "file.csv").write_text(text.replace("{head}", head))
    with pytest.raises(CommandError, match=said):
        run("import", str(tmp_path / "file.csv"))
    assert Broker.objects.count() == 1


def test_a_file_that_cannot_be_read_is_a_sentence(tmp_path):
    (tmp_path / "cut.csv.gz").write_bytes(gzip.compress(b"time,seconds" * 1000)[:40])
    (tmp_path / "binary.csv").write_bytes(b"\x8f\xff")
    with pytest.raises(CommandError, match="cannot be read: it is no text"):
        run("import", str(tmp_path / "binary.csv"))
    for name in ("cut.csv.gz", "none.csv", "none.csv.gz"):
        with pytest.raises(CommandError, match="cannot be read: "):
            run("import", str(tmp_path / name))
    with pytest.raises(CommandError, match="cannot be written"):
        run("export", str(tmp_path / "no" / "folder.csv"))
    close_store()
