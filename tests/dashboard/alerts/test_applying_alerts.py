"""Notifiers, rules and silences of a file."""

from __future__ import annotations

import pytest

from dashboard.applying import FileRefused, apply, read
from dashboard.models import Incident, Notifier, Rule, Silence
from dashboard.secrets import decrypt

from ..polled import Polled

pytestmark = pytest.mark.usefixtures("web")

FILE = """
[[notifiers]]
name = "#ops"
url = "env:OPS_HOOK"

[[rules]]
name = "Lag of orders"
filter = "orders*"
condition = {metric = "lag_seconds", op = ">", value = 300, for = "20s", clear = "20s"}
severity = "critical"
notifiers = ["#ops"]
escalation = [{after = "10m", notifiers = ["#ops"]}]
quiet = {from = "22:00", to = "07:00"}

[[silences]]
filter = "tag:test"
reason = "nobody cares"
starts_at = 2026-01-01T00:00:00Z
ends_at = 2026-01-01T06:00:00Z
repeat = "daily"
"""


@pytest.fixture(autouse=True)
def secrets(monkeypatch):
    monkeypatch.setenv("OPS_HOOK", "jsons://hooks.example.com/hunter2")


def done(text: str, dry_run: bool = False) -> list[str]:
    return [str(change) for change in apply(read(text), dry_run)]


def test_a_file_makes_all_of_it_and_a_second_time_nothing():
    assert (
        done(FILE, dry_run=True)
        == done(FILE)
        == [
            "+ notifier #ops: jsons://hooks.example.com/…",
            "+ rule Lag of orders: lag is over 5 min for 20 s, of orders*",
            "+ silence of tag:test: nobody cares",
        ]
    )
    assert done(FILE) == []
    rule = Rule.objects.get(name="Lag of orders")
    assert rule.managed_by == "apply" and [one.name for one in rule.notifiers.all()] == ["#ops"]
    assert rule.escalation == [{"after_seconds": 600.0, "notifiers": [Notifier.objects.get().pk]}]
    assert decrypt(Notifier.objects.get().secret_url).endswith("hunter2")


def test_differences_are_said_without_secrets(monkeypatch):
    done(FILE)
    monkeypatch.setenv("OPS_HOOK", "jsons://hooks.example.com/hunter3")
    changed = FILE.replace("value = 300", "value = 600").replace('"critical"', '"warning"')
    assert done(changed) == [
        "~ notifier #ops: another URL",
        "~ rule Lag of orders: another condition; severity critical → warning",
    ]


def test_what_is_left_out_is_taken_away_and_what_the_page_has_stays():
    Rule.objects.create(name="by hand", condition={"metric": "depth", "op": ">", "value": 1})
    done(FILE)
    shop = Polled()
    shop.poll(4, orders=400.0)
    assert done("rules = []\nsilences = []\n") == ["- rule Lag of orders", "- silence of tag:test: nobody cares"]
    assert Incident.objects.get().closed_because == "The rule was deleted."
    assert Rule.objects.filter(name="by hand").exists() and Notifier.objects.exists() and not Silence.objects.exists()
    assert done("notifiers = []\n") == ["- notifier #ops"]


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("lag_seconds", "colour", "line 6: 'colour' cannot be watched"),
        ('notifiers = ["#ops"]\nesc', 'notifiers = ["#nobody"]\nesc', "there is no notifier named #nobody"),
        ("env:OPS_HOOK", "env:NOT_THERE", "line 4: url: the environment has no NOT_THERE"),
        ("env:OPS_HOOK", "http://user:hunter2@x", "not a way of telling"),
        ("2026-01-01T06:00:00Z", "2026-01-01", "a time with its zone"),
        ("orders*", "depth>>1", "position"),
        ('"20s", clear', '"soon", clear', "soon"),
    ],
)
def test_mistakes_have_their_line_and_change_nothing(old, new, words):
    with pytest.raises(FileRefused) as refused:
        done(FILE.replace(old, new, 1))
    assert words in str(refused.value) and "line" in str(refused.value) and "hunter" not in str(refused.value)
    assert not Notifier.objects.exists() and not Rule.objects.filter(managed_by="apply").exists()
