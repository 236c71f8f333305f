from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.sessions.models import Session
from django.test import Client
from django.test.utils import override_script_prefix
from django.utils import timezone

from dashboard.live.bus import the_bus
from dashboard.models import AuditEntry, SignInLink, User
from dashboard.people import first_sign_in_path, sign_in_path
from tests.conftest import PASSWORD, person, signed_in

pytestmark = pytest.mark.usefixtures("web")

FAR_AWAY = {"REMOTE_ADDR": "203.0.113.7"}


def who(client: Client) -> str | None:
    id = client.session.get("_auth_user_id")
    return User.objects.get(pk=id).username if id else None


class TestPasswords:
    def sign_in(self, client, password=PASSWORD, **extra):
        return client.post("/sign-in/", {"username": "viewer", "password": password, **extra})

    def test_the_right_one_leads_to_the_queues(self):
        person("viewer")
        client = Client()
        response = self.sign_in(client)
        assert (response.status_code, response["Location"], who(client)) == (302, "/", "viewer")
        assert AuditEntry.objects.filter(who="viewer", action="sign in").exists()

    def test_a_wrong_one_is_refused_and_not_shown_again(self):
        person("viewer")
        client = Client()
        response = self.sign_in(client, "wrong horse")
        assert who(client) is None
        assert b"wrong horse" not in response.content
        assert b"correct username and password" in response.content

    def test_next_leads_back_to_where_one_was_going(self):
        person("viewer")
        response = self.sign_in(Client(), next="/brokers/?x=1")
        assert response["Location"] == "/brokers/?x=1"

    @pytest.mark.parametrize(
        "next", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)"]
    )
    def test_next_never_leads_out_of_weir(self, next):
        person("viewer")
        assert self.sign_in(Client(), next=next)["Location"] == "/"

    def test_a_page_that_needs_sign_in_is_remembered(self):
        response = Client().get("/brokers/?filter=a&sort=b")
        assert response["Location"] == "/sign-in/?next=/brokers/%3Ffilter%3Da%26sort%3Db"

    @override_script_prefix("/weir/")  # the path of WEIR_PUBLIC_URL
    def test_behind_a_proxy_that_takes_the_path_off_it_is_remembered_as_browsers_know_it(self):
        for query in ("", "?a=%C3%A4"):
            response = Client().get(f"/queues/1/{query}")
            assert response["Location"].startswith("/weir/sign-in/?next=/weir/queues/1/")
        assert response["Location"].endswith("%3Fa%3D%25C3%25A4")

    def test_the_session_is_another_one_after_sign_in(self):
        person("viewer")
        client = Client()
        session = client.session  # one that an attacker could have set
        session["planted"] = True
        session.save()
        client.cookies["weir_session"] = before = session.session_key
        self.sign_in(client)
        assert client.session.session_key != before
        assert Client(headers={"Cookie": f"weir_session={before}"}).get("/settings/").status_code == 302

    def test_a_deactivated_person_cannot_sign_in(self):
        person("viewer")
        User.objects.update(is_active=False)
        client = Client()
        self.sign_in(client)
        assert who(client) is None

    def test_deactivation_ends_a_session_that_is_open(self):
        user = person("viewer")
        client = signed_in(user)
        assert client.get("/settings/").status_code == 200
        User.objects.filter(pk=user.pk).update(is_active=False)
        assert client.get("/settings/").status_code == 302

    def test_too_many_attempts_lock_the_name_for_that_address_with_a_sentence(self):
        person("viewer")
        client = Client()
        for _ in range(5):
            response = self.sign_in(client, "wrong")
        assert response.status_code == 429
        assert response["Retry-After"] == "900"
        assert b"Try again in 15 minutes" in response.content
        assert self.sign_in(client).status_code == 429, "the right password opens nothing while locked"
        other = Client(**FAR_AWAY)
        self.sign_in(other)
        assert who(other) == "viewer", "another address is not locked out"

    def test_a_form_without_its_csrf_token_is_refused(self):
        person("viewer")
        response = self.sign_in(Client(enforce_csrf_checks=True))
        assert response.status_code == 403
        assert b"out of date" in response.content


