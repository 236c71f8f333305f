"""What goes wrong between Weir and SQS: refused, throttled, nonsense, no credentials."""

from __future__ import annotations

import time

import pytest

from collectors.brokers.sqs.powers import POLLING, policy
from collectors.errors import AccessRefused, BadAnswer, CollectorError, Unreachable
from tests.contracts import assert_one_sentence
from tests.servers.aws_proxy import in_front_of
from tests.servers.sqs import REGION, Peer

from .sqs_polls import polling, sample

pytestmark = pytest.mark.slow


def refused(peer: Peer, endpoint: str = "") -> CollectorError:
    with polling(peer.url(endpoint=endpoint)) as broker, pytest.raises(CollectorError) as caught:
        broker.poll()
    assert_one_sentence(caught.value)
    return caught.value


def as_user(peer: Peer, key: str, secret: str, parameters: str = "") -> str:
    return f"sqs://{key}:{secret.replace('/', '%2F')}@{REGION}?endpoint={peer.endpoint}&moving_every=0s{parameters}"


def test_a_user_with_the_recipe_polls_without_a_problem(sqs_peer: Peer) -> None:
    sqs_peer.create("orders")
    actions = policy(cloudwatch=True)["Statement"][0]["Action"]
    key, secret = sqs_peer.only_with(*actions, "monitoring:GetMetricData")  # moto's own word for CloudWatch
    with polling(as_user(sqs_peer, key, secret, "&cloudwatch=true")) as broker:
        assert all(line.ok for line in broker.check())
        poll = broker.poll()  # after a check, as check_broker does it: the list that it made is no empty one
        assert poll.problems == [] and [sample.name for sample in poll.samples] == ["orders"]


@pytest.mark.parametrize("missing", POLLING)
def test_check_names_the_one_action_that_is_missing(sqs_peer: Peer, missing: str) -> None:
    sqs_peer.create("orders")
    key, secret = sqs_peer.only_with(*(action for action in POLLING if action != missing))
    with polling(as_user(sqs_peer, key, secret)) as broker:
        lines = broker.check()
    broken = [line for line in lines[1:] if not line.ok]
    assert [line.power for line in broken] == [missing]
    assert missing in broken[0].sentence and "user/weir" in broken[0].sentence
    assert lines[0].ok == (missing not in ("sqs:ListQueues", "sqs:GetQueueAttributes"))


def test_a_missing_action_for_tags_is_a_problem_and_the_rest_goes_on(sqs_peer: Peer) -> None:
    sqs_peer.send(sqs_peer.create("orders"), 2)
    key, secret = sqs_peer.only_with("sqs:ListQueues", "sqs:GetQueueAttributes")
    with polling(as_user(sqs_peer, key, secret)) as broker:
        poll = broker.poll()
        assert len(poll.problems) == 1 and "sqs:ListQueueTags" in poll.problems[0]
        assert "tags of queues are unknown" in poll.problems[0]
        assert sample(poll, "orders").depth == 2


def test_cloudwatch_that_is_refused_is_named(sqs_peer: Peer) -> None:
    sqs_peer.create("orders")
    key, secret = sqs_peer.only_with(*POLLING)
    with polling(as_user(sqs_peer, key, secret, "&cloudwatch=true")) as broker:
        poll = broker.poll()
    assert len(poll.problems) == 1 and "cloudwatch:GetMetricData" in poll.problems[0]


@pytest.mark.parametrize(
    ("code", "message", "words"),
    [
        ("ExpiredToken", "The security token included in the request is expired", "expired"),
        ("InvalidClientTokenId", "The security token included in the request is invalid.", "access key"),
        ("SignatureDoesNotMatch", "Signature expired: 20260101T000000Z is now earlier than 2026", "clock"),
        ("SignatureDoesNotMatch", "Credential should be scoped to a valid region.", "wrong one"),
        ("SignatureDoesNotMatch", "The request signature we calculated does not match", "secret access key"),
        ("AccessDeniedException", "User: arn:aws:iam::1:user/x is not authorized to perform", "sqs:ListQueues"),
    ],
)
def test_a_refusal_is_one_clear_sentence(sqs_peer: Peer, code: str, message: str, words: str) -> None:
    with in_front_of(sqs_peer.port) as proxy:
        proxy.answers = lambda action, body: (403, f"com.amazonaws.sqs#{code}", message)
        error = refused(sqs_peer, proxy.endpoint)
    assert isinstance(error, AccessRefused)
    assert words in str(error)


