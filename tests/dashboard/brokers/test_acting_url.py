"""The second credential, for looking and replaying: kept beside the polling one, shown without password, and tried."""

from __future__ import annotations

import io
import re

import pytest
from django.core.management import CommandError, call_command

from collectors.brokers.redis.acting import ACTING_RECIPE
from collectors.brokers.redis.powers import RECIPE
from collectors.url import BrokerURL
from dashboard.broker_check import check_broker
from dashboard.brokers import BrokerRefused, acting_url_of, save_broker
from dashboard.models import Broker

POLLING, ACTING = "memory://weir:s3cret@shop", "memory://boss:b0ss@shop"
SHOWN = "memory://boss:•••@shop/"


@pytest.mark.django_db
class TestSaving:
    def test_it_is_kept_encrypted_and_shown_without_its_password(self):
        broker = save_broker(POLLING, acting_url=ACTING)
        kept = Broker.objects.values().get(pk=broker.pk)
        assert all("b0ss" not in str(value) for value in kept.values())
        assert kept["safe_acting_url"] == SHOWN and acting_url_of(broker).password == "b0ss"

    def test_it_stays_until_it_is_taken_away(self):
        broker = save_broker(POLLING, acting_url=ACTING)
        assert acting_url_of(save_broker(POLLING, broker=broker, interval=5)).password == "b0ss"
        assert acting_url_of(save_broker(POLLING, broker=broker, acting_url=SHOWN)).password == "b0ss"
        assert acting_url_of(save_broker(POLLING, broker=broker, acting_url="")) is None

    @pytest.mark.parametrize(
        ("url", "acting"),
        [
            (POLLING, "memory://boss:b0ss@other"),
            (POLLING, "memory://boss:b0ss@shop:99"),
            (POLLING, "redis://boss:b0ss@shop"),
        ],
    )
    def test_it_leads_to_the_same_broker_or_is_refused(self, url, acting):
        with pytest.raises(BrokerRefused, match="same broker") as caught:
            save_broker(url, acting_url=acting)
        assert caught.value.field == "acting_url" and "b0ss" not in str(caught.value)

    def test_a_broker_cannot_move_away_from_under_it(self):
        broker = save_broker(POLLING, acting_url=ACTING)
        with pytest.raises(BrokerRefused, match="same broker"):
            save_broker("memory://weir:s3cret@elsewhere", broker=broker)

    @pytest.mark.parametrize("text", ["nonsense", "memory://x?callback=os", "memory://boss:•••@shop"])
    def test_what_is_wrong_with_it_names_its_field(self, text):
        with pytest.raises(BrokerRefused) as caught:
            save_broker(POLLING, acting_url=text)
        assert caught.value.field == "acting_url"


class TestApi:
    def test_it_is_given_changed_and_taken_away(self, admin_api):
        made = admin_api.send("post", "brokers", {"url": POLLING, "acting_url": ACTING}, 201)
        assert made["acting_url"] == SHOWN and "b0ss" not in str(made)
        path = f"brokers/{made['id']}"
        assert admin_api.send("patch", path, {"name": "other"})["acting_url"] == SHOWN
        other = admin_api.send("patch", path, {"acting_url": "memory://chief:new@shop"})
        assert other["acting_url"] == "memory://chief:•••@shop/"
        assert admin_api.send("patch", path, {"acting_url": ""})["acting_url"] is None

    def test_a_wrong_one_is_refused_by_name(self, admin_api):
        error = admin_api.send("post", "brokers", {"url": POLLING, "acting_url": "memory://u:p@x"}, 400)["error"]
        assert error["field"] == "acting_url"


class TestForm:
    def test_neither_password_comes_back_to_the_page(self, client_admin, web):
        data = {"url": POLLING, "acting_url": ACTING, "do": "check"}
        page = client_admin.post("/brokers/add/", data).content.decode()
        assert "s3cret" not in page and "b0ss" not in page and SHOWN in page
        fields = dict(re.findall(r'name="(sealed|sealed_acting|url|acting_url)" value="([^"]*)"', page))
        saved = client_admin.post("/brokers/add/", {**fields, "do": "save"})
        assert saved.status_code == 302
        assert acting_url_of(Broker.objects.get()).password == "b0ss"

    def test_an_empty_field_takes_it_away(self, client_admin, web):
        broker = save_broker(POLLING, acting_url=ACTING)
        page = client_admin.get(f"/brokers/{broker.pk}/change/").content.decode()
        assert SHOWN in page
        data = {"url": broker.safe_url, "acting_url": "", "do": "save"}
        assert client_admin.post(f"/brokers/{broker.pk}/change/", data).status_code == 302
        assert Broker.objects.get().secret_acting_url == ""


@pytest.mark.slow
class TestTrying:
    """On a real Valkey: a user that polls, and one that looks and replays."""

    @pytest.fixture
    def users(self, valkey):
        client = valkey.client()
        client.rpush("orders", "one")
        for name, rules in (("weir", RECIPE), ("boss", f"{RECIPE} {ACTING_RECIPE} -lrem")):
            client.execute_command("ACL", "SETUSER", name, "on", f">{name}-word", *rules.split())
        yield {name: f"redis://{name}:{name}-word@127.0.0.1:{valkey.port}/0" for name in ("weir", "boss")}
        client.execute_command("ACL", "DELUSER", "weir", "boss")
        client.delete("orders")

    def test_a_check_tries_each_credential_for_its_own_powers(self, users):
        polling, acting = (BrokerURL.parse(users[name]) for name in ("weir", "boss"))
        answer = check_broker(polling, acting=acting)
        assert answer.ok and [line.power for line in answer.fails] == ["replaying: LREM"]
        assert "+lrem" in answer.fails[0].sentence
        assert check_broker(polling, acting=acting, look_only=True).fails == []
        [weak] = check_broker(polling, acting=polling).fails
        assert "+multi" in weak.sentence

    def test_a_wrong_password_fails_acting_and_not_polling(self, users):
        wrong = BrokerURL.parse(users["boss"].replace("boss-word", "wrong-word"))
        answer = check_broker(BrokerURL.parse(users["weir"]), acting=wrong)
        assert answer.ok and len(answer.fails) == 1
        assert "refused user 'boss'" in answer.fails[0].sentence and "wrong-word" not in answer.fails[0].sentence

    def test_polling_that_works_until_the_first_stream_is_said_not_to_work(self, users, valkey):
        valkey.client().execute_command("ACL", "SETUSER", "weir", "-xinfo")
        answer = check_broker(BrokerURL.parse(users["weir"]))
        assert not answer.ok and answer.poll.samples and "polling needs XINFO GROUPS" in answer.lines[0].sentence
        out = io.StringIO()
        with pytest.raises(CommandError, match="polling needs XINFO GROUPS"):
            call_command("check_broker", users["weir"], stdout=out)
        assert "answers: 1 queue (1 list)." in out.getvalue() and "+xinfo" in out.getvalue()

    def test_the_command_says_what_is_missing(self, users):
        out = io.StringIO()
        call_command("check_broker", users["weir"], "--acting", users["boss"], stdout=out)
        said = out.getvalue()
        assert "missing  replaying: LREM" in said and "ok       looking: LRANGE" in said
        assert "weir-word" not in said and "boss-word" not in said
