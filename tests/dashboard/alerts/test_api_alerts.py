"""Rules, previews, incidents, silences and notifiers through the API."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from dashboard.alerts import clock
from dashboard.insight.states import State
from dashboard.live import feed
from dashboard.live.bus import the_bus
from dashboard.models import AuditEntry, Incident, Notifier, Queue, Rule, Telling
from tests.servers.receivers import hook

from ..polled import LAG, Polled, rule, story
from ..web import seen

NEW = {"name": "Lag of orders", "filter": "orders*", "condition": LAG, "severity": "critical"}


@pytest.fixture
def shop(web) -> Polled:
    feed.fleet()
    shop = Polled(began=600.0)
    shop.ingest.publish = the_bus().publish
    return shop


def test_a_rule_is_added_changed_and_deleted(operator_api):
    made = operator_api.send("post", "rules", NEW, 201)
    assert made["sentence"] == "lag is over 5 min for 20 s"
    assert made["condition"]["clear_seconds"] == 20 and made["open_incidents"] == 0
    changed = operator_api.send("patch", f"rules/{made['id']}", {"condition": {**LAG, "value": 600}, "enabled": False})
    assert changed["sentence"] == "lag is over 10 min for 20 s" and changed["enabled"] is False
    assert changed["filter"] == "orders*", "what is left out stays"
    operator_api.send("delete", f"rules/{made['id']}", status=204)
    operator_api.get(f"rules/{made['id']}", 404)
    assert [one.action for one in AuditEntry.objects.all()] == ["delete rule", "change rule", "add rule"]


def test_a_viewer_sees_and_changes_nothing(viewer_api):
    assert viewer_api.get("rules")["total"] == Rule.objects.count()
    for method, path, body in (
        ("post", "rules", NEW),
        ("post", "silences", {"reason": "x", "seconds": 60}),
        ("post", "notifiers", {"name": "x", "url": "json://x/"}),
        ("post", "incidents/1/acknowledge", {}),
    ):
        assert "needs the role" in viewer_api.send(method, path, body, 403)["error"]["message"]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"filter": "depth>>1"}, "filter"),
        ({"condition": {"metric": "colour", "value": 1}}, "condition.metric"),
        ({"condition": {"metric": "depth", "value": "many"}}, "condition.value"),
        ({"name": " "}, "name"),
        ({"notifiers": [99]}, "notifiers"),
        ({"escalation": [{"after_seconds": 1, "notifiers": []}]}, "escalation"),
        ({"quiet": {"from": "25:00", "to": "7:00"}}, "quiet"),
        ({"quiet": {"from": "22:00", "to": "07:00", "timezone": "Mars/Base"}}, "quiet"),
    ],
)
def test_what_is_wrong_names_its_field(operator_api, change, field):
    error = operator_api.send("post", "rules", NEW | change, 400)["error"]
    assert error["field"] == field and error["message"].endswith((".", ")"))


def test_a_name_is_used_once_and_a_files_rule_is_read_only(operator_api):
    operator_api.send("post", "rules", NEW, 201)
    assert operator_api.send("post", "rules", NEW, 409)["error"]["field"] == "name"
    Rule.objects.filter(name=NEW["name"]).update(managed_by="apply")
    id = Rule.objects.get(name=NEW["name"]).pk
    assert "managed by a file" in operator_api.send("patch", f"rules/{id}", {"name": "x"}, 409)["error"]["message"]


def test_a_preview_says_what_would_have_been(viewer_api, shop):
    shop.poll(5, orders=0.0, mail=0.0)
    shop.poll(10, orders=400.0, mail=0.0)
    shop.poll(10, orders=0.0, mail=0.0)
    asked = {"filter": "orders", "condition": LAG, "hours": 1}
    found = viewer_api.send("post", "rules/preview", asked)
    assert (found["incidents"], found["messages"], found["queues"], found["step_seconds"]) == (1, 2, 1, 0)
    assert found["firings"][0]["queue"] == "orders" and found["firings"][0]["value"] == 400
    assert found["chart"]["limit"] == 300 and max(found["chart"]["values"]) == 400
    whole = viewer_api.send("post", "rules/preview", NEW | asked)  # a rule as it would be added
    assert whole["incidents"] == 1 and not Rule.objects.filter(name__in=("", NEW["name"])).exists()
    everything = viewer_api.send("post", "rules/preview", asked | {"filter": ""})
    assert everything["queues"] == 2
    error = viewer_api.send("post", "rules/preview", {"condition": {"kind": "broker", "value": "silent"}}, 400)["error"]
    assert error["field"] == "condition.kind"


def test_templates_and_a_limit_that_fits(viewer_api, shop):
    shop.poll(30, orders=100.0)
    id = Queue.objects.get().pk
    items = viewer_api.get("rules/templates", queue=id)["items"]
    assert items[0]["filter"] == f"id:{id}" and items[0]["condition"]["value"] == 300
    assert len(items) > 10
    without = [item["key"] for item in items if item["condition"].get("kind") == "event"]
    assert without == ["cause", "replay"]
    for item in items:
        asked = {"filter": item["filter"], "condition": item["condition"], "hours": 1}
        answer = viewer_api.send("post", "rules/preview", asked, 400 if item["key"] in without else 200)
        if item["key"] in without:
            assert answer["error"]["message"].startswith("What is judged by the clock, or happens once, has no history")


def test_incidents_are_listed_acknowledged_and_told_apart(operator_api, shop):
    rule()
    shop.poll(4, orders=400.0, mail=400.0)
    shop.poll(4, orders=400.0, mail=0.0)
    assert operator_api.get("incidents")["total"] == 2
    (open_,) = operator_api.get("incidents", state="firing")["items"]
    assert (open_["queue"], open_["state"]) == ("orders", "open")
    done = operator_api.send("post", f"incidents/{open_['id']}/acknowledge", {"note": "looking"})
    assert done["state"] == "acknowledged" and done["acknowledged_by"].startswith("token")
    story_ = operator_api.get(f"incidents/{open_['id']}")["notes"]
    assert [(one["what"], one["text"]) for one in story_] == [("opened", ""), ("acknowledged", "looking")]
    (closed,) = operator_api.get("incidents", state="closed")["items"]
    operator_api.send("post", f"incidents/{closed['id']}/acknowledge", {}, 409)
    assert operator_api.get("incidents", queue=closed["queue_id"])["items"] == [closed]
    first = operator_api.get("incidents", limit=1)
    assert operator_api.get("incidents", limit=1, cursor=first["next"])["items"] == [closed] or first["items"] == [
        closed
    ]
    operator_api.get("incidents", 400, state="sleepy")


def test_a_silence_mutes_what_is_open_and_its_end_tells(operator_api, shop):
    ops = Notifier.objects.create(name="ops", secret_url="", safe_url="", scheme="json")
    rule(notifiers=[ops])
    shop.poll(4, orders=400.0, mail=400.0)
    incident = Incident.objects.get(queue_name="orders")
    made = operator_api.send("post", "silences", {"reason": "deploy", "incident": incident.pk, "seconds": 600}, 201)
    assert made["filter"] == f"id:{incident.queue_id}" and made["incidents"] == 1 and made["in_force"]
    assert story() == [("mail", "open"), ("orders", "silenced")]
    assert [one.queue_name for one in Telling.objects.get().incidents.all()] == ["mail"]
    operator_api.send("delete", f"silences/{made['id']}", status=204)
    assert story() == [("mail", "open"), ("orders", "open")]
    assert sorted(Telling.objects.values_list("event", flat=True)) == ["opened", "still"]
    for wrong in ({}, {"seconds": 60, "ends_at": "2030-01-01T00:00:00Z"}, {"ends_at": "2020-01-01T00:00:00Z"}):
        assert operator_api.send("post", "silences", {"reason": "x"} | wrong, 400)["error"]["field"] == "ends_at"
    window = {"reason": "backup", "starts_at": "2026-01-01T02:00:00Z", "ends_at": "2026-01-01T03:00:00Z"}
    assert operator_api.send("post", "silences", window | {"repeat": "daily"}, 201)["repeat"] == "daily"


def test_an_incident_without_a_queue_can_be_silenced_too(operator_api, shop):
    Rule.objects.all().delete()
    rule("A broker is silent", {"kind": "broker", "value": "silent", "for_seconds": 60, "clear_seconds": 60})
    Rule.objects.exclude(name="A broker is silent").delete()
    shop.broker.last_answer_at = shop.broker.last_poll_at = timezone.now() - timedelta(hours=1)
    shop.broker.save()
    for n in range(9):
        clock.turn(timezone.now() + timedelta(seconds=10 * n))
    incident = Incident.objects.get()
    operator_api.send("post", "silences", {"reason": "moving house", "incident": incident.pk, "seconds": 60}, 201)
    assert story() == [("prod", "silenced")]


def test_a_notifiers_url_is_never_shown_again_and_a_test_says_what_came_back(admin_api):
    with hook() as server:
        url = f"json://ann:hunter2@127.0.0.1:{server.port}/hidden?secret=hunter3"
        refused = admin_api.send("post", "notifiers", {"name": "ops", "url": url}, 400)["error"]
        assert refused["field"] == "url" and "private network" in refused["message"]
        made = admin_api.send("post", "notifiers", {"name": "ops", "url": url, "allow_private": True}, 201)
        assert "hunter" not in str(made) and "hidden" not in str(made)
        admin_api.send("patch", f"notifiers/{made['id']}", {"allow_private": False}, 400)
        Notifier.objects.update(allow_private=False)  # as an administrator of before may have left it
        first = admin_api.send("post", f"notifiers/{made['id']}/test")
        assert first["arrived"] is False and "private network" in first["answered"] and server.got == []
        admin_api.send("patch", f"notifiers/{made['id']}", {"allow_private": True})
        second = admin_api.send("post", f"notifiers/{made['id']}/test")
        assert second["arrived"] and second["answered"] == "200 thank you"
        server.answers = [500]
        assert "500" in admin_api.send("post", f"notifiers/{made['id']}/test")["answered"]
        assert not Telling.objects.filter(state="waiting").exists(), "a test is tried once"
    admin_api.send("post", "notifiers", {"name": "ops", "url": "json://x/"}, 409)
    error = admin_api.send("post", "notifiers", {"name": "x", "url": "http://user:hunter2@x/"}, 400)["error"]
    assert error["field"] == "url" and "hunter" not in error["message"]
    assert "hunter" not in str(list(AuditEntry.objects.values()))
    admin_api.send("delete", f"notifiers/{made['id']}", status=204)


def test_an_operator_adds_no_notifier(operator_api):
    operator_api.send("post", "notifiers", {"name": "x", "url": "json://example.com/"}, 403)


def test_a_rule_switched_off_closes_what_it_has_open(operator_api, shop):
    asked = rule()
    shop.poll(4, orders=400.0)
    operator_api.send("patch", f"rules/{asked.pk}", {"enabled": False})
    assert story() == [("orders", "closed")]
    shop.poll(4, orders=400.0)
    assert story() == [("orders", "closed")]
    operator_api.send("patch", f"rules/{asked.pk}", {"enabled": True})
    shop.poll(4, orders=400.0)
    assert story() == [("orders", "closed"), ("orders", "open")]


def test_templates_begin_with_what_the_fleet_shows_now(operator_api):
    seen(queues=2, state=State.STALLED, lag_seconds=[9.0, 12.0])
    told = operator_api.get("rules/templates")["items"]
    assert told[0]["key"] == "stalled" and told[0]["why"] == "2 queues are stalled now."
    why = {one["key"]: one["why"] for one in told}
    assert why["lag"] == "2 of 2 queues tell it." and told[-1]["why"] == "No queue tells this now."
