"""The list of replays and deletions on its page: words, a state, and pages of both; the same words in the API."""

from __future__ import annotations

import re

import pytest
from django.utils import timezone

from dashboard.models import Replay
from tests.conftest import person, signed_in

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def operator_client(web):
    return signed_in(person("operator"))


@pytest.fixture
def many(box) -> list[int]:
    """120 replays and 60 deletions: every third of ana's, every fourth failed."""
    at = timezone.now()
    rows = [
        Replay(
            deed="delete" if n % 3 == 2 else "replay", queue=box.dlq, queue_name="orders.dlq", broker_name="till",
            state="failed" if n % 4 == 0 else "done", made_by="ana" if n % 3 == 0 else "ben", made_at=at,
            started_at=at, ended_at=at,
        )
        for n in range(180)
    ]  # fmt: skip
    return [row.pk for row in Replay.objects.bulk_create(rows)]


def shown(client, address: str) -> tuple[list[int], dict[str, str]]:
    """The numbers of the lines of a page, and its links to others by their words."""
    text = client.get(address).content.decode()
    links = re.findall(r'<a class="btn"[^>]*href="(\?[^"]*)">([^<]+)</a>', text)
    return [int(id) for id in re.findall(r'<tr tabindex="-1" data-id="(\d+)"', text)], {
        words: link.replace("&amp;", "&") for link, words in links
    }


def test_pages_go_on_behind_one_another_and_back_to_the_newest(many, operator_client):
    lines, links = shown(operator_client, "/replays/")
    replays = [id for n, id in enumerate(many) if n % 3 != 2]
    deletions = sorted(set(many) - set(replays))
    assert lines == replays[::-1][:50] + deletions[::-1][:50] and set(links) == {"Older", "Older deletions"}
    second, onward = shown(operator_client, f"/replays/{links['Older']}")
    third, last = shown(operator_client, f"/replays/{onward['Older']}")
    assert second[:50] + third[:20] == replays[::-1][50:] and set(last) == {"Newest", "Older deletions"}
    more, _ = shown(operator_client, f"/replays/{links['Older deletions']}")
    assert more[50:] == deletions[::-1][50:]


def test_words_a_number_and_a_state_choose_and_stay_on_older_pages(many, operator_client, operator_api):
    failed = [id for n, id in enumerate(many) if n % 3 == 0 and n % 4 == 0]
    assert shown(operator_client, "/replays/?filter=ana+orders&state=failed")[0] == failed[::-1]
    lines, links = shown(operator_client, "/replays/?filter=ana")
    assert len(lines) == 50 and "filter=ana" in links["Older"]
    assert len(shown(operator_client, f"/replays/{links['Older']}")[0]) == 10
    assert shown(operator_client, f"/replays/?filter={many[7]}")[0] == [many[7]]
    assert [one["id"] for one in operator_api.get("replays", filter=str(many[7]))["items"]] == [many[7]]
    assert "No replay is like that" in operator_client.get("/replays/?filter=%00zzz").content.decode()
