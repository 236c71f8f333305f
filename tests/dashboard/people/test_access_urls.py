"""Every address, every role: one table. An address that is not in the table fails the test."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import URLPattern, get_resolver
from django.utils import timezone

from collectors.brokers.memory import world
from dashboard.access import new_token
from dashboard.models import (
    Broker,
    Cause,
    Incident,
    Letter,
    Look,
    MaskRule,
    Note,
    Notifier,
    Queue,
    Replay,
    Rule,
    SavedView,
    Silence,
    User,
    Wallboard,
)
from dashboard.secrets import encrypt
from tests.conftest import person, signed_in

ROLES = ("nobody", "viewer", "operator", "admin")
OPEN, VIEWER, OPERATOR, ADMIN = range(4)

#: (method, address) -> the least role.
PAGES = {
    ("get", ""): VIEWER,
    ("get", "queues/<int:id>/"): VIEWER,
    ("post", "queues/<int:id>/tags/"): OPERATOR,
    ("post", "queues/<int:id>/notes/"): OPERATOR,
    ("post", "notes/<int:id>/delete/"): OPERATOR,
    ("post", "queues/<int:id>/hide/"): OPERATOR,
    ("post", "queues/<int:id>/dead-letters/"): OPERATOR,
    ("post", "queues/<int:id>/ignore/"): ADMIN,
    ("get", "queues/<int:id>/delete/"): ADMIN,
    ("get", "queues/delete/"): ADMIN,
    ("get", "dead-letters/"): VIEWER,
    ("get", "sign-in/"): OPEN,
    ("get", "sign-in/<str:text>/"): OPEN,
    ("post", "sign-out/"): OPEN,
    ("get", "brokers/"): VIEWER,
    ("get", "brokers/<int:id>/"): VIEWER,
    ("get", "brokers/add/"): ADMIN,
    ("get", "brokers/<int:id>/change/"): ADMIN,
    ("post", "brokers/<int:id>/pause/"): OPERATOR,
    ("post", "brokers/<int:id>/check/"): OPERATOR,
    ("post", "brokers/<int:id>/keep/"): ADMIN,
    ("get", "brokers/<int:id>/delete/"): ADMIN,
    ("get", "replays/"): VIEWER,
    ("get", "replays/new/"): OPERATOR,
    ("get", "replays/<int:id>/"): VIEWER,
    ("get", "audit/"): ADMIN,
    ("get", "alerts/"): VIEWER,
    ("get", "alerts/incidents/<int:id>/"): VIEWER,
    ("post", "alerts/incidents/<int:id>/acknowledge/"): OPERATOR,
    ("post", "alerts/incidents/<int:id>/silence/"): OPERATOR,
    ("get", "alerts/rules/add/"): OPERATOR,
    ("get", "alerts/rules/<int:id>/"): VIEWER,
    ("post", "alerts/rules/<int:id>/switch/"): OPERATOR,
    ("post", "alerts/rules/<int:id>/delete/"): OPERATOR,
    ("post", "alerts/silences/"): OPERATOR,
    ("post", "alerts/silences/<int:id>/end/"): OPERATOR,
    ("post", "alerts/notifiers/"): ADMIN,
    ("post", "alerts/notifiers/<int:id>/change/"): ADMIN,
    ("post", "alerts/notifiers/<int:id>/test/"): ADMIN,
    ("post", "alerts/notifiers/<int:id>/delete/"): ADMIN,
    ("get", "settings/"): VIEWER,
    ("post", "settings/people/"): ADMIN,
    ("post", "settings/people/<int:id>/"): ADMIN,
    ("post", "settings/people/<int:id>/link/"): ADMIN,
    ("post", "settings/tokens/"): ADMIN,
    ("post", "settings/tokens/<int:id>/revoke/"): ADMIN,
    ("post", "settings/wallboards/"): ADMIN,
    ("post", "settings/wallboards/<int:id>/revoke/"): ADMIN,
    ("get", "wallboard/<str:text>/"): OPEN,
    ("post", "settings/masking/"): ADMIN,
    ("post", "settings/masking/<int:id>/delete/"): ADMIN,
    ("post", "settings/password/"): VIEWER,
    ("get", "healthz"): OPEN,
    ("get", "readyz"): OPEN,
}
#: The same for what answers machines: 401 and 403 instead of a redirect.
CALLS = {
    ("get", "metrics"): VIEWER,
    ("get", "api/v1/openapi.json"): OPEN,
    ("get", "api/v1/docs"): OPEN,
    ("get", "api/v1/brokers"): VIEWER,
    ("post", "api/v1/brokers"): ADMIN,
    ("get", "api/v1/brokers/<id>"): VIEWER,
    ("patch", "api/v1/brokers/<id>"): OPERATOR,
    ("delete", "api/v1/brokers/<id>"): ADMIN,
    ("post", "api/v1/brokers/<id>/check"): OPERATOR,
    ("get", "api/v1/queues"): VIEWER,
    ("get", "api/v1/queues/export"): VIEWER,
    ("post", "api/v1/queues/hide"): OPERATOR,
    ("post", "api/v1/queues/delete"): ADMIN,
    ("get", "api/v1/queues/<id>"): VIEWER,
    ("patch", "api/v1/queues/<id>"): OPERATOR,
    ("delete", "api/v1/queues/<id>"): ADMIN,
    ("get", "api/v1/queues/<id>/series"): VIEWER,
    ("get", "api/v1/queues/<id>/figure"): VIEWER,
    ("get", "api/v1/queues/<id>/outlook"): VIEWER,
    ("get", "api/v1/series"): VIEWER,
    ("get", "api/v1/notes"): VIEWER,
    ("post", "api/v1/notes"): OPERATOR,
    ("delete", "api/v1/notes/<id>"): OPERATOR,
    ("get", "api/v1/views"): VIEWER,
    ("post", "api/v1/views"): VIEWER,
    ("patch", "api/v1/views/<id>"): OPERATOR,  # this one is shared
    ("delete", "api/v1/views/<id>"): OPERATOR,
    ("get", "api/v1/wallboards"): ADMIN,
    ("post", "api/v1/wallboards"): ADMIN,
    ("delete", "api/v1/wallboards/<id>"): ADMIN,
    ("get", "api/v1/audit"): ADMIN,
    ("get", "api/v1/replays"): VIEWER,
    ("post", "api/v1/replays"): OPERATOR,
    ("get", "api/v1/replays/<id>"): VIEWER,
    ("patch", "api/v1/replays/<id>"): OPERATOR,
    ("post", "api/v1/replays/<id>/start"): OPERATOR,
    ("post", "api/v1/replays/<id>/pause"): OPERATOR,
    ("post", "api/v1/replays/<id>/resume"): OPERATOR,
    ("post", "api/v1/replays/<id>/stop"): OPERATOR,
    ("post", "api/v1/replays/<id>/repeat"): OPERATOR,
    ("post", "api/v1/replays/<id>/stage"): OPERATOR,
    ("post", "api/v1/replays/<id>/back"): OPERATOR,
    ("get", "api/v1/replays/<id>/messages"): VIEWER,
    ("get", "api/v1/replays/<id>/figure"): VIEWER,
    ("get", "api/v1/deletions"): VIEWER,
    ("post", "api/v1/deletions/<id>/restore"): OPERATOR,
    ("post", "api/v1/dead-letters/delete"): OPERATOR,
    ("post", "api/v1/queues/<id>/purge"): OPERATOR,
    ("post", "api/v1/queues/<id>/messages"): OPERATOR,
    ("get", "api/v1/queues/<id>/look"): VIEWER,
    ("patch", "api/v1/queues/<id>/look"): OPERATOR,
    ("post", "api/v1/queues/<id>/looks"): OPERATOR,
    ("get", "api/v1/looks/<id>/messages"): OPERATOR,
    ("get", "api/v1/dead-letters"): VIEWER,
    ("get", "api/v1/dead-letters/causes"): VIEWER,
    ("patch", "api/v1/dead-letters/causes/<id>"): OPERATOR,
    ("get", "api/v1/dead-letters/export"): OPERATOR,
    ("get", "api/v1/dead-letters/<id>"): OPERATOR,
    ("get", "api/v1/dead-letters/<id>/body"): OPERATOR,
    ("get", "api/v1/dead-letters/<id>/edit"): OPERATOR,
    ("get", "api/v1/masking"): VIEWER,
    ("post", "api/v1/masking"): ADMIN,
    ("delete", "api/v1/masking/<id>"): ADMIN,
    ("get", "api/v1/rules"): VIEWER,
    ("post", "api/v1/rules"): OPERATOR,
    ("get", "api/v1/rules/templates"): VIEWER,
    ("post", "api/v1/rules/preview"): VIEWER,
    ("get", "api/v1/rules/<id>"): VIEWER,
    ("patch", "api/v1/rules/<id>"): OPERATOR,
    ("delete", "api/v1/rules/<id>"): OPERATOR,
    ("get", "api/v1/incidents"): VIEWER,
    ("get", "api/v1/incidents/firing"): VIEWER,
    ("get", "api/v1/incidents/<id>"): VIEWER,
    ("post", "api/v1/incidents/<id>/acknowledge"): OPERATOR,
    ("get", "api/v1/silences"): VIEWER,
    ("post", "api/v1/silences"): OPERATOR,
    ("get", "api/v1/silences/<id>"): VIEWER,
    ("delete", "api/v1/silences/<id>"): OPERATOR,
    ("get", "api/v1/notifiers"): VIEWER,
    ("post", "api/v1/notifiers"): ADMIN,
    ("get", "api/v1/notifiers/<id>"): VIEWER,
    ("patch", "api/v1/notifiers/<id>"): ADMIN,
    ("delete", "api/v1/notifiers/<id>"): ADMIN,
    ("post", "api/v1/notifiers/<id>/test"): ADMIN,
}


@pytest.fixture
def one_of_each(web):
    user = User.objects.create_user("one", is_active=True)
    broker = Broker.objects.create(
        name="one", kind="memory", secret_url=encrypt("memory://one"), safe_url="memory://one/"
    )
    queue = Queue.objects.create(broker=broker, key="q", name="q", kind="list")
    world("one").queue("q")
    view = SavedView.objects.create(name="one")
    wallboard = Wallboard.objects.create(name="one", hash="one")
    cause = Cause.objects.create(fingerprint="one", title="one", first_seen=1.0, revision=1)
    letter = Letter.objects.create(queue=queue, key="one", cause=cause, first_seen=1.0, last_seen=1.0, revision=1)
    condition = {"metric": "depth", "op": ">", "value": 1}
    rule = Rule.objects.create(name="one", condition=condition)
    incident = Incident.objects.create(rule=rule, severity="info", opened_at=timezone.now(), open_key="one")
    silence = Silence.objects.create(reason="one", created_by="one", ends_at=timezone.now())
    notifier = Notifier.objects.create(name="one", secret_url=encrypt("json://127.0.0.1:1/"), safe_url="json://…")
    look = Look.objects.create(queue=queue, by="one", at=1.0, expires_at=1e11, price="")
    replay = Replay.objects.create(queue=queue, queue_name="q", broker_name="one", made_by="one")
    return {
        "replays": replay.pk,
        "deletions": replay.pk,
        "looks": look.pk,
        "dead-letters": letter.pk,
        "causes": cause.pk,
        "masking": MaskRule.objects.create(kind="path", pattern="one").pk,
        "brokers": broker.pk,
        "queues": queue.pk,
        "people": user.pk,
        "tokens": new_token("one", "viewer")[0].pk,
        "views": view.pk,
        "wallboards": wallboard.pk,
        "rules": rule.pk,
        "incidents": incident.pk,
        "silences": silence.pk,
        "notifiers": notifier.pk,
        "notes": Note.objects.create(at=timezone.now(), text="one", by="one").pk,
    }


def address(route: str, ids: dict[str, int]) -> str:
    parts = route.split("/")
    for i, part in enumerate(parts):
        if part in ("<int:id>", "<id>"):
            parts[i] = str(ids[parts[i - 1]])
    return "/" + "/".join(parts).replace("<str:text>", "no-such-link")


def client_of(role: str) -> Client:
    return Client() if role == "nobody" else signed_in(person(role))


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize(("method", "route"), PAGES)
def test_a_page_is_for_its_role_and_those_above(method, route, role, one_of_each):
    response = getattr(client_of(role), method)(address(route, one_of_each))
    allowed = ROLES.index(role) >= PAGES[method, route]
    to_sign_in = response.status_code == 302 and "/sign-in/?next=" in response["Location"]
    refused = response.status_code == 403 or to_sign_in
    assert refused is not allowed, (response.status_code, response.headers.get("Location"))
    if role == "nobody" and not allowed:
        assert to_sign_in
    assert response.status_code < 500


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize(("method", "route"), CALLS)
def test_a_call_is_for_its_role_and_those_above(method, route, role, one_of_each):
    client = client_of(role)
    body = {} if method == "get" else {"data": "{}", "content_type": "application/json"}
    response = getattr(client, method)(address(route, one_of_each), **body)
    allowed = ROLES.index(role) >= CALLS[method, route]
    expected = 401 if role == "nobody" else 403
    assert (response.status_code == expected) is not allowed, response.content[:300]
    assert response.status_code < 500


def test_no_address_is_missing_from_the_tables():
    found = set()

    def walk(patterns, prefix=""):
        for pattern in patterns:
            route = prefix + str(pattern.pattern)
            found.add(route) if isinstance(pattern, URLPattern) else walk(pattern.url_patterns, route)

    walk(get_resolver().url_patterns)
    known = {route for _, route in (*PAGES, *CALLS)}
    assert found - {"api/v1/"} == known
