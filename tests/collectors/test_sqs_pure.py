"""Reading, counting and choosing for SQS, without a server."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectors import registry
from collectors.brokers.sqs import attributes, cloudwatch, facts, names, price
from collectors.brokers.sqs.budget import KEPT, Budget
from collectors.brokers.sqs.trend import Trend
from collectors.brokers.sqs.turns import Turns
from collectors.errors import BadURL


# --- the URL ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("sqs://", "names no region"),
        ("sqs://localhost", "is a region"),
        ("sqs://KEY@eu-west-1", "half of a pair"),
        ("sqs://eu-west-1?calls=none", "calls=none"),
        ("sqs://eu-west-1?role_arn=weir", "ARN of a role"),
        ("sqs://eu-west-1?endpoint=127.0.0.1:4566", "endpoint="),
        ("sqs://eu-west-1?tag=:growth", "has no key"),
        ("sqs://eu-west-1?cloudwatch=true&cloudwatch_every=5s", "a minute or more"),
        ("sqs://eu-west-1?moving_every=5m", "cannot be shorter"),
    ],
)
def test_a_wrong_url_is_refused_naming_the_part(url: str, words: str) -> None:
    with pytest.raises(BadURL, match=words):
        registry.connect(registry.parse(url))


def test_the_secret_is_never_shown() -> None:
    url = registry.parse("sqs://AKIAEXAMPLE:very%2Fsecret@eu-west-1")
    assert "secret" not in str(url) and "AKIAEXAMPLE" in str(url)


def test_keys_are_the_same_from_a_url_and_from_an_arn() -> None:
    url = "https://sqs.eu-west-1.amazonaws.com/123456789012/orders.fifo"
    key = "eu-west-1:123456789012:orders.fifo"
    assert names.key_of_url("eu-west-1", url) == names.key_of_arn(f"arn:aws:sqs:{key}") == key
    assert names.key_of_arn("arn:aws:sns:eu-west-1:1:x") == names.key_of_url("eu-west-1", "nonsense") == ""


# --- attributes ------------------------------------------------------------------------------------------------------
def test_attributes_are_read() -> None:
    policy = json.dumps({"deadLetterTargetArn": "arn:aws:sqs:eu-west-1:1:dlq", "maxReceiveCount": "5"})
    allow = json.dumps({"redrivePermission": "byQueue", "sourceQueueArns": ["arn:aws:sqs:eu-west-1:1:a"]})
    read = attributes.read({"ApproximateNumberOfMessages": "12", "RedrivePolicy": policy, "RedriveAllowPolicy": allow})
    assert (read.depth, read.in_flight, read.retention) == (12, None, None)
    assert read.redrive == attributes.Redrive("eu-west-1:1:dlq", 5)
    assert (read.allow, read.allowed_sources) == ("byQueue", ("arn:aws:sqs:eu-west-1:1:a",))


@pytest.mark.parametrize("value", ["", "many", "-1", "nan", "inf", None, True, [], "1e999"])
def test_a_count_that_makes_no_sense_is_unknown_and_never_zero(value: object) -> None:
    assert attributes.read({"ApproximateNumberOfMessages": value}).depth is None


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
WORDS = ["ApproximateNumberOfMessages", "CreatedTimestamp", "RedrivePolicy", "RedriveAllowPolicy", "KmsMasterKeyId"]
POLICY = st.fixed_dictionaries(
    {"deadLetterTargetArn": ANYTHING, "maxReceiveCount": ANYTHING, "sourceQueueArns": ANYTHING}
).map(lambda policy: json.dumps(policy, default=str))


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(st.sampled_from(WORDS), ANYTHING | POLICY | st.text(max_size=40)))
def test_no_answer_breaks_the_reading_and_none_makes_a_negative_count(answer: dict[str, object]) -> None:
    read = attributes.read(answer)
    for value in (read.depth, read.created, read.redrive.most if read.redrive else None):
        assert value is None or value >= 0


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=60), st.text(max_size=60))
def test_no_arn_or_url_breaks_the_reading_of_keys(arn: str, url: str) -> None:
    for key in (names.key_of_arn(arn), names.key_of_arn("arn:aws:sqs:" + arn), names.key_of_url("eu-west-1", url)):
        assert key == "" or key.count(":") >= 2


# --- budget ----------------------------------------------------------------------------------------------------------
def test_the_budget_is_kept_over_any_time() -> None:
    budget, dice, made = Budget(5.0, 0.0), random.Random(1), []
    now = 0.0
    while now < 600:
        for _ in range(min(budget.left(now), dice.randrange(200))):
            budget.spent(now)
            made.append(now)
        now += dice.uniform(0.1, 20)
    for start in range(0, 600, 7):
        for length in (1, 10, 60, 300):
            calls = sum(start <= at < start + length for at in made)
            assert calls <= 5.0 * (length + KEPT) + 1, (start, length)


def test_throttling_halves_the_budget_and_it_comes_back() -> None:
    budget = Budget(20.0, 0.0)
    budget.throttled()
    assert (budget.left(0.0), budget.rate) == (0, 10.0)
    assert budget.left(1.0) == 10
    for _ in range(10):
        budget.went_well()
    assert budget.rate == 20.0


def test_calls_per_second_are_told_over_the_last_minutes() -> None:
    budget = Budget(20.0, 0.0)
    for second in range(600):
        budget.spent(float(second), "fifo" if second % 2 else "standard")
    standard, fifo, other = budget.per_second(600.0)
    assert (standard, fifo, other) == (pytest.approx(0.5, abs=0.03), pytest.approx(0.5, abs=0.03), 0)


def test_prices_are_those_of_the_list() -> None:
    assert price.per_month(standard=1000 / 30) == pytest.approx(34.56)  # 1,000 queues, each half a minute
    assert price.per_month(metrics=1000 * 5 / 60) == pytest.approx(2160)  # 5 metrics of each, each minute
    assert (price.in_words(0.001), price.in_words(3.456), price.in_words(2160)) == (
        "less than $0.01",
        "$3.46",
        "$2,160",
    )


# --- turns -----------------------------------------------------------------------------------------------------------
def walk(turns: Turns, moving: set[str], seconds: int, most: int, every: int = 10) -> dict[str, int]:
    """How often each queue was asked; those in `moving` change each time."""
    asked: dict[str, int] = {}
    for now in range(0, seconds, every):
        for key in turns.next(float(now), most):
            asked[key] = asked.get(key, 0) + 1
            turns.asked(key, float(now), changed=key in moving)
    return asked


def test_a_queue_that_moves_is_asked_more_often_than_one_that_does_not() -> None:
    turns = Turns(10.0, 120.0)
    turns.keep(["still", "moves"])
    asked = walk(turns, {"moves"}, 3600, 100)
    assert asked["moves"] == 360
    assert 30 <= asked["still"] <= 60


def test_with_too_few_calls_all_wait_longer_and_none_is_forgotten() -> None:
    turns = Turns(10.0, 120.0)
    keys = [f"q{n}" for n in range(500)]
    turns.keep(keys)
    asked = walk(turns, set(keys[:100]), 3600, 20)
    assert len(asked) == 500
    assert min(asked[key] for key in keys[:100]) > 3 * max(asked[key] for key in keys[100:])
    assert min(asked.values()) >= 2


def test_what_is_looked_at_is_asked_each_time_but_leaves_room_for_the_rest() -> None:
    turns = Turns(10.0, 120.0)
    turns.keep([f"q{n}" for n in range(100)])
    turns.watched = frozenset(f"q{n}" for n in range(90))
    asked = walk(turns, set(turns.watched), 600, 10)
    assert len(asked) == 100
    assert min(asked[f"q{n}"] for n in range(90)) >= 3


def test_one_queue_at_least_is_asked_when_none_is_due() -> None:
    turns = Turns(10.0, 120.0)
    turns.keep(["a", "b"])
    for key in ("a", "b"):
        turns.asked(key, 0.0, changed=True)
    assert len(turns.next(1.0, 10)) == 1
    turns.keep([])
    assert turns.next(1.0, 10) == []


# --- net rate --------------------------------------------------------------------------------------------------------
def test_the_net_rate_is_a_line_through_jittering_counts() -> None:
    trend, dice = Trend(), random.Random(3)
    for second in range(0, 300, 10):
        trend.observe(float(second), 1000 + 4 * second + dice.uniform(-20, 20))
    assert trend.net_rate == pytest.approx(4, abs=0.5)


def test_too_few_or_too_close_measurements_give_no_net_rate() -> None:
    trend = Trend()
    for second in (0, 10, 20):
        trend.observe(float(second), second * 5)
        assert trend.net_rate is None
    trend.observe(21.0, None)  # not measured: what was before says nothing any more
    for second in (30, 31, 32, 33):
        trend.observe(float(second), 5)
    assert trend.net_rate is None


# --- CloudWatch ------------------------------------------------------------------------------------------------------
def test_the_window_is_whole_minutes_that_have_arrived() -> None:
    start, end = cloudwatch.window(1_000_030.0, 300.0)
    assert (end % 60, end - start) == (0, 300)
    assert end - cloudwatch.window(1_000_030.0, 60.0)[0] == 180
    assert 120 <= 1_000_030.0 - end < 180


def test_minutes_that_are_missing_are_not_counted_as_zero() -> None:
    start, end = cloudwatch.window(1_000_030.0, 300.0)
    at = datetime.fromtimestamp(start + 60, UTC)
    flow = cloudwatch.flow_of({"sent_0": {at: 120.0}, "received_0": {}}, 0, start, end)
    assert (flow.sent, flow.received, flow.deleted, flow.age, flow.again) == (2.0, None, None, None, None)


@pytest.mark.parametrize(
    ("ages", "later", "age"),
    [
        ([30, 90, 150], 200, 350),  # nothing is taken: it grows as time passes
        ([40, 41, 39], 200, 39 - 200 / 120),  # as fast taken as sent
        ([600, 400, 200], 100, 0),  # soon worked off, and not below nothing
        ([0, 0, 300], 100, 400),  # never older than the time that passed
        ([75], 200, 75),  # one minute tells no direction
    ],
)
def test_an_age_is_carried_on_to_now(ages: list[float], later: float, age: float) -> None:
    start, end = cloudwatch.window(1_000_030.0, 180.0)
    minutes = {datetime.fromtimestamp(start + 60 * n, UTC): value for n, value in enumerate(ages)}
    flow = cloudwatch.flow_of({"age_0": minutes}, 0, start, end)
    assert flow.age == ages[-1] and flow.age_by(start + 60 * len(ages) + later) == pytest.approx(age)


# --- words -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("seconds", "words"),
    [(None, ""), (30, "30 s"), (90, "90 s"), (43200, "12 h"), (86400, "1 day"), (345600, "4 days")],
)
def test_durations_in_words(seconds: float | None, words: str) -> None:
    assert facts.duration(seconds) == words
