from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import AnonymousUser
from django.utils import timezone

from dashboard.access import DEEDS, RANK, Principal, Refused, from_scope, hash_of, new_token, of_token, revoke_token
from dashboard.models import Role, Token
from tests.conftest import person


def scope(authorization: str = "", user=None):
    headers = [(b"authorization", authorization.encode())] if authorization else []
    return {"type": "websocket", "headers": headers, "user": user or AnonymousUser()}


@pytest.mark.parametrize("role", Role.values)
def test_each_role_may_do_what_lesser_ones_may_and_no_more(role):
    principal = Principal("person", 1, "somebody", role)
    for deed, needed in DEEDS.items():
        assert principal.can(deed) == (RANK[role] >= RANK[needed])


def test_a_refusal_names_both_roles():
    with pytest.raises(Refused, match="needs the role admin; somebody has the role viewer") as caught:
        Principal("person", 1, "somebody", "viewer").must("change_brokers")
    assert caught.value.status == 403


@pytest.mark.django_db
class TestTokens:
    def test_the_text_is_kept_nowhere_only_its_hash(self):
        token, text = new_token("prometheus", "viewer")
        kept = Token.objects.values().get(pk=token.pk)
        assert text.startswith("weir_") and len(text) >= 40
        assert kept["hash"] == hash_of(text)
        assert all(text not in str(value) for value in kept.values())

    def test_a_token_is_its_role(self):
        _, text = new_token("deploy", "operator")
        principal = of_token(text)
        assert (principal.kind, principal.name, principal.role) == ("token", "deploy", "operator")

    def test_an_unknown_token_is_refused(self):
        with pytest.raises(Refused, match="not known") as caught:
            of_token("weir_" + "x" * 43)
        assert caught.value.status == 401

    def test_a_revoked_token_is_refused_by_name(self):
        _, text = new_token("old", "admin")
        revoke_token("old")
        with pytest.raises(Refused, match="old was revoked"):
            of_token(text)

    def test_its_last_use_is_noted_at_most_once_a_minute(self):
        token, text = new_token("busy", "viewer")
        of_token(text)
        first = Token.objects.get(pk=token.pk).last_used_at
        of_token(text)
        assert Token.objects.get(pk=token.pk).last_used_at == first
        Token.objects.filter(pk=token.pk).update(last_used_at=timezone.now() - timedelta(minutes=2))
        of_token(text)
        assert Token.objects.get(pk=token.pk).last_used_at >= first

    @pytest.mark.parametrize(
        ("name", "role"), [("", "viewer"), ("x" * 101, "viewer"), ("ci", "king"), ("taken", "viewer")]
    )
    def test_a_token_that_cannot_be_made_is_refused_in_a_sentence(self, name, role):
        new_token("taken", "viewer")
        with pytest.raises(ValueError, match=r"\.$"):
            new_token(name, role)


@pytest.mark.django_db
class TestWebSockets:
    def test_nobody_is_nobody(self):
        assert from_scope(scope()) is None

    def test_the_user_of_a_session_is_known(self):
        principal = from_scope(scope(user=person("operator")))
        assert (principal.kind, principal.role) == ("person", "operator")

    def test_a_deactivated_person_is_nobody(self):
        user = person("admin")
        user.is_active = False
        assert from_scope(scope(user=user)) is None

    def test_a_token_in_the_header_wins_over_the_session(self):
        _, text = new_token("live", "viewer")
        principal = from_scope(scope(f"Bearer {text}", user=person("admin")))
        assert (principal.kind, principal.role) == ("token", "viewer")

    @pytest.mark.parametrize("header", ["Bearer nonsense", "Basic YTpi", "Bearer"])
    def test_a_bad_header_is_refused_and_never_falls_back_to_the_session(self, header):
        with pytest.raises(Refused):
            from_scope(scope(header, user=person("admin")))
