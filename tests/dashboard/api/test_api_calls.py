"""What holds for every call: errors, CSRF, Idempotency-Key, OpenAPI, audit."""

from __future__ import annotations

import json
import re
from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest
from django.test import Client
from django.utils import timezone

from dashboard import api, audit
from dashboard.api import idempotency
from dashboard.api.errors import ApiError
from dashboard.logs import Brief
from dashboard.models import Broker, KeptAnswer
from tests.conftest import person, signed_in

from ..web import Api

BODY = {"url": "memory://u:s3cret@one"}


class TestErrors:
    @pytest.mark.parametrize(
        ("method", "path", "status", "code"),
        [
            ("get", "nothing", 404, "not_found"),
            ("get", "brokers/x", 404, "not_found"),
            ("get", "brokers/99999999999999999999", 404, "not_found"),
            ("get", "brokers/", 404, "not_found"),
            ("put", "brokers", 405, "method_not_allowed"),
            ("delete", "queues", 405, "method_not_allowed"),
            ("get", "queues?limit=many", 400, "invalid"),
        ],
    )
    def test_every_one_has_the_same_shape(self, admin_api, method, path, status, code):
        error = admin_api.send(method, path, None, status)["error"]
        assert set(error) == {"code", "message", "field"}
        assert error["code"] == code and error["message"].endswith(".")
        assert admin_api.last["Content-Type"] == "application/json"

    def test_405_says_what_is_allowed(self, admin_api):
        admin_api.send("put", "brokers", None, 405)
        assert set(admin_api.last["Allow"].split(", ")) == {"GET", "POST"}

    def test_401_asks_for_a_bearer(self, web):
        response = Client().get("/api/v1/queues")
        assert (response.status_code, response["WWW-Authenticate"]) == (401, "Bearer")
        assert response.json()["error"]["code"] == "not_signed_in"

    def test_a_bad_token_is_401_even_with_a_good_session(self, client_admin):
        response = client_admin.get("/api/v1/queues", headers={"Authorization": "Bearer weir_nonsense"})
        assert response.status_code == 401

    def test_a_host_name_that_is_none_of_weirs_is_said_in_both_shapes_and_one_line(self, admin_api, client, caplog):
        for path in ("/", "/api/v1/queues", "/healthz"):
            response = client.get(path, headers={"Host": "evil<b>.example"})
            assert response.status_code == 400 and b"WEIR_ALLOWED_HOSTS" in response.content
            assert b"<b>" not in response.content or path.startswith("/api/")
        message = client.get("/api/v1/queues", headers={"Host": "weir.internal"}).json()["error"]["message"]
        assert message.startswith("Weir does not answer to the host name 'weir.internal'") and message.endswith(".")
        told = [record for record in caplog.records if record.name.startswith("django.security.")]
        assert told and all(Brief().filter(record) and not record.exc_info for record in told)

    @pytest.mark.parametrize(
        ("path", "body", "field", "words"),
        [
            ("brokers", None, None, "This call takes a body: a JSON object."),
            ("brokers", [], None, "This call takes a body: a JSON object."),
            ("brokers", {}, "url", "url is missing."),
            ("brokers", {"url": "redis://h", "colour": 1}, "colour", "colour is not known here."),
            ("brokers", {"url": 5}, "url", "url must be a text."),
            ("brokers", {"url": "redis://h", "look_only": "no"}, "look_only", "look_only must be true or false."),
            ("brokers", {"url": "redis://h", "look_only": 0}, "look_only", "look_only must be true or false."),
            ("brokers", {"url": "redis://h", "interval": True}, "interval", "interval must be a number."),
            ("brokers", {"url": "redis://h", "interval": "x"}, "interval", "interval must be a number."),
            ("replays", {"queue_id": 1.5, "selection": {"all": True}}, "queue_id", "queue_id must be a whole number."),
            ("replays", {"queue_id": 1, "selection": 5}, "selection", "selection must be an object."),
            ("replays", {"queue_id": 1, "selection": {}, "dry_run": 0}, "dry_run", "dry_run must be true or false."),
            ("silences", {"reason": "x", "ends_at": "soon"}, "ends_at", "ends_at must be a time in ISO 8601."),
            ("silences", {"reason": "x", "seconds": 0}, "seconds", "seconds must be more than 0."),
        ],
    )
    def test_a_wrong_body_is_said_in_words_of_people(self, admin_api, path, body, field, words):
        error = admin_api.send("post", path, body, 400)["error"]
        assert (error["message"], error["field"]) == (words, field)

    def test_a_bug_is_500_without_its_words_and_in_the_log(self, admin_api, monkeypatch, caplog):
        def broken(*_args, **_kwargs):
            raise ZeroDivisionError("s3cret")

        monkeypatch.setattr("dashboard.api.brokers.broker_deeds.add", broken)
        error = admin_api.send("post", "brokers", BODY, 500)["error"]
        assert error["code"] == "failed" and "s3cret" not in error["message"]
        assert "ZeroDivisionError" in caplog.text

    def test_a_page_that_is_not_there_stays_a_page(self, client_viewer):
        response = client_viewer.get("/nothing/")
        assert response.status_code == 404 and "text/html" in response["Content-Type"]


