"""Messages as they arrive at real receivers, and what becomes of those that do not."""

from __future__ import annotations

import email
import hashlib
import hmac
from email import policy

import pytest
from django.utils import timezone

from dashboard.alerts import outbox
from dashboard.alerts.sender import MOST_ATTEMPTS, Sender, pause
from dashboard.alerts.telling import BadNotifier, Undelivered, addresses, notice, parse, send, texts, ways
from dashboard.models import Incident, Notifier, Telling
from dashboard.secrets import encrypt
from tests.servers.receivers import hook, mailbox

pytestmark = pytest.mark.usefixtures("web")

NASTY = "orders\r\nBcc: all@example.com\n<!channel> <b>`*_~|" + "x" * 10_000 + "\u202e\x00"


@pytest.fixture
def hooked():
    with hook() as server:
        yield server


def notifier(url: str, name: str = "hook", **more) -> Notifier:
    target = parse(url)
    return Notifier.objects.create(
        name=name, secret_url=encrypt(url), safe_url=target.safe, scheme=target.scheme, allow_private=True, **more
    )


def incident(queue: str = "orders", **more) -> Incident:
    fields = {"rule_name": "lag", "queue_name": queue, "broker_name": "prod", "severity": "critical"}
    fields |= {"reason": "Lag is over 5 min: it is 7 min.", "opened_at": timezone.now(), "open_key": f"1:{queue[:50]}"}
    return Incident.objects.create(**fields | more)


def due(to: Notifier, *incidents: Incident, event: str = "opened") -> Telling:
    row = Telling.objects.create(notifier=to, event=event, due_at=timezone.now())
    row.incidents.set(incidents)
    return row


def served(to: Notifier, times: int = 1) -> Telling:
    """What became of its last message, after so many rounds without the pauses between."""
    for _ in range(times):
        Telling.objects.filter(state="waiting").update(due_at=timezone.now())
        Sender().serve(to.pk)
    to.refresh_from_db()
    return Telling.objects.filter(notifier=to).latest("id")


def test_a_webhook_is_signed_and_says_everything(hooked, settings):
    settings.WEIR_PUBLIC_URL = "https://weir.example.com"
    to = notifier(f"json://127.0.0.1:{hooked.port}/in/here?secret=s3cret")
    one = incident()
    row = due(to, one)
    assert served(to).state == "sent"
    (got,) = hooked.got
    assert got["path"] == "/in/here" and got["headers"]["Idempotency-Key"] == row.key
    stamp, mac = (part.partition("=")[2] for part in got["headers"]["X-Weir-Signature"].split(","))
    assert mac == hmac.new(b"s3cret", f"{stamp}.".encode() + got["raw"], hashlib.sha256).hexdigest()
    said = got["json"]["incidents"][0]
    assert (said["queue"], said["broker"], said["state"]) == ("orders", "prod", "open")
    assert said["link"] == f"https://weir.example.com/alerts/incidents/{one.pk}/"
    assert to.last_sent_at and not to.last_error


def test_mail_arrives_as_one_readable_message():
    with mailbox() as (box, port):
        to = notifier(f"mailto://127.0.0.1:{port}?from=weir@example.com&to=ann@example.com,bob@example.com")
        row = due(to, incident(values={"changed": ["consumers 4 → 0"]}))
        assert served(to).state == "sent", to.last_error
    (got,) = box.got
    message = email.message_from_bytes(got.content, policy=policy.default)
    assert message["Subject"] == "[Weir] Critical: orders (prod): lag"
    assert sorted(got.rcpt_tos) == ["ann@example.com", "bob@example.com"]
    assert message["Message-ID"] == f"<{row.key}@example.com>"
    for kind in ("plain", "html"):
        said = message.get_body((kind,)).get_content()
        assert "Lag is over 5 min: it is 7 min." in said and "Changed just before: consumers 4 → 0." in said


