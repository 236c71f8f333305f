from __future__ import annotations

import pytest

from collectors.brokers.memory import world
from collectors.errors import BadURL
from collectors.url import BrokerURL
from dashboard.broker_check import check_broker
from dashboard.brokers import BrokerRefused, keep_password, save_broker, url_of
from dashboard.models import Broker

pytestmark = pytest.mark.django_db
URL = "memory://weir:s3cret@shop?include=a*"


class TestSaving:
    def test_the_url_is_kept_encrypted_and_shown_without_its_password(self):
        broker = save_broker(URL)
        kept = Broker.objects.values().get(pk=broker.pk)
        assert all("s3cret" not in str(value) for value in kept.values())
        assert kept["safe_url"] == "memory://weir:•••@shop/?include=a*"
        assert url_of(broker).password == "s3cret"

    def test_what_is_not_said_comes_from_the_url_then_from_the_usual(self):
        plain = save_broker("memory://one")
        told = save_broker("memory://two?name=second&interval=2m&look_only=true")
        assert (plain.name, plain.interval, plain.look_only, plain.kind) == ("one", 10.0, False, "memory")
        assert (told.name, told.interval, told.look_only) == ("second", 120.0, True)

    def test_what_is_said_wins_over_the_url(self):
        broker = save_broker("memory://one?name=a&interval=5s", name="b", interval=30)
        assert (broker.name, broker.interval) == ("b", 30.0)

    @pytest.mark.parametrize(
        ("url", "fields", "field"),
        [
            ("nonsense", {}, "url"),
            ("gopher://x", {}, "url"),
            ("memory://x?callback=os.system", {}, "url"),
            ("memory://x", {"name": "x" * 101}, "name"),
            ("memory://x", {"name": "a\nb"}, "name"),
            ("memory://x", {"interval": 0.5}, "interval"),
            ("memory://x", {"interval": 0}, "interval"),
            ("memory://x", {"interval": 7200}, "interval"),
            ("memory://x?interval=500ms", {}, "interval"),
            ("memory://u:•••@x", {}, "url"),
            ("redis://host/orders", {}, "url"),  # what its adapter could never poll by is refused at once
            ("redis+sentinel://host", {}, "url"),
            ("redis+cluster://host/3", {}, "url"),
            ("rediss://host?ca_file=/nowhere.pem", {}, "url"),
            ("sqs://", {}, "url"),
            ("sqs://eu-west-1?endpoint=host", {}, "url"),
            ("amqp://host?management=ftp://host", {}, "url"),
            ("redis://host?interval=5s&interval=6s", {}, "url"),
            ("redis:// host", {}, "url"),
            ("redis://host\n/0", {}, "url"),
            (f"redis://{'h' * 254}", {}, "url"),
        ],
    )
    def test_what_is_wrong_is_refused_with_its_field_in_a_sentence(self, url, fields, field):
        with pytest.raises(BrokerRefused, match=r"\.$") as caught:
            save_broker(url, **fields)
        assert (caught.value.field, caught.value.conflict) == (field, False)
        assert not Broker.objects.exists()

    def test_a_name_is_used_once(self):
        save_broker("memory://one", name="prod")
        with pytest.raises(BrokerRefused, match="prod exists already") as caught:
            save_broker("memory://two", name="prod")
        assert caught.value.conflict

    def test_each_change_raises_the_revision_so_that_the_collector_connects_anew(self):
        broker = save_broker("memory://one")
        first = broker.revision
        assert save_broker("memory://two", broker=broker).revision == first + 1

    def test_a_refused_change_leaves_the_broker_as_it_was(self):
        save_broker("memory://one", name="taken")
        broker = save_broker("memory://two", name="mine")
        with pytest.raises(BrokerRefused):
            save_broker("memory://three", name="taken", broker=broker)
        kept = Broker.objects.get(pk=broker.pk)
        assert (kept.name, url_of(kept).host) == ("mine", "two")


class TestKeepingThePassword:
    OLD = BrokerURL.parse("amqp://weir:s3cret@rabbit:5672/shop?management=http://a:m4nage@rabbit:15672&include=x")

    def keep(self, text: str) -> BrokerURL:
        return BrokerURL.parse(keep_password(text, self.OLD))

    def test_it_stays_where_the_url_shows_dots(self):
        new = self.keep(self.OLD.safe)
        assert (new.password, new.parameters, new.path) == ("s3cret", self.OLD.parameters, "shop")

    def test_what_all_kinds_understand_may_be_changed_beside_it(self):
        new = self.keep(self.OLD.safe.replace("include=x", "include=y") + "&interval=5s")
        assert (new.password, new.get("include"), new.get("interval")) == ("s3cret", "y", "5s")
        assert new.get("management") == "http://a:m4nage@rabbit:15672"

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            ("@rabbit:5672", "@evil:5672"),
            ("@rabbit:5672", "@rabbit:5673"),
            ("weir:", "root:"),
            ("amqp:", "amqps:"),
            ("/shop", "/other"),
            ("rabbit:15672", "evil:15672"),
            ("&include=x", "&prometheus=http://evil:15692"),
            ("weir:•••", "weir:another"),
        ],
    )
    def test_it_never_goes_to_an_address_it_was_not_typed_for(self, old, new):
        assert old in self.OLD.safe
        with pytest.raises(BadURL, match="write every password"):
            self.keep(self.OLD.safe.replace(old, new))


class TestChecking:
    @pytest.fixture(autouse=True)
    def shop(self):
        return world("shop")

    def check(self, url="memory://shop", **options):
        return check_broker(BrokerURL.parse(url), **options)

    def test_a_broker_that_works_says_what_was_found(self, shop):
        shop.put("orders", 3)
        answer = self.check().as_json()
        assert answer["ok"] and answer["queue_count"] == 1 and answer["poll_requests"] == 1
        assert all(line["ok"] for line in answer["checks"])

    def test_a_refusal_is_a_line_and_not_an_error(self, shop):
        shop.password = "right"
        answer = self.check("memory://u:wrong-pass@shop")
        assert not answer.ok and not answer.lines[0].ok
        assert "refuses the password" in answer.lines[0].sentence and "wrong-pass" not in str(answer)

    def test_a_broker_that_never_answers_is_given_up(self, shop):
        shop.hang()
        answer = self.check(patience=0.2)
        assert not answer.ok
        assert "did not answer within 0.2 seconds" in answer.lines[-1].sentence

    def test_a_bug_of_an_adapter_is_said_and_logged(self, shop, caplog):
        shop.fail(ZeroDivisionError("s3cret"))
        answer = self.check()
        assert not answer.ok and "Weir itself failed" in answer.lines[-1].sentence
        assert "s3cret" not in answer.lines[-1].sentence
        assert "ZeroDivisionError" in caplog.text