def test_times_look_the_same_whichever_way_an_answer_goes(admin_api):
    """A list goes past the schemas, a single answer through them."""
    made = admin_api.send("post", "brokers", BODY, 201)
    listed, single = admin_api.get("brokers")["items"][0], admin_api.get(f"brokers/{made['id']}")
    assert listed == single == made
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", single["created_at"])


class TestCSRF:
    def post(self, client, **headers):
        return client.post("/api/v1/brokers", BODY, content_type="application/json", headers=headers)

    def session(self) -> Client:
        client = Client(enforce_csrf_checks=True)
        client.force_login(person("admin"), backend="django.contrib.auth.backends.ModelBackend")
        return client

    def test_a_session_without_its_token_writes_nothing(self, web):
        response = self.post(self.session())
        assert (response.status_code, response.json()["error"]["code"]) == (403, "csrf")
        assert not Broker.objects.exists()

    def test_a_session_with_its_token_writes(self, web):
        client = self.session()
        client.get("/settings/")
        response = self.post(client, **{"X-CSRFToken": client.cookies["weir_csrf"].value})
        assert response.status_code == 201

    def test_a_token_needs_none(self, admin_api):
        admin_api.send("post", "brokers", BODY, 201)

    def test_reading_needs_none(self, web):
        assert self.session().get("/api/v1/brokers").status_code == 200


class TestIdempotency:
    def add(self, api, key="k1", body=BODY, status=201):
        return api.send("post", "brokers", body, status, **{"Idempotency-Key": key})

    def test_a_repeated_call_is_answered_and_not_done_again(self, admin_api):
        first, second = self.add(admin_api), self.add(admin_api)
        assert first == second and Broker.objects.count() == 1
        assert admin_api.last["Idempotency-Replayed"] == "true"

    def test_a_key_for_another_body_is_a_conflict(self, admin_api):
        self.add(admin_api)
        error = self.add(admin_api, body={"url": "memory://two"}, status=409)["error"]
        assert error["field"] == "Idempotency-Key" and Broker.objects.count() == 1

    def test_keys_belong_to_who_calls(self, admin_api):
        self.add(admin_api)
        self.add(Api("admin", "another"), body={"url": "memory://two"})
        assert Broker.objects.count() == 2

    def test_after_an_error_the_same_key_may_be_used_again(self, admin_api):
        self.add(admin_api, body={"url": "memory://one", "interval": 0}, status=400)
        self.add(admin_api, body={"url": "memory://one"})

    def test_while_the_first_call_is_worked_on_the_second_is_told_so(self, admin_api):
        self.add(admin_api)
        KeptAnswer.objects.update(status=None)
        assert "still being worked on" in self.add(admin_api, status=409)["error"]["message"]

    def test_what_a_killed_process_left_behind_does_not_stand_in_the_way(self, admin_api):
        self.add(admin_api)
        Broker.objects.all().delete()
        long_ago = timezone.now() - idempotency.GIVEN_UP - timedelta(seconds=1)
        KeptAnswer.objects.update(status=None, at=long_ago)
        self.add(admin_api)

    def test_answers_are_kept_for_a_day_without_secrets(self, admin_api):
        self.add(admin_api)
        assert all("s3cret" not in str(value) for value in KeptAnswer.objects.values().get().values())
        KeptAnswer.objects.update(at=timezone.now() - idempotency.KEPT - timedelta(seconds=1))
        self.add(admin_api, status=409)  # done anew: the name is taken by now
        assert not KeptAnswer.objects.exists()

    def test_deleting_twice_with_one_key_is_204_twice(self, admin_api):
        id = self.add(admin_api)["id"]
        for _ in range(2):
            admin_api.send("delete", f"brokers/{id}", None, 204, **{"Idempotency-Key": "k2"})


