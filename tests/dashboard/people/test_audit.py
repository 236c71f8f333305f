"""The audit trail as administrators read it, by page and by API."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from html import unescape

import pytest
from django.utils import timezone

from dashboard import audit
from dashboard.models import AuditEntry

pytestmark = pytest.mark.usefixtures("web")
NASTY = "<script>alert(1)</script>"


def text(response) -> str:
    return unescape(response.content.decode())


def targets(page: str) -> list[str]:
    return re.findall(r'data-label="To what">(?:<bdi>)?(.*?)(?:</bdi>)?</td>', page)


def deed(who="nina", action="add broker", target="prod", ago=timedelta(0), **more) -> AuditEntry:
    entry = audit.record(who, action, target, **more)
    AuditEntry.objects.filter(pk=entry.pk).update(at=timezone.now() - ago)
    return entry


@pytest.fixture
def few():
    """Four deeds, the oldest first."""
    deed("omar", "delete broker", "old", timedelta(days=40))
    deed("omar", "sign in", "", timedelta(days=2), result="refused: too many attempts")
    deed("nina", "add broker", "prod", timedelta(hours=3))
    deed("token grafana", "check broker", "prod-eu", timedelta(minutes=1), result="works")


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({}, ["prod-eu", "prod", "", "old"]),
        ({"who": "OMAR"}, ["", "old"]),
        ({"who": "grafana"}, ["prod-eu"]),
        ({"action": "add broker"}, ["prod"]),
        ({"target": "prod"}, ["prod-eu", "prod"]),
        ({"target": "prod", "who": "nina"}, ["prod"]),
        ({"filter": "omar refused"}, [""]),
        ({"last": "24h"}, ["prod-eu", "prod"]),
        ({"last": "1h", "start": "2020-01-01T00:00"}, ["prod-eu"]),
        ({"end": "2020-01-01"}, []),
        ({"who": "nina\0"}, ["prod"]),
    ],
)
def test_page_and_api_find_the_same(client_admin, admin_api, few, asked, expected):
    assert targets(text(client_admin.get("/audit/", asked))) == expected
    assert [entry["target"] for entry in admin_api.get("audit", **asked)["items"]] == expected


def test_start_and_end_are_times_in_utc_and_end_is_left_out(client_admin, admin_api):
    for hour in (9, 10, 11):
        entry = audit.record("nina", "add broker", f"at-{hour}")
        AuditEntry.objects.filter(pk=entry.pk).update(at=datetime(2026, 3, 31, hour, tzinfo=UTC))
    asked = {"start": "2026-03-31T12:00+02:00", "end": "2026-03-31T11:00"}
    assert [entry["target"] for entry in admin_api.get("audit", **asked)["items"]] == ["at-10"]
    page = text(client_admin.get("/audit/", asked))
    assert targets(page) == ["at-10"] and 'value="2026-03-31T10:00"' in page


@pytest.mark.parametrize(
    ("field", "value"), [("start", "yesterday"), ("end", "2026-02-30"), ("last", "soon"), ("last", "9" * 40 + "d")]
)
def test_what_is_no_time_is_refused_with_its_field(client_admin, admin_api, few, field, value):
    error = admin_api.get("audit", 400, **{field: value})["error"]
    assert error["field"] == field and "write a" in error["message"]
    response = client_admin.get("/audit/", {field: value})
    assert response.status_code == 400 and error["message"] in text(response) and not targets(text(response))


def test_pages_lead_to_older_and_newer_deeds_and_keep_what_was_asked(client_admin):
    AuditEntry.objects.bulk_create(AuditEntry(who="nina", action="sign in", target=f"n{n}") for n in range(120))
    deed("omar", "sign in", "other")
    page, seen = text(client_admin.get("/audit/", {"who": "nina"})), []
    assert 'rel="prev"' not in page and "120 deeds match" in page
    while True:
        seen.append(targets(page))
        if not (older := re.search(r'rel="next" href="(.*?)"', page)):
            break
        assert "who=nina" in older[1]
        page = text(client_admin.get(f"/audit/{older[1]}"))
    assert [target for part in seen for target in part] == [f"n{n}" for n in reversed(range(120))]
    back = text(client_admin.get("/audit/" + re.search(r'rel="prev" href="(.*?)"', page)[1]))
    assert targets(back) == seen[1] and 'rel="next"' in back
    assert client_admin.get("/audit/", {"before": "x", "after": "-1"}).status_code == 200


def test_empty_and_no_match_are_said(client_admin):
    assert "Nothing has been done yet" in text(client_admin.get("/audit/"))
    deed()
    assert "No deed matches" in text(client_admin.get("/audit/", {"who": "nobody"}))


def test_what_others_wrote_is_text_and_details_are_words(client_admin):
    deed(NASTY, "tag queue", NASTY, before=[], tags=["a", NASTY], active=True, changes=["x" * 90, "y" * 90])
    raw = client_admin.get("/audit/").content.decode()
    page = unescape(raw)
    assert NASTY not in raw and NASTY in page
    assert "<bdi>yes</bdi>" in page and "<bdi>none</bdi>" in page and "4 details</summary>" in page


def test_settings_lead_administrators_there(client_admin, client_operator):
    assert 'href="/audit/"' in text(client_admin.get("/settings/"))
    assert 'href="/audit/"' not in text(client_operator.get("/settings/"))


def test_an_entry_holds_no_nul_which_postgresql_could_not_keep():
    entry = audit.record("ni\0na", "export letters", "body:\0", selection={"filter": "\0a", "ids": ["\0b", 1]})
    assert (entry.who, entry.target) == ("nina", "body:")
    assert entry.details == {"selection": {"filter": "a", "ids": ["b", 1]}}