def test_names_from_anybody_break_no_message(hooked, monkeypatch):
    monkeypatch.setattr(ways, "SLACK", f"http://127.0.0.1:{hooked.port}/services")
    one = incident(NASTY)
    with mailbox() as (box, port):
        for n, url in enumerate(
            (
                f"mailto://127.0.0.1:{port}?from=weir@example.com&to=ann@example.com",
                f"json://127.0.0.1:{hooked.port}/",
                "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/#ops",
            )
        ):
            to = notifier(url, f"n{n}")
            due(to, one)
            assert served(to).state == "sent", to.last_error
    message = email.message_from_bytes(box.got[0].content, policy=policy.default)
    assert message["Bcc"] is None and len(message["Subject"]) < 300
    text, html = (message.get_body((kind,)).get_content() for kind in ("plain", "html"))
    assert "\u202e" not in text + html and "<b>" not in html and "&lt;b&gt;" in html
    assert len(hooked.got[0]["json"]["incidents"][0]["queue"]) <= notice.LONGEST_NAME
    told = hooked.got[1]["json"]
    assert hooked.got[1]["path"] == "/services/T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ"
    assert "<!channel>" not in str(told) and "&lt;!channel&gt;" in str(told) and told["channel"] == "#ops"


def test_pagerduty_gets_one_event_per_incident_and_resolves_it(hooked, monkeypatch):
    monkeypatch.setitem(ways.PAGERDUTY, "us", f"http://127.0.0.1:{hooked.port}/v2/enqueue")
    to = notifier(f"pagerduty://{'a' * 32}@{'b' * 20}/")
    both = incident("a"), incident("b")
    due(to, *both)
    served(to)
    Incident.objects.update(closed_at=timezone.now(), closed_because="It is 0 s again.")
    due(to, *both, event="closed")
    served(to)
    events = [(one["json"]["event_action"], one["json"]["dedup_key"]) for one in hooked.got]
    keys = [f"weir-{one.key}" for one in both]
    assert events == [("trigger", key) for key in keys] + [("resolve", key) for key in keys]
    assert hooked.got[0]["json"]["payload"]["severity"] == "critical"


@pytest.mark.parametrize("bad", [500, 503, 429, "drop", "nonsense"])
def test_what_may_pass_is_tried_again_with_the_same_key(hooked, bad):
    hooked.answers = [bad, bad, 200]
    to = notifier(f"json://127.0.0.1:{hooked.port}/")
    row = due(to, incident())
    assert served(to).state == "waiting" and to.last_error
    assert served(to, 2).state == "sent"
    assert hooked.keys == [row.key] * 3 and not to.last_error


@pytest.mark.parametrize("bad", [400, 401, 404, (302, {"Location": "http://127.0.0.1:1/"})])
def test_what_cannot_work_is_given_up_at_once_and_shown(hooked, bad):
    hooked.answers = [bad]
    to = notifier(f"json://127.0.0.1:{hooked.port}/")
    due(to, incident())
    row = served(to)
    status = bad[0] if isinstance(bad, tuple) else bad
    assert row.state == "given up" and str(status) in row.last_error
    assert to.failing_since and to.last_error == row.last_error and len(hooked.got) == 1


def test_it_is_given_up_after_about_an_hour(hooked):
    hooked.answers = [500]
    to = notifier(f"json://127.0.0.1:{hooked.port}/")
    due(to, incident())
    assert served(to, MOST_ATTEMPTS - 1).state == "waiting"
    assert served(to).state == "given up"
    assert 1200 < sum(pause(n) for n in range(1, MOST_ATTEMPTS)) < 6000


def test_a_hanging_service_delays_no_other(hooked, monkeypatch):
    monkeypatch.setattr(ways, "ANSWER", 1.0)
    hooked.answers = ["hang"]
    slow = notifier(f"json://127.0.0.1:{hooked.port}/", "slow")
    due(slow, incident("a"))
    row = served(slow)
    assert row.state == "waiting" and "no answer within 1 s" in row.last_error


def test_of_one_incident_the_end_is_not_told_before_the_beginning(hooked):
    hooked.answers = [500, 200]
    to = notifier(f"json://127.0.0.1:{hooked.port}/")
    one = incident()
    due(to, one)
    Sender().serve(to.pk)  # fails, and waits for its second try
    due(to, one, event="closed")
    due(to, incident("other"))
    Sender().serve(to.pk)
    assert [got["json"]["event"] for got in hooked.got] == ["opened", "opened"]
    assert hooked.got[-1]["json"]["incidents"][0]["queue"] == "other"
    served(to)
    assert [got["json"]["event"] for got in hooked.got][2:] == ["opened", "closed"]