@pytest.mark.parametrize("garbage", [b"<html>Sign in to the hotel's network</html>", b'{"QueueUrls": ["http', b""])
def test_an_answer_that_is_no_answer_is_a_bad_one(sqs_peer: Peer, garbage: bytes) -> None:
    with in_front_of(sqs_peer.port) as proxy:
        proxy.garbage = garbage
        assert isinstance(refused(sqs_peer, proxy.endpoint), BadAnswer)


def test_an_address_that_does_not_exist_is_said_so() -> None:
    url = f"sqs://key:secret@{REGION}?endpoint=http://sqs.no-such-place.invalid"
    with polling(url) as broker, pytest.raises(Unreachable, match="was not found") as caught:
        broker.poll()
    assert_one_sentence(caught.value)


def test_without_credentials_it_says_where_they_may_stand(sqs_peer: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")
    url = f"sqs://{REGION}?endpoint={sqs_peer.endpoint}"
    with polling(url) as broker, pytest.raises(AccessRefused, match="AWS_ACCESS_KEY_ID") as caught:
        broker.poll()
    assert_one_sentence(caught.value)


def test_one_queue_that_may_not_be_asked_keeps_the_others_going(sqs_peer: Peer) -> None:
    sqs_peer.send(sqs_peer.create("open"), 1)
    sqs_peer.create("secret")
    with in_front_of(sqs_peer.port) as proxy:
        proxy.answers = lambda action, body: (403, "AccessDenied", "no") if b"/secret" in body else None
        with polling(sqs_peer.url(endpoint=proxy.endpoint)) as broker:
            poll = broker.poll()
    assert (sample(poll, "open").depth, sample(poll, "secret").depth) == (1, None)
    assert poll.complete
    assert any("1 of 2 queues" in problem and "sqs:GetQueueAttributes" in problem for problem in poll.problems)


def test_a_role_or_key_that_expires_in_mid_run_fails_and_heals(sqs_peer: Peer) -> None:
    sqs_peer.create("orders")
    with in_front_of(sqs_peer.port) as proxy, polling(sqs_peer.url(endpoint=proxy.endpoint)) as broker:
        broker.poll()
        proxy.answers = lambda action, body: (403, "ExpiredToken", "expired")
        with pytest.raises(AccessRefused, match="expired"):
            broker.poll()
        proxy.answers = lambda action, body: None
        assert broker.poll().problems == []


@pytest.mark.slow
def test_throttling_slows_down_says_so_and_heals(sqs_peer: Peer) -> None:
    sqs_peer.create_many([f"q{n}" for n in range(12)])
    with in_front_of(sqs_peer.port) as proxy, polling(sqs_peer.url(endpoint=proxy.endpoint)) as broker:
        assert broker.poll().problems == []
        proxy.answers = lambda action, body: (
            (400, "RequestThrottled", "slow down") if action == "GetQueueAttributes" else None
        )
        began = time.monotonic()
        with pytest.raises(BadAnswer, match="too many calls"):
            broker.poll()
        assert time.monotonic() - began < 30
        calls = proxy.calls["GetQueueAttributes"]
        with pytest.raises(BadAnswer, match="too many calls"):
            broker.poll()  # one queue, tried a few times: it knows better than to ask for all again
        assert proxy.calls["GetQueueAttributes"] - calls <= 3
        proxy.answers = lambda action, body: None
        deadline = time.monotonic() + 60
        while (poll := broker.poll()).problems and time.monotonic() < deadline:
            time.sleep(0.2)
        assert poll.problems == []
        assert "Slowed down" in dict(poll.details)
