from __future__ import annotations

import re

import pytest
from django.test import Client

from dashboard.access import new_token
from dashboard.live.bus import the_bus
from dashboard.models import AuditEntry, Token, User
from tests.conftest import PASSWORD, person, signed_in

pytestmark = pytest.mark.usefixtures("web")
NASTY = "<script>alert(1)</script>"


@pytest.fixture
def notes() -> list:
    told: list = []
    the_bus().subscribe(None, lambda kind, fields: told.append((kind, dict(fields))))
    return told


def text(response) -> str:
    return response.content.decode()


class TestPeople:
    def test_a_new_person_gets_a_link_that_works_from_anywhere(self, client_admin):
        page = text(client_admin.post("/settings/people/", {"name": "nina", "role": "operator"}))
        link = re.search(r"http://testserver(/sign-in/[^/]+/)", page)[1]
        there = Client(REMOTE_ADDR="203.0.113.7")
        there.post(link)
        assert User.objects.get(pk=there.session["_auth_user_id"]).role == "operator"

    @pytest.mark.parametrize(
        ("name", "role"),
        [("admin", "viewer"), ("ADMIN", "viewer"), ("", "viewer"), ("a b<c>", "viewer"), ("nina", "king")],
    )
    def test_a_person_who_cannot_be_added_is_refused_in_a_sentence(self, client_admin, name, role):
        response = client_admin.post("/settings/people/", {"name": name, "role": role})
        assert response.status_code == 400 and 'class="note bad"' in text(response)
        assert User.objects.count() == 1

    def test_another_role_holds_at_once_and_live_connections_ask_again(self, client_admin, notes):
        other = person("viewer")
        client_admin.post(f"/settings/people/{other.pk}/", {"role": "operator"})
        assert User.objects.get(pk=other.pk).role == "operator"
        assert ("signed_out", {"user": other.pk}) in notes

    def test_the_last_admin_can_be_neither_demoted_nor_deactivated(self, client_admin, user_admin):
        for change in ({"role": "viewer"}, {"active": "false"}):
            response = client_admin.post(f"/settings/people/{user_admin.pk}/", change)
            assert response.status_code == 400 and "is the only admin" in text(response)
        assert User.objects.get(role="admin").is_active

    def test_somebody_who_is_deactivated_can_be_let_in_again(self, client_admin):
        other = person("viewer")
        client_admin.post(f"/settings/people/{other.pk}/", {"active": "false"})
        assert not User.objects.get(pk=other.pk).is_active
        client_admin.post(f"/settings/people/{other.pk}/", {"active": "true"})
        assert User.objects.get(pk=other.pk).is_active

    def test_a_viewer_sees_nobody_else_on_the_page(self, client_viewer):
        User.objects.create_user(username="somebody-else", role="operator")
        page = text(client_viewer.get("/settings/"))
        assert "somebody-else" not in page and "Your password" in page

    def test_every_deed_is_in_the_audit_trail(self, client_admin):
        client_admin.post("/settings/people/", {"name": "nina", "role": "viewer"})
        client_admin.post("/settings/tokens/", {"name": "ci", "role": "viewer"})
        client_admin.post(f"/settings/tokens/{Token.objects.get().pk}/revoke/")
        done = set(AuditEntry.objects.filter(who="admin").values_list("action", "target"))
        assert {("add person", "nina"), ("create token", "ci"), ("revoke token", "ci")} <= done


class TestTokens:
    def test_the_text_is_shown_once_and_works(self, client_admin):
        page = text(client_admin.post("/settings/tokens/", {"name": "ci", "role": "viewer"}))
        token = re.search(r"weir_[\w-]{40,}", page)[0]
        assert token not in text(client_admin.get("/settings/"))
        assert Client(headers={"Authorization": f"Bearer {token}"}).get("/api/v1/brokers").status_code == 200

    def test_a_revoked_one_is_refused_and_its_live_connections_close(self, client_admin, notes):
        token, words = new_token("ci", "viewer")
        client_admin.post(f"/settings/tokens/{token.pk}/revoke/")
        response = Client(headers={"Authorization": f"Bearer {words}"}).get("/api/v1/brokers")
        assert response.status_code == 401 and "revoked" in text(response)
        assert ("signed_out", {"token": token.pk}) in notes

    def test_names_are_shown_as_text(self, client_admin):
        new_token(NASTY, "viewer")
        assert NASTY not in text(client_admin.get("/settings/"))


class TestOwnPassword:
    def change(self, client, **fields):
        new = "a much longer password 7"
        return client.post("/settings/password/", {"new_password1": new, "new_password2": new, **fields})

    def test_it_needs_the_present_one(self, client_viewer, user_viewer):
        assert self.change(client_viewer, old_password="wrong").status_code == 400
        user_viewer.refresh_from_db()
        assert user_viewer.check_password(PASSWORD)

    def test_changing_it_keeps_this_session_and_ends_the_others(self, client_viewer, user_viewer, notes):
        other = signed_in(user_viewer)
        assert self.change(client_viewer, old_password=PASSWORD).status_code == 302
        assert client_viewer.get("/settings/").status_code == 200
        assert other.get("/settings/").status_code == 302
        assert ("signed_out", {"user": user_viewer.pk}) in notes

    def test_who_came_by_a_link_sets_a_first_one(self, client_viewer, user_viewer):
        user_viewer.set_unusable_password()
        user_viewer.save()
        client = signed_in(user_viewer)
        assert "no password yet" in text(client.get("/settings/"))
        assert self.change(client).status_code == 302
        user_viewer.refresh_from_db()
        assert user_viewer.has_usable_password()

    @pytest.mark.parametrize("weak", ["toosh0rt", "password123", "viewer1234"])
    def test_a_weak_one_is_refused(self, client_viewer, weak):
        response = self.change(client_viewer, old_password=PASSWORD, new_password1=weak, new_password2=weak)
        assert response.status_code == 400 and weak not in text(response)
