from __future__ import annotations

import pytest
from django.utils import timezone

from collectors.brokers.memory import world
from dashboard.brokers import save_broker, url_of
from dashboard.models import AuditEntry, Broker

URL = "memory://weir:s3cret@shop"


@pytest.fixture
def shop():
    return world("shop")


class TestReading:
    def test_a_broker_shows_its_health_and_never_its_password(self, viewer_api):
        broker = save_broker(URL, name="prod")
        shown = viewer_api.get(f"brokers/{broker.pk}")
        assert b"s3cret" not in viewer_api.last.content
        promised = {"name", "kind", "state", "last_poll_at", "last_error", "poll_seconds", "queue_count"}
        assert promised <= set(shown)
        assert (shown["name"], shown["state"], shown["queue_count"]) == ("prod", "new", None)

    @pytest.mark.parametrize(
        ("columns", "state"),
        [
            ({}, "new"),
            ({"last_answer_at": timezone.now}, "reporting"),
            ({"last_answer_at": timezone.now, "problems": ["One node is away."]}, "failing"),
            ({"last_answer_at": timezone.now, "paused": True}, "paused"),
        ],
    )
    def test_its_state_is_one_word(self, viewer_api, columns, state):
        broker = save_broker(URL)
        told = {name: value() if callable(value) else value for name, value in columns.items()}
        Broker.objects.update(**told, **({"last_poll_at": timezone.now()} if columns else {}))
        assert viewer_api.get(f"brokers/{broker.pk}")["state"] == state

    def test_a_list_is_filtered_sorted_and_cut_into_pages(self, viewer_api):
        for name in ("c-eu", "a-eu", "b-us", "d-eu"):
            save_broker(f"memory://{name}")
        first = viewer_api.get("brokers", filter="eu", sort="-name", limit=2)
        assert ([b["name"] for b in first["items"]], first["total"]) == (["d-eu", "c-eu"], 3)
        second = viewer_api.get("brokers", filter="eu", sort="-name", limit=2, cursor=first["next"])
        assert ([b["name"] for b in second["items"]], second["next"]) == (["a-eu"], None)

    def test_a_page_goes_on_after_a_broker_that_was_deleted(self, viewer_api):
        for name in "abcd":
            save_broker(f"memory://{name}")
        first = viewer_api.get("brokers", limit=2)
        Broker.objects.filter(name="b").delete()
        rest = viewer_api.get("brokers", limit=2, cursor=first["next"])
        assert [b["name"] for b in rest["items"]] == ["c", "d"]

    def test_one_that_is_not_there_is_404(self, viewer_api):
        assert viewer_api.get("brokers/99", status=404)["error"]["message"] == "There is no broker 99."


class TestWriting:
    def test_adding_answers_201_and_keeps_the_password_secret(self, admin_api):
        shown = admin_api.send("post", "brokers", {"url": URL, "name": "prod", "interval": 5}, 201)
        assert (shown["name"], shown["interval"], shown["url"]) == ("prod", 5.0, "memory://weir:•••@shop/")
        assert url_of(Broker.objects.get()).password == "s3cret"
        assert AuditEntry.objects.get(action="add broker").who == "token admin in a test"

    @pytest.mark.parametrize(
        ("body", "status", "field"),
        [
            ({}, 400, "url"),
            ({"url": 7}, 400, "url"),
            ({"url": "nonsense"}, 400, "url"),
            ({"url": "memory://a:s3cret@b?x=1"}, 400, "url"),
            ({"url": URL, "interval": 0}, 400, "interval"),
            ({"url": URL, "colour": "red"}, 400, "colour"),
            ({"url": URL, "name": "taken"}, 409, "name"),
        ],
    )
    def test_what_is_wrong_names_its_field_and_adds_nothing(self, admin_api, body, status, field):
        save_broker("memory://other", name="taken")
        error = admin_api.send("post", "brokers", body, status)["error"]
        assert error["field"] == field and error["message"].endswith(".")
        assert b"s3cret" not in admin_api.last.content
        assert Broker.objects.count() == 1

    def test_a_body_that_is_no_json_is_400(self, admin_api):
        response = admin_api.client.post("/api/v1/brokers", "{", content_type="application/json")
        assert response.status_code == 400 and response.json()["error"]["code"] == "invalid"

    def test_changing_one_thing_leaves_the_others(self, admin_api):
        broker = save_broker(URL, name="prod", interval=5, look_only=True)
        shown = admin_api.send("patch", f"brokers/{broker.pk}", {"name": "renamed"})
        assert (shown["name"], shown["interval"], shown["look_only"]) == ("renamed", 5.0, True)
        assert url_of(Broker.objects.get()).password == "s3cret"

    def test_an_operator_pauses_but_changes_nothing_else(self, operator_api):
        broker = save_broker(URL)
        assert operator_api.send("patch", f"brokers/{broker.pk}", {"paused": True})["state"] == "paused"
        error = operator_api.send("patch", f"brokers/{broker.pk}", {"paused": False, "name": "x"}, 403)["error"]
        assert error["code"] == "not_allowed" and "admin" in error["message"]
        assert Broker.objects.get().paused

    @pytest.mark.parametrize("managed", ["environment", "command line", "demo"])
    def test_what_is_managed_elsewhere_is_409(self, admin_api, managed):
        broker = save_broker(URL, managed_by=managed)
        path = f"brokers/{broker.pk}"
        assert "managed by" in admin_api.send("patch", path, {"name": "x"}, 409)["error"]["message"]
        admin_api.send("delete", path, None, 409)
        assert Broker.objects.get().name == "shop"

    def test_deleting_answers_204(self, admin_api):
        broker = save_broker(URL)
        assert admin_api.send("delete", f"brokers/{broker.pk}", None, 204) is None
        assert not Broker.objects.exists()

    def test_a_check_says_what_works(self, operator_api, shop):
        shop.put("orders")
        broker = save_broker("memory://shop")
        answer = operator_api.send("post", f"brokers/{broker.pk}/check")
        assert (answer["ok"], answer["queue_count"]) == (True, 1)
        assert answer["checks"][0].keys() == {"power", "ok", "sentence"}

    def test_a_check_that_fails_is_an_answer_too(self, operator_api, shop):
        shop.password = "another"
        broker = save_broker(URL)
        answer = operator_api.send("post", f"brokers/{broker.pk}/check")
        assert answer["ok"] is False and "refuses" in answer["checks"][0]["sentence"]
        assert b"s3cret" not in operator_api.last.content

    def test_a_broker_whose_key_is_lost_is_409_with_what_to_do(self, operator_api, settings):
        broker = save_broker(URL)
        settings.WEIR_ENCRYPTION_KEYS = ["another"]
        error = operator_api.send("post", f"brokers/{broker.pk}/check", None, 409)["error"]
        assert "WEIR_ENCRYPTION_KEY" in error["message"]