def test_a_flood_is_one_message_at_a_time(hooked):
    to = notifier(f"json://127.0.0.1:{hooked.port}/", per_minute=2)
    for n in range(4):
        due(to, incident(str(n)))
    served(to, 3)
    assert len(hooked.got) == 2
    assert Telling.objects.filter(state="waiting", due_at__gt=timezone.now()).count() == 2


def test_fifty_queues_are_one_message_and_what_is_over_is_not_told(hooked, django_capture_on_commit_callbacks):
    from ..polled import Polled, rule

    to = notifier(f"json://127.0.0.1:{hooked.port}/")
    rule(notifiers=[to])
    shop = Polled()
    lags = {f"q{n:02}": 400.0 for n in range(50)}
    shop.poll(4, **lags)
    assert Telling.objects.count() == 1 and Telling.objects.get().incidents.count() == 50
    shop.poll(4, **{name: 0.0 if name < "q25" else lag for name, lag in lags.items()})
    assert Telling.objects.get().incidents.count() == 25, "half of them were over before anything was said"
    served(to)
    (got,) = hooked.got
    assert got["json"]["subject"] == "[Weir] Warning: 25 alerts on prod"
    assert len(got["json"]["incidents"]) == 25 and "And 5 more." in got["json"]["text"]
    shop.poll(4, **dict.fromkeys(lags, 0.0))
    served(to)
    assert [one["json"]["event"] for one in hooked.got] == ["opened", "closed"]


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "10.1.2.3", "169.254.169.254", "192.168.0.1", "[::1]", "[::ffff:127.0.0.1]",
     "[fd00::1]", "[64:ff9b::7f00:1]", "0.0.0.0", "100.64.0.1"],
)  # fmt: skip
def test_private_addresses_are_refused_unless_allowed(host, hooked):
    target = parse(f"json://{host}:{hooked.port}/")
    with pytest.raises(Undelivered, match="private network") as refused:
        send(target, notice.Notice("k", "test", "info"), allow_private=False)
    assert refused.value.permanent and hooked.got == []


def test_a_name_is_resolved_once_and_used_as_it_was_checked(hooked, monkeypatch):
    asked, real = [], addresses.socket.getaddrinfo

    def resolve(host, port, *more, **named):
        if host != "hooks.example.com":
            return real(host, port, *more, **named)
        asked.append(host)
        return [(2, 1, 6, "", ("127.0.0.1" if len(asked) == 1 else "10.9.9.9", port))]

    monkeypatch.setattr(addresses.socket, "getaddrinfo", resolve)
    target = parse(f"json://hooks.example.com:{hooked.port}/x")
    send(target, notice.Notice("k", "test", "info"), allow_private=True)
    assert asked == ["hooks.example.com"]
    assert hooked.got[0]["headers"]["Host"] == f"hooks.example.com:{hooked.port}"


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://example.com/", "not a way of telling"),
        ("syslog://localhost", "not a way of telling"),
        ("file:///etc/passwd", "not a way of telling"),
        ("dbus://", "not a way of telling"),
        ("slack://abc", "not complete; it looks like"),
        ("mailto://", "not complete"),
        ("hello", "Apprise URL such as"),
        ("json://a\nb", "Apprise URL such as"),
    ],
)
def test_urls_are_an_allow_list(url, words):
    with pytest.raises(BadNotifier, match=words):
        parse(url)


def test_nothing_secret_is_shown():
    url = "mailtos://user:hunter2@smtp.example.com?from=a@example.com&to=b@example.com"
    assert "hunter2" not in repr(parse(url)) and "hunter2" not in parse(url).safe
    hooks = parse("jsons://user:hunter2@example.com/secret-path?secret=hunter3")
    assert hooks.safe == "jsons://example.com/…" and "hunter" not in repr(hooks)


def test_every_text_of_a_test_message_says_that_it_is_one():
    test = notice.Notice("k", "test", "info")
    assert texts.subject(test) == "[Weir] Test message"
    assert "test" in texts.plain(test) and "test" in texts.slack(test)["text"]
    assert outbox.MOST_IN_ONE >= notice.SPELLED_OUT
