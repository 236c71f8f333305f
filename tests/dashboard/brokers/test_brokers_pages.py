from __future__ import annotations

import re
import time
from html import unescape

import pytest
from django.utils import timezone

from collectors.brokers.memory import world
from dashboard.brokers import save_broker, url_of
from dashboard.live.bus import the_bus
from dashboard.models import AuditEntry, Broker
from dashboard.samples import the_store

from ..fleets import made_up_tick
from ..web import kept

pytestmark = pytest.mark.usefixtures("web")
NASTY = "<script>alert(1)</script>"


def text(response) -> str:
    return unescape(response.content.decode())


@pytest.fixture
def shop():
    return world("shop")


@pytest.fixture
def notes() -> list:
    told: list = []
    the_bus().subscribe(None, lambda kind, fields: told.append(kind))
    return told


class TestList:
    def test_without_brokers_it_shows_how_a_url_looks_and_the_demo(self, client_admin, client_viewer):
        page = text(client_admin.get("/brokers/"))
        assert "amqp://" in page and "redis://" in page and "manage.py up --demo" in page
        assert 'href="/brokers/add/"' in page
        assert 'href="/brokers/add/"' not in text(client_viewer.get("/brokers/"))

    def test_it_shows_state_and_cost_and_says_what_is_not_known(self, client_viewer):
        new = save_broker("memory://fresh")
        busy = save_broker("memory://busy")
        now = timezone.now()
        told = {"queue_count": 1234, "poll_seconds": 0.25, "poll_requests": 3, "poll_bytes": 4200, "method": "by hand"}
        Broker.objects.filter(pk=busy.pk).update(last_poll_at=now, last_answer_at=now, **told)
        page = text(client_viewer.get("/brokers/"))
        assert "Reporting" in page and "1,234" in page and "0.250 s" in page and "4.2 kB" in page and "by hand" in page
        row = page[page.index(f"/brokers/{new.pk}/") :].split("</tr>")[0]
        assert ">?<" in row and ">0<" not in row and "never" in row

    def test_an_error_stands_below_its_broker(self, client_viewer):
        save_broker("memory://shop")
        Broker.objects.update(
            last_error="The password is wrong.", last_error_answered=True, problems=["Node b is away."]
        )
        page = text(client_viewer.get("/brokers/"))
        assert "Failing" in page and "The password is wrong." in page and "Node b is away." in page


class TestAdding:
    def post(self, client, do, **fields):
        return client.post("/brokers/add/", {"url": "memory://weir:s3cret@shop", "do": do, **fields})

    def test_a_check_saves_nothing_and_shows_what_works(self, client_admin, shop):
        shop.put("orders", 2)
        page = text(self.post(client_admin, "check"))
        assert "1 queue." in page and "works" in page and not Broker.objects.exists()

    def test_the_password_is_not_in_the_page_and_saving_after_a_check_still_knows_it(self, client_admin, shop, notes):
        page = text(self.post(client_admin, "check"))
        assert "s3cret" not in page
        fields = {name: re.search(rf'name="{name}" value="([^"]*)"', page)[1] for name in ("url", "sealed")}
        assert fields["url"] == "memory://weir:•••@shop/"
        assert self.post(client_admin, "save", **fields).status_code == 302
        assert url_of(Broker.objects.get()).password == "s3cret"
        assert "brokers_changed" in notes
        assert AuditEntry.objects.get(action="add broker").target == "shop"

    def test_a_sealed_password_does_not_go_to_another_address(self, client_admin, shop):
        page = text(self.post(client_admin, "check"))
        sealed = re.search(r'name="sealed" value="([^"]*)"', page)[1]
        response = self.post(client_admin, "check", url="memory://weir:•••@evil/", sealed=sealed)
        assert response.status_code == 400 and "write every password" in text(response)

    def test_a_check_that_fails_says_why_and_leaves_the_form(self, client_admin, shop):
        shop.password = "another"
        page = text(self.post(client_admin, "check", name="prod"))
        assert "refuses the password" in page and 'value="prod"' in page and "Save anyway" in page

    @pytest.mark.parametrize(
        ("fields", "sentence"),
        [
            ({"url": "gopher://x"}, "not a kind of broker"),
            ({"url": "memory://a:s3cret@x?nonsense=1"}, "'nonsense' is not a parameter"),
            ({"interval": "0.1"}, "greater than or equal to 1"),
            ({"name": "taken"}, "taken exists already"),
        ],
    )
    def test_what_is_wrong_stands_at_its_field(self, client_admin, shop, fields, sentence):
        save_broker("memory://other", name="taken")
        response = self.post(client_admin, "save", **fields)
        page = text(response)
        assert response.status_code == 400 and sentence in page and "s3cret" not in page
        assert Broker.objects.count() == 1


