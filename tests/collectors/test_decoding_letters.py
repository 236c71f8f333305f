"""Letters of real producers, and of those that could not be run, through the whole chain."""

from __future__ import annotations

import base64
import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from collectors.causes import Cause, cause_of
from collectors.decoding import Decoded, decode
from collectors.registry import FAILURES, SHAPES

RECORDINGS = Path(__file__).parents[1] / "recordings"
WRITTEN = tomllib.loads((RECORDINGS / "written" / "letters.toml").read_text("utf-8"))["letter"]
ORDER = {"args": [1042], "kwargs": {"amount": "19.90"}}


def recorded(name: str) -> Decoded:
    letter = json.loads((RECORDINGS / "letters" / f"{name}.json").read_text("utf-8"))
    headers = {k: base64.b64decode(v["base64"]) if isinstance(v, dict) else v for k, v in letter["headers"].items()}
    return decode(base64.b64decode(letter["body"]), headers, shapes=SHAPES)


def written(name: str) -> Decoded:
    letter = next(one for one in WRITTEN if one["name"] == name)
    return decode(letter["body"], letter.get("headers"), letter.get("content_type"), shapes=SHAPES)


def chips(decoded: Decoded) -> list[str]:
    return [step.name for step in decoded.steps]


def cause(decoded: Decoded) -> Cause:
    return cause_of(decoded.headers, decoded.value, message_type=decoded.message_type, readers=FAILURES)


@pytest.mark.parametrize(
    ("name", "format_chips"),
    [
        ("celery-json", ["JSON"]),
        ("celery-msgpack", ["MessagePack"]),
        ("celery-gzip", ["zlib", "JSON"]),  # what kombu calls gzip
        ("celery-bzip2", ["bzip2", "JSON"]),
    ],
)
def test_a_celery_task_is_read_in_every_format(name, format_chips):
    decoded = recorded(name)
    assert chips(decoded) == ["JSON", "kombu", *format_chips, "Celery 2"]
    assert (decoded.value, decoded.message_type) == (ORDER, "billing.capture")
    assert decoded.steps[-1].fields["id"] == decoded.headers["id"]


def test_a_celery_task_of_protocol_1_is_read():
    decoded = recorded("celery-v1")
    assert chips(decoded)[-2:] == ["JSON", "Celery 1"]
    assert (decoded.value, decoded.message_type) == (ORDER, "billing.capture")


@pytest.mark.parametrize(("name", "chip"), [("celery-pickle", "pickle"), ("celery-yaml", "YAML")])
def test_a_body_that_is_not_loaded_shows_the_arguments_of_its_headers(name, chip):
    decoded = recorded(name)
    assert chips(decoded) == ["JSON", "kombu", chip, "Celery 2"]
    assert decoded.value == {"args": "(1042,)", "kwargs": "{'amount': '19.90'}"}
    assert "1042" in decoded.text or "BININT2" in decoded.text


@pytest.mark.parametrize("name", ["celery-result", "celery-event", "dramatiq-dead", "rq-failed"])
def test_a_failure_recorded_from_a_worker_has_its_cause(name):
    found = cause(recorded(name))
    assert found.title == "CardDeclinedError in capture()"
    assert found.error_class == "tests.recordings.letters_shop.CardDeclinedError"
    assert found.message == "Card declined for order <n>: amount <n> EUR"
    assert found.frame == "recordings/letters_shop.py:capture"


def test_the_event_and_the_result_of_a_celery_task_agree():
    result, event = cause(recorded("celery-result")), cause(recorded("celery-event"))
    assert (result.error_class, result.message, result.frame) == (event.error_class, event.message, event.frame)


def test_an_rq_job_is_shown_by_its_description():
    decoded = recorded("rq-failed")
    assert chips(decoded) == ["zlib", "pickle", "RQ"]
    assert decoded.value == {"call": "tests.recordings.letters_shop.capture_job(1042, amount='19.90')"}
    assert cause(decoded).queue == "mail"


@pytest.mark.parametrize("letter", WRITTEN, ids=lambda letter: letter["name"])
def test_a_written_letter_is_recognised(letter: dict[str, Any]):
    decoded = written(letter["name"])
    assert chips(decoded) == letter["steps"]
    assert decoded.message_type == letter["type"]
    assert "1042" in json.dumps(decoded.tree().value) or letter["type"] not in ("orders", "capture", "OrderPlaced")


def test_what_an_envelope_says_beside_its_content_stays_with_its_chip():
    decoded = written("sns in sqs")
    assert decoded.value == {"order": 1042}
    assert decoded.steps[1].detail == "orders"
    assert decoded.steps[1].fields["Subject"] == "new"


def test_a_cloud_event_in_binary_mode_keeps_its_attributes():
    decoded = written("cloudevents binary on amqp")
    assert decoded.value == {"order": 1042}
    assert decoded.steps[0].fields["source"] == "/shop"


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("sidekiq job", "CardError: Your card was declined."),
        ("bullmq job", "Error in ship()"),
        ("lambda failure destination", "LookupError in handle()"),
    ],
)
def test_a_written_letter_has_its_cause(name, title):
    assert cause(written(name)).title == title


def test_the_text_of_a_recorded_letter_is_that_of_nothing_but_the_letter():
    """What a producer put in comes out unchanged, whatever it was wrapped into."""
    bodies = {
        json.dumps(recorded(f"celery-{way}").value, sort_keys=True) for way in ("json", "msgpack", "gzip", "bzip2")
    }
    assert bodies == {json.dumps(ORDER, sort_keys=True)}
