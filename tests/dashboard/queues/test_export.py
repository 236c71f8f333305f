"""CSV: whole, in pieces, and harmless in a spreadsheet."""

from __future__ import annotations

import csv
import io
import math
import time
import tracemalloc

import pytest

from dashboard import export
from dashboard.live.feed import fleet
from dashboard.models import Queue

from ..web import seen


def table(api, **query) -> list[dict[str, str]]:
    response = api.client.get("/api/v1/queues/export", query)
    assert response.status_code == 200 and response.streaming
    return list(csv.DictReader(io.StringIO(b"".join(response.streaming_content).decode(), newline="")))


def test_the_filtered_list_in_its_order(viewer_api):
    seen(queues=["orders", "mail", "images"], depth=[5, math.nan, 0], in_rate=[1.25, 0, 2])
    rows = table(viewer_api, filter="-images", sort="name")
    assert [row["name"] for row in rows] == ["mail", "orders"]
    assert (rows[0]["depth"], rows[1]["depth"], rows[1]["in_rate"]) == ("", "5", "1.25")
    assert tuple(rows[0]) == export.COLUMNS


def test_it_is_a_file_with_a_name(viewer_api):
    response = viewer_api.client.get("/api/v1/queues/export")
    assert response["Content-Type"] == "text/csv; charset=utf-8"
    assert response["Content-Disposition"].startswith('attachment; filename="weir-queues-20')


@pytest.mark.parametrize("name", ["=1+1", "+cmd", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "＝1+1"])
def test_no_name_becomes_a_formula(viewer_api, name):
    seen(queues=[name], depth=1)
    [row] = table(viewer_api)
    assert row["name"] == f"'{name}"


def test_numbers_below_zero_stay_numbers(viewer_api):
    seen(queues=["orders"], depth=1, net_rate=-3.5)
    assert table(viewer_api)[0]["net_rate"] == "-3.5"


def test_a_name_with_a_comma_quotes_and_a_new_line_comes_back_whole(viewer_api):
    seen(queues=['a,"b"\nc'], depth=1)
    [row] = table(viewer_api)
    assert row["name"] == 'a,"b"\nc'


def test_hidden_queues_are_left_out_unless_asked_for(viewer_api):
    _, ids = seen(queues=["orders", "timer"], depth=1)
    Queue.objects.filter(pk=ids[1]).update(hidden=True)
    fleet()._directory.forget(fleet().snapshot().entries[0].broker)
    assert [row["name"] for row in table(viewer_api, filter="is:hidden OR depth>0")]


def test_a_wrong_filter_or_order_is_said_and_no_file(viewer_api):
    assert viewer_api.get("queues/export", 400, filter="depth>>1")["error"]["field"] == "filter"
    assert viewer_api.get("queues/export", 400, sort="colour")["error"]["field"] == "sort"


@pytest.mark.slow
def test_ten_thousand_rows_go_out_in_pieces(viewer_api):
    seen(queues=10_000, depth=7)
    response = viewer_api.client.get("/api/v1/queues/export")
    tracemalloc.start()
    began, pieces, size = time.process_time(), 0, 0
    for piece in response.streaming_content:
        pieces, size = pieces + 1, size + len(piece)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert pieces == 21 and size > 1_000_000
    assert peak < size, "it was held whole"
    assert time.process_time() - began < 20
