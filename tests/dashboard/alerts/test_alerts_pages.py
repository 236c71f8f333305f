"""The alerts page without a browser: the notifiers that admins change on it."""

from __future__ import annotations

import pytest

from dashboard.alerts.deeds import url_of
from dashboard.models import AuditEntry, Notifier
from dashboard.secrets import encrypt
from tests.servers.receivers import hook

pytestmark = pytest.mark.usefixtures("web")


def made(url: str, **more) -> Notifier:
    fields = {"name": "ops", "secret_url": encrypt(url), "safe_url": "json://127.0.0.1/…", "scheme": "json"}
    return Notifier.objects.create(**fields | {"allow_private": True} | more)


def change(client, row: Notifier, **said: str) -> str:
    given = {"name": row.name, "url": "", "per_minute": "20", "allow_private": "on"}
    answer = client.post(f"/alerts/notifiers/{row.pk}/change/", given | said, follow=True)
    row.refresh_from_db()
    return answer.content.decode()


def test_a_notifier_is_changed_without_its_url_being_shown(client_admin):
    with hook() as old, hook() as new:
        row = made(f"json://127.0.0.1:{old.port}/hidden?secret=hunter2")
        page = client_admin.get("/alerts/").content.decode()
        assert "hunter2" not in page and "hidden?" not in page and f"/alerts/notifiers/{row.pk}/change/" in page
        change(client_admin, row, name="on call", per_minute="5")
        assert (row.name, row.per_minute) == ("on call", 5) and "hunter2" in url_of(row), "an empty URL stays"
        page = change(client_admin, row, url=f"json://127.0.0.1:{new.port}/other?secret=hunter3")
        assert "on call is changed. Test it now." in page and "hunter" not in page
        page = client_admin.post(f"/alerts/notifiers/{row.pk}/test/", follow=True).content.decode()
        assert old.got == [] and len(new.got) == 1
        assert "This is a test" in page and "200 thank you" in page, "what was sent and answered"
        assert "This is a test" not in client_admin.get("/alerts/").content.decode()
    assert "hunter" not in str(list(AuditEntry.objects.values()))


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"url": "json://169.254.169.254/latest", "allow_private": None}, "private network"),
        ({"url": "file:///etc/passwd"}, "not a way of telling"),
        ({"allow_private": None}, "private network"),
        ({"per_minute": "0"}, "from 1 to 600"),
        ({"per_minute": "many"}, "from 1 to 600"),
        ({"name": ""}, "needs a name"),
    ],
)
def test_a_wrong_change_says_why_and_changes_nothing(client_admin, said, words):
    row = made("json://127.0.0.1:9/")
    given = {"name": "ops", "url": "", "per_minute": "20", "allow_private": "on"} | said
    given = {name: value for name, value in given.items() if value is not None}
    page = client_admin.post(f"/alerts/notifiers/{row.pk}/change/", given, follow=True).content.decode()
    assert words in page
    row.refresh_from_db()
    assert (row.name, row.per_minute, row.allow_private, url_of(row)) == ("ops", 20, True, "json://127.0.0.1:9/")


def test_only_admins_change_a_notifier_and_what_a_file_manages_stays(client_admin, client_operator):
    row = made("json://127.0.0.1:9/")
    assert client_operator.post(f"/alerts/notifiers/{row.pk}/change/", {"name": "mine"}).status_code == 403
    assert "/change/" not in client_operator.get("/alerts/").content.decode()
    Notifier.objects.update(managed_by="apply")
    assert "managed by a file" in change(client_admin, row, name="mine")
    assert row.name == "ops"
