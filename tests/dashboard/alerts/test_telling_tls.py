"""Telling over TLS, to real servers with certificates: mail from the start or by STARTTLS, and webhooks."""

from __future__ import annotations

import email
from email import policy

import pytest

from dashboard.alerts.telling import Sent, Undelivered, notice, parse, send
from tests.servers.certificates import Authority
from tests.servers.receivers import hook, mailbox

ITEM = notice.Item(
    key="abc", id=1, state="open", severity="critical", rule="Lag too long", queue="pay <b>now</b>", broker="prod",
    reason="Lag is over 5 min for 2 min: it is 7 min.", changed=("consumers 4 → 0",),
    opened_at="2026-11-25T22:04:13.000Z", closed_at=None, closed_because="", link="https://weir.example.com/i/1/",
)  # fmt: skip
NOTICE = notice.Notice("key", "opened", "critical", (ITEM,))


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def trusted(authority, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))


def told(url: str, what: notice.Notice = NOTICE) -> Sent:
    return send(parse(url), what, allow_private=True)


def mail_url(port: int, mode: str, login: str = "") -> str:
    return f"mailtos://{login}localhost:{port}?mode={mode}&from=weir@example.com&to=ann@example.com"


@pytest.mark.parametrize("mode", ["starttls", "ssl"])
def test_mail_goes_over_tls_with_its_password(mode, authority, trusted):
    with mailbox(mode, authority.sign().context, password="hunter2") as (box, port):
        answer = told(mail_url(port, mode, "weir:hunter2@"))
        with pytest.raises(Undelivered, match="localhost answered 535") as refused:
            told(mail_url(port, mode, "weir:wrong@"))
    assert refused.value.permanent and "wrong" not in str(refused.value)
    assert box.secret == [True] and "took it" in answer.answered and "hunter2" not in answer.sent
    message = email.message_from_bytes(box.got[0].content, policy=policy.default)
    text, html = (message.get_body((kind,)).get_content() for kind in ("plain", "html"))
    assert "■ critical: pay <b>now</b> on prod: Lag too long" in text and "Since 2026-11-25 22:04 UTC." in text
    assert "pay &lt;b&gt;now&lt;/b&gt;" in html and 'href="https://weir.example.com/i/1/"' in html


@pytest.mark.parametrize("mode", ["starttls", "ssl"])
@pytest.mark.parametrize(
    ("host", "days", "words"),
    [
        ("localhost", -1, "certificate has expired; it has to be renewed there"),
        ("mail.example.com", 2, "Hostname mismatch.*; write a name into the URL that it was made for"),
    ],
)
def test_a_wrong_certificate_of_a_mail_server_is_refused_and_said(mode, host, days, words, authority, trusted):
    with (
        mailbox(mode, authority.sign(host, days=days).context) as (box, port),
        pytest.raises(Undelivered, match=f"localhost did not take it: its certificate is not trusted: .*{words}"),
    ):
        told(mail_url(port, mode))
    assert box.got == [], "nothing was said to a stranger"


def test_an_authority_that_nobody_trusts_is_named(authority, monkeypatch):
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    with (
        mailbox("starttls", authority.sign().context) as (_, port),
        pytest.raises(Undelivered, match="SSL_CERT_FILE names a file of the authorities") as refused,
    ):
        told(mail_url(port, "starttls"))
    assert not refused.value.permanent, "it may be renewed within the hour in which it is tried again"


def test_mail_is_never_sent_in_the_open_where_tls_was_asked_for():
    with mailbox() as (box, port):
        with pytest.raises(Undelivered, match="STARTTLS"):
            told(mail_url(port, "starttls"))
        with pytest.raises(Undelivered, match="localhost did not take it"):
            told(mail_url(port, "ssl"))
    assert box.got == []


def test_webhooks_go_over_https_to_the_name_of_the_certificate(authority, trusted):
    with hook(authority.sign().context) as server:
        assert told(f"jsons://localhost:{server.port}/in?secret=s").answered == "200 thank you"
        with pytest.raises(Undelivered, match=r"certificate is not trusted: hostname .* doesn't match"):
            told(f"jsons://127.0.0.1:{server.port}/in")
    assert len(server.got) == 1 and server.got[0]["headers"]["Host"] == f"localhost:{server.port}"
    with (
        hook(authority.sign(days=-1).context) as server,
        pytest.raises(Undelivered, match="it has to be renewed there"),
    ):
        told(f"jsons://localhost:{server.port}/in")
    assert server.got == []