class TestOne:
    def test_it_shows_what_the_broker_says_of_itself_as_text(self, client_viewer):
        broker = save_broker("memory://u:s3cret@shop", name=NASTY)
        Broker.objects.update(details=[["Memory", "12 MB"], [NASTY, NASTY]], method=NASTY, last_error=NASTY)
        for path in ("/brokers/", f"/brokers/{broker.pk}/"):
            page = client_viewer.get(path).content.decode()
            assert NASTY not in page and "s3cret" not in page
        assert "12 MB" in page

    def test_a_viewer_sees_no_buttons(self, client_viewer, client_operator):
        broker = save_broker("memory://shop")
        path = f"/brokers/{broker.pk}/"
        assert "Pause polling" not in text(client_viewer.get(path))
        page = text(client_operator.get(path))
        assert "Pause polling" in page and "Delete" not in page

    def test_pausing_and_resuming(self, client_operator, notes):
        broker = save_broker("memory://shop")
        for paused in ("true", "false"):
            client_operator.post(f"/brokers/{broker.pk}/pause/", {"paused": paused})
            assert Broker.objects.get().paused == (paused == "true")
        assert notes.count("brokers_changed") == 2

    def test_a_check_shows_its_lines_and_has_it_polled_now(self, client_operator, shop, notes):
        broker = save_broker("memory://shop")
        assert "0 queues." in text(client_operator.post(f"/brokers/{broker.pk}/check/"))
        assert "poll_now" in notes

    def test_changing_keeps_the_password(self, client_admin):
        broker = save_broker("memory://weir:s3cret@shop", name="before")
        path = f"/brokers/{broker.pk}/change/"
        page = text(client_admin.get(path))
        assert "s3cret" not in page and 'value="before"' in page
        client_admin.post(path, {"url": broker.safe_url, "name": "after", "interval": "30", "do": "save"})
        kept = Broker.objects.get()
        assert (kept.name, kept.interval, url_of(kept).password) == ("after", 30.0, "s3cret")

    @pytest.mark.parametrize("managed", ["environment", "command line", "demo"])
    def test_what_is_managed_elsewhere_is_read_only_here(self, client_admin, managed):
        broker = save_broker("memory://shop", managed_by=managed)
        path = f"/brokers/{broker.pk}/"
        page = text(client_admin.get(path))
        assert "read-only here" in page and "change/" not in page
        assert client_admin.post(f"{path}change/", {"url": "memory://other", "do": "save"}).status_code == 409
        assert client_admin.post(f"{path}delete/").status_code == 409
        assert Broker.objects.get().safe_url == "memory://shop/"

    def test_one_that_was_found_is_confirmed_by_a_person(self, client_admin):
        broker = save_broker("memory://shop?look_only=true", managed_by="found")
        assert "Keep shop" in text(client_admin.get(f"/brokers/{broker.pk}/"))
        client_admin.post(f"/brokers/{broker.pk}/keep/")
        kept_one = Broker.objects.get()
        assert (kept_one.managed_by, kept_one.look_only, kept_one.safe_url) == ("page", False, "memory://shop/")
        assert client_admin.post(f"/brokers/{broker.pk}/keep/").status_code == 409

    def test_deleting_says_first_what_goes_and_then_takes_it(self, client_admin, notes):
        broker = save_broker("memory://shop", name="prod")
        ids = [broker.queues.create(key=name, name=name, kind="list").pk for name in ("a", "b")]
        kept(made_up_tick(broker.pk, ids, depth=1))
        page = text(client_admin.get(f"/brokers/{broker.pk}/delete/"))
        assert "2 queues" in page and "1 poll" in page and "Delete broker prod" in page
        assert client_admin.post(f"/brokers/{broker.pk}/delete/").status_code == 302
        assert not Broker.objects.exists()
        assert {"broker_deleted", "brokers_changed"} <= set(notes)
        assert AuditEntry.objects.get(action="delete broker").details == {"queues": 2, "polls": 1}
        deadline = time.monotonic() + 30
        while the_store().extent(broker.pk)[0] and time.monotonic() < deadline:
            time.sleep(0.02)
        assert the_store().extent(broker.pk) == (0, None)

    def test_one_that_is_not_there_is_not_found(self, client_viewer):
        response = client_viewer.get("/brokers/99/")
        assert response.status_code == 404 and "There is nothing here" in text(response)


class TestReplacingTheDemo:
    @pytest.fixture
    def demo(self):
        return save_broker("redis://127.0.0.1:1/0", name="demo", managed_by=Broker.Managed.DEMO)

    def test_the_form_offers_it_only_while_there_is_a_demo(self, client_admin, demo):
        assert "It replaces the demo" in text(client_admin.get("/brokers/add/"))
        demo.delete()
        assert "It replaces the demo" not in text(client_admin.get("/brokers/add/"))

    def test_a_broker_of_ones_own_takes_its_place(self, client_admin, demo, shop, notes):
        client_admin.post("/brokers/add/", {"url": "memory://shop", "end_demo": "on", "do": "save"})
        assert list(Broker.objects.values_list("name", flat=True)) == ["shop"]
        assert "broker_deleted" in notes

    def test_unticked_the_demo_stays_beside_it(self, client_admin, demo, shop):
        client_admin.post("/brokers/add/", {"url": "memory://shop", "do": "save"})
        assert set(Broker.objects.values_list("name", flat=True)) == {"demo", "shop"}
