from __future__ import annotations

import io

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from dashboard.models import Token, User
from tests.conftest import person

pytestmark = pytest.mark.usefixtures("web")
GOOD = "tumbling violet anchors"


def run(*arguments: str) -> str:
    out = io.StringIO()
    call_command(*arguments, stdout=out)
    return out.getvalue().strip()


def test_create_user_reads_the_password_from_a_file(tmp_path):
    file = tmp_path / "password"
    file.write_text(GOOD + "\n")
    said = run("create_user", "nina", "--role", "admin", "--password-file", str(file))
    assert GOOD not in said
    assert User.objects.get(username="nina", role="admin").check_password(GOOD)


def test_create_user_reads_the_password_from_standard_input(monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO(GOOD + "\n"))
    run("create_user", "nina", "--role", "viewer")
    assert User.objects.get(username="nina").check_password(GOOD)


@pytest.mark.parametrize("password", ["", "short", "password1234"])
def test_create_user_refuses_a_bad_password_in_a_sentence(monkeypatch, password):
    monkeypatch.setattr("sys.stdin", io.StringIO(password))
    with pytest.raises(CommandError, match="password"):
        run("create_user", "nina", "--role", "viewer")
    assert not User.objects.exists()


def test_create_user_refuses_a_name_that_is_taken():
    person("viewer")
    with pytest.raises(CommandError, match="exists already"):
        run("create_user", "viewer", "--role", "admin")


def test_create_user_says_which_file_it_cannot_read(tmp_path):
    with pytest.raises(CommandError, match="no-such-file"):
        run("create_user", "nina", "--role", "viewer", "--password-file", str(tmp_path / "no-such-file"))


def test_sign_in_prints_a_link_that_signs_in(settings):
    settings.WEIR_PUBLIC_URL = "https://weir.example"
    person("operator")
    link = run("sign_in", "operator")
    assert link.startswith("https://weir.example/sign-in/")
    client = Client()
    client.post(link.removeprefix("https://weir.example"))
    assert client.get("/settings/").status_code == 200


def test_sign_in_names_those_who_exist():
    person("viewer")
    with pytest.raises(CommandError, match="no person named nina; there are viewer"):
        run("sign_in", "nina")


def test_create_token_prints_it_as_the_last_word():
    token = run("create_token", "ci", "--role", "viewer").split()[-1]
    assert Client(headers={"Authorization": f"Bearer {token}"}).get("/api/v1/brokers").status_code == 200


def test_revoke_token_ends_it():
    token = run("create_token", "ci", "--role", "viewer").split()[-1]
    run("revoke_token", "ci")
    assert Client(headers={"Authorization": f"Bearer {token}"}).get("/api/v1/brokers").status_code == 401
    with pytest.raises(CommandError, match="revoked already"):
        run("revoke_token", "ci")


def test_a_token_name_is_used_once():
    run("create_token", "ci", "--role", "viewer")
    with pytest.raises(CommandError, match="exists already"):
        run("create_token", "ci", "--role", "admin")
    assert Token.objects.get().role == "viewer"


@pytest.mark.parametrize("command", ["create_user", "sign_in", "create_token", "revoke_token"])
def test_every_command_explains_itself(command, capsys):
    with pytest.raises(SystemExit) as ended:
        call_command(command, "--help")
    assert ended.value.code in (0, None)
    assert "usage:" in capsys.readouterr().out.lower()
