"""A wallboard link: one view, live, until it is revoked, and nothing else."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.test import Client
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from dashboard.access import Refused, from_scope, of_token
from dashboard.models import AuditEntry, Wallboard
from tests.servers.site import Site

from ..web import seen


def make(api, **fields) -> dict:
    return api.send("post", "wallboards", {"name": "office", "filter": "orders", **fields}, 201)


def boot(path: str) -> dict:
    page = Client().get(path)
    assert page.status_code == 200
    return json.loads(re.search(r'id="boot" type="application/json">(.*?)</script>', page.content.decode())[1])


class TestTheLink:
    def test_it_shows_its_view_without_signing_in_and_no_other_queue_in_any_place(self, admin_api):
        seen(queues=["orders", "secret-project"], depth=[5, 9000], state=4)
        path = make(admin_api)["path"]
        frame = boot(path)
        assert [row["name"] for row in frame["rows"]] == ["orders"]
        assert (frame["summary"]["queues"], frame["summary"]["backlog"]) == (1, 5)
        assert "secret-project" not in Client().get(path).content.decode()

    def test_only_a_hash_is_kept_and_the_link_is_shown_once(self, admin_api):
        made = make(admin_api)
        text = made["path"].rstrip("/").rpartition("/")[2]
        assert len(text) >= 43
        assert all(text not in str(value) for value in Wallboard.objects.values().get().values())
        assert [item["path"] for item in admin_api.get("wallboards")["items"]] == [None]
        assert text not in str(list(AuditEntry.objects.values()))

    def test_it_is_not_kept_by_proxies_found_by_search_or_told_to_other_sites(self, admin_api):
        page = Client().get(make(admin_api)["path"])
        assert "no-store" in page["Cache-Control"]
        assert (page["X-Robots-Tag"], page["Referrer-Policy"]) == ("noindex", "no-referrer")

    def test_a_revoked_one_says_so_and_shows_nothing(self, admin_api):
        seen(queues=["orders"], depth=1)
        made = make(admin_api)
        assert admin_api.send("delete", f"wallboards/{made['id']}")["revoked_at"]
        page = Client().get(made["path"])
        assert page.status_code == 410 and b"office was revoked" in page.content and b"orders" not in page.content
        assert "revoked already" in admin_api.send("delete", f"wallboards/{made['id']}", status=409)["error"]["message"]

    def test_an_unknown_one_says_so(self, db):
        page = Client().get("/wallboard/nonsense/")
        assert page.status_code == 410 and b"not known" in page.content

    def test_its_token_opens_nothing_else(self, admin_api):
        text = make(admin_api)["path"].rstrip("/").rpartition("/")[2]
        with pytest.raises(Refused, match="not known"):
            of_token(text)
        principal = from_scope({"url_route": {"kwargs": {"wallboard": text}}})
        assert (principal.kind, principal.role) == ("wallboard", "viewer")
        assert principal.can("see") and not principal.can("share_views")

    @pytest.mark.parametrize(
        ("change", "field"), [({"name": ""}, "name"), ({"filter": "depth>>1"}, "filter"), ({"sort": "colour"}, "sort")]
    )
    def test_what_is_wrong_names_its_field(self, admin_api, change, field):
        body = {"name": "office", **change}
        assert admin_api.send("post", "wallboards", body, 400)["error"]["field"] == field

    def test_it_is_made_and_revoked_on_the_settings_page(self, client_admin, web):
        page = client_admin.post("/settings/wallboards/", {"name": "office", "filter": "orders"})
        link = re.search(r'id="secret">([^<]+)<', page.content.decode())[1]
        assert link.startswith("http://testserver/wallboard/")
        assert Client().get(link.removeprefix("http://testserver")).status_code == 200
        row = Wallboard.objects.get()
        assert client_admin.post(f"/settings/wallboards/{row.pk}/revoke/").status_code == 302
        assert Client().get(link.removeprefix("http://testserver")).status_code == 410
        page = client_admin.post("/settings/wallboards/", {"name": "office"})
        assert page.status_code == 400 and b"exists already" in page.content


@pytest.mark.slow
class TestItsSocket:
    @pytest.fixture
    def site(self, tmp_path: Path) -> Iterator[Site]:
        with Site(tmp_path, queues=3) as site:
            yield site

    def socket(self, site: Site, token: str):
        url = site.url.replace("/ws/live/", f"/ws/wallboard/{token}/")
        return connect(url, additional_headers={"Origin": f"http://127.0.0.1:{site.port}"})

    def test_whatever_it_asks_for_it_gets_its_own_view(self, site):
        site.tick(depth=[1, 2, 3])
        made = site.say(wallboard=["office", "queue-0001"])
        with self.socket(site, made["token"]) as socket:
            socket.send(json.dumps({"view": "queues", "filter": "queue-0002", "sort": "-depth", "limit": 10}))
            frame = json.loads(socket.recv(timeout=30))
            assert [row["name"] for row in frame["rows"]] == ["queue-0001"]
            assert frame["summary"]["queues"] == 1 and "queue-0002" not in json.dumps(frame)
            socket.send(json.dumps({"view": "queue", "id": site.ids[2]}))
            while "error" not in (answer := json.loads(socket.recv(timeout=30))):
                assert "queue-0002" not in json.dumps(answer)
            assert "one view of the queues" in answer["error"]["message"]

    def test_revoking_ends_it_at_once(self, site):
        site.tick(depth=1)
        made = site.say(wallboard=["office", ""])
        with self.socket(site, made["token"]) as socket:
            socket.send(json.dumps({"view": "queues"}))
            assert json.loads(socket.recv(timeout=30))["total"] == 3
            site.say(note=["signed_out", {"wallboard": made["id"] + 1}])
            site.say(note=["signed_out", {"wallboard": made["id"]}])
            with pytest.raises(ConnectionClosed) as closed:
                while True:
                    socket.recv(timeout=30)
            assert closed.value.rcvd.code == 4401

    def test_an_unknown_token_is_refused(self, site):
        with self.socket(site, "nonsense") as socket:
            assert json.loads(socket.recv(timeout=30))["error"]["code"] == "refused"
            with pytest.raises(ConnectionClosed) as closed:
                socket.recv(timeout=30)
            assert closed.value.rcvd.code == 4401
