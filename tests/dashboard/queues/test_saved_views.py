"""Saved views: one's own, and shared ones."""

from __future__ import annotations

import orjson
import pytest
from django.test import Client

from dashboard.models import AuditEntry, SavedView
from tests.conftest import person, signed_in

OWN = {"name": "mine", "filter": "orders state:growing", "sort": "-depth"}


class Browser:
    """The API as a page of a person calls it: session and CSRF token."""

    def __init__(self, role: str, name: str = "") -> None:
        user = person(role)
        if name:
            user.username = name
            user.save()
        self.client: Client = signed_in(user)

    def call(self, method: str, path: str, body=None, status: int = 200):
        more = {"data": orjson.dumps(body), "content_type": "application/json"} if body is not None else {}
        response = getattr(self.client, method)(f"/api/v1/{path}", **more)
        assert response.status_code == status, response.content[:300]
        return orjson.loads(response.content) if response.content else None

    @property
    def names(self) -> list[str]:
        return [item["name"] for item in self.call("get", "views")["items"]]


@pytest.fixture
def viewer(web) -> Browser:
    return Browser("viewer")


@pytest.fixture
def operator(web) -> Browser:
    return Browser("operator")


def test_a_token_cannot_take_a_shared_view_for_its_own(operator_api):
    made = operator_api.send("post", "views", {"name": "all", "shared": True}, 201)
    error = operator_api.send("patch", f"views/{made['id']}", {"shared": False}, 400)["error"]
    assert error["field"] == "shared" and operator_api.get("views")["items"][0]["shared"]


def test_a_persons_own_view_is_seen_by_nobody_else(viewer, operator):
    saved = viewer.call("post", "views", OWN, 201)
    assert (saved["filter"], saved["sort"], saved["shared"]) == ("orders state:growing", "-depth", False)
    assert viewer.names == ["mine"] and operator.names == []
    operator.call("delete", f"views/{saved['id']}", status=404)


def test_shared_views_are_made_by_operators_and_seen_by_all(viewer, operator):
    error = viewer.call("post", "views", {**OWN, "shared": True}, 403)["error"]
    assert "needs the role operator" in error["message"]
    saved = operator.call("post", "views", {**OWN, "shared": True}, 201)
    assert viewer.names == operator.names == ["mine"]
    viewer.call("patch", f"views/{saved['id']}", {"name": "other"}, 403)
    viewer.call("delete", f"views/{saved['id']}", status=403)
    operator.call("delete", f"views/{saved['id']}", status=204)
    assert [one.action for one in AuditEntry.objects.all()] == ["delete shared view", "share view"]


def test_one_name_may_be_mine_yours_and_everybodys(viewer, operator):
    viewer.call("post", "views", OWN, 201)
    operator.call("post", "views", OWN, 201)
    operator.call("post", "views", {**OWN, "shared": True}, 201)
    for shared in (False, True):
        error = operator.call("post", "views", {**OWN, "shared": shared}, 409)["error"]
        assert error["field"] == "name" and "named mine already" in error["message"]
    assert SavedView.objects.count() == 3


def test_a_view_is_changed_shared_and_taken_back(operator):
    id = operator.call("post", "views", OWN, 201)["id"]
    changed = operator.call("patch", f"views/{id}", {"filter": "mail"})
    assert (changed["filter"], changed["sort"], changed["name"]) == ("mail", "-depth", "mine")
    assert operator.call("patch", f"views/{id}", {"shared": True})["shared"]
    assert not operator.call("patch", f"views/{id}", {"shared": False})["shared"]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"filter": "depth>>1"}, "filter"),
        ({"sort": "colour"}, "sort"),
        ({"name": " "}, "name"),
        ({"name": "a\nb"}, "name"),
    ],
)
def test_what_is_wrong_names_its_field(viewer, change, field):
    assert viewer.call("post", "views", OWN | change, 400)["error"]["field"] == field


def test_a_token_has_shared_views_only(operator_api):
    assert operator_api.send("post", "views", OWN, 400)["error"]["field"] == "shared"
    assert operator_api.send("post", "views", {**OWN, "shared": True}, 201)["shared"]


def test_there_is_an_end_to_them(viewer):
    for n in range(50):
        viewer.call("post", "views", {**OWN, "name": f"v{n}"}, 201)
    assert "50 views already" in viewer.call("post", "views", OWN, 409)["error"]["message"]