class TestDescription:
    def test_no_two_schemas_have_one_name(self):
        """OpenAPI knows them by their names: of two the one would be described as the other."""
        found = [
            name for module in Path(api.__file__).parent.glob("*.py")
            for name in re.findall(r"^class (\w+)\(", module.read_text(), re.MULTILINE)
        ]  # fmt: skip
        assert len(found) > 50 and not [name for name, times in Counter(found).items() if times > 1]

    def test_openapi_lists_every_call_with_its_security(self, web):
        described = Client().get("/api/v1/openapi.json").json()
        assert described["openapi"].startswith("3.")
        told = [
            call["responses"]["default"]["content"] for calls in described["paths"].values() for call in calls.values()
        ]
        assert {one["application/json"]["schema"]["$ref"] for one in told} == {"#/components/schemas/ErrorOut"}
        calls = {(m, p) for p, methods in described["paths"].items() for m in methods}
        assert {("post", "/api/v1/brokers"), ("get", "/api/v1/queues/{id}/figure"), ("get", "/api/v1/audit")} <= calls
        for methods in described["paths"].values():
            for call in methods.values():
                assert call["security"] == [{"BearerOrSession": []}]
        assert described["components"]["securitySchemes"]["BearerOrSession"]["scheme"] == "bearer"

    def test_no_answer_is_described_as_holding_a_secret(self, web):
        schemas = Client().get("/api/v1/openapi.json").json()["components"]["schemas"]
        assert "secret_url" not in json.dumps(schemas)

    def test_the_page_for_readers_needs_nothing_that_the_csp_forbids(self, client_viewer):
        response = client_viewer.get("/api/v1/docs")
        page = response.content.decode()
        assert "/api/v1/queues/{id}/figure" in page and "null where nothing is known" not in page.split("<body>")[0]
        assert "<style" not in page and "style=" not in page and "<script>" not in page and "http://" not in page
        assert "script-src 'self'" in response["Content-Security-Policy"]


class TestAudit:
    def test_newest_first_in_pages_that_new_entries_do_not_shift(self, admin_api):
        for n in range(5):
            audit.record("nina", "add broker", f"broker-{n}")
        first = admin_api.get("audit", limit=2)
        assert ([e["target"] for e in first["items"]], first["total"]) == (["broker-4", "broker-3"], 5)
        audit.record("nina", "add broker", "broker-5")
        second = admin_api.get("audit", limit=2, cursor=first["next"])
        assert [e["target"] for e in second["items"]] == ["broker-2", "broker-1"]

    def test_it_is_filtered_by_words(self, admin_api):
        audit.record("nina", "add broker", "prod")
        audit.record("omar", "delete broker", "prod", url="x")
        found = admin_api.get("audit", filter="delete prod")
        assert [(e["who"], e["details"]) for e in found["items"]] == [("omar", {"url": "x"})]


def test_api_errors_have_a_code_for_every_status_they_use():
    assert ApiError(409, "No.").code == "conflict" and ApiError(403, "No.", code="csrf").code == "csrf"


def test_a_signed_in_viewer_reads_with_the_session(web):
    assert signed_in(person("viewer")).get("/api/v1/queues").json() == {"items": [], "total": 0, "next": None}