class TestSignOut:
    def test_it_ends_the_session_and_its_live_connections(self):
        client = signed_in(person("viewer"))
        key, told = client.session.session_key, []

        def on_note(kind, fields):
            told.append((kind, dict(fields), Session.objects.filter(pk=key).exists()))

        the_bus().subscribe(None, on_note)
        assert client.post("/sign-out/")["Location"] == "/sign-in/"
        assert told == [("signed_out", {"session": key}, False)], "told once the session cannot come back"
        assert client.get("/settings/").status_code == 302

    def test_a_link_cannot_sign_one_out(self):
        client = signed_in(person("viewer"))
        assert client.get("/sign-out/").status_code == 405
        assert client.get("/settings/").status_code == 200


class TestLinks:
    def test_the_first_one_makes_the_first_admin_at_once_on_this_machine(self):
        path, client = first_sign_in_path(), Client()
        assert not User.objects.exists()
        response = client.get(path)
        assert (response.status_code, who(client)) == (302, "admin")
        first = User.objects.get()
        assert first.role == "admin" and not first.has_usable_password()

    def test_the_first_one_works_once(self):
        path = first_sign_in_path()
        Client().get(path)
        again = Client()
        response = again.get(path)
        assert (response.status_code, who(again)) == (410, None)
        assert User.objects.count() == 1

    @pytest.mark.parametrize(
        "elsewhere",
        [FAR_AWAY, {"HTTP_X_FORWARDED_FOR": "203.0.113.7"}, {"HTTP_FORWARDED": "for=203.0.113.7"}],
        ids=["another machine", "a proxy here", "a proxy that says Forwarded"],
    )
    def test_the_first_one_works_on_this_machine_only(self, elsewhere):
        path = first_sign_in_path()
        response = Client(**elsewhere).post(path)
        assert response.status_code == 410 and b"on the machine that Weir runs on" in response.content
        assert not User.objects.exists()

    def test_the_first_one_is_void_once_somebody_exists(self):
        path = first_sign_in_path()
        person("viewer")
        assert Client().get(path).status_code == 410

    def test_a_new_start_voids_the_link_of_the_one_before(self):
        before = first_sign_in_path()
        first_sign_in_path()
        assert Client().get(before).status_code == 410

    def test_a_preview_does_not_use_a_link_up(self):
        path, client = sign_in_path(person("operator")), Client(**FAR_AWAY)
        assert b"Sign in as operator" in client.get(path).content
        assert who(client) is None
        client.post(path)
        assert who(client) == "operator"

    def test_a_browser_that_loads_ahead_does_not_use_the_first_one_up(self):
        path, client = first_sign_in_path(), Client()
        client.get(path, headers={"Sec-Purpose": "prefetch;prerender"})
        assert who(client) is None and not User.objects.exists()

    def test_it_expires(self):
        path = sign_in_path(person("viewer"))
        SignInLink.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
        assert b"expired" in Client().post(path).content

    def test_a_new_one_voids_the_one_before(self):
        user = person("viewer")
        before = sign_in_path(user)
        sign_in_path(user)
        assert Client().post(before).status_code == 410

    def test_it_is_kept_as_a_hash_only(self):
        path = sign_in_path(person("viewer"))
        text = path.strip("/").split("/")[-1]
        assert all(text not in str(value) for value in SignInLink.objects.values().get().values())

    def test_a_deactivated_person_is_not_let_in(self):
        user = person("viewer")
        path = sign_in_path(user)
        User.objects.update(is_active=False)
        client = Client()
        assert client.post(path).status_code == 410 and who(client) is None

    def test_signing_in_as_somebody_else_takes_nothing_along(self):
        client = signed_in(person("viewer"))
        before = client.session.session_key
        client.post(sign_in_path(person("operator")))
        assert who(client) == "operator"
        assert client.session.session_key != before
