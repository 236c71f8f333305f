"""The text of /metrics/detailed, as RabbitMQ 3.10 sent it (recorded) and as 4.1 sends it (written from its source)."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from collectors.brokers.rabbitmq.prometheus import QueueNames, parse, split_labels, unescape
from collectors.errors import BadAnswer, NotSupported

RECORDINGS = Path(__file__).parent.parent / "recordings"
OLD = (RECORDINGS / "rabbitmq-3.10" / "detailed.txt").read_text()
NEW = (RECORDINGS / "written" / "rabbitmq-4.1-detailed.txt").read_text()
STRANGE = ("/", 'said "so"\\maybe')


def ready(text: str, names: QueueNames) -> dict[tuple[str, str], float]:
    return {names.of(labels): value for labels, value in parse(text, "here")[0]["queue_messages_ready"].items()}


def test_depths_of_the_recorded_answer():
    names = QueueNames()
    names.learn({STRANGE})
    found = ready(OLD, names)
    assert found[("/", "orders")] == 17
    assert found[("/", "größe,vhost=1")] == 0
    assert found[("shop", "orders")] == 0
    assert found[STRANGE] == 20


def test_names_that_are_not_escaped_and_names_that_are_read_the_same():
    names = QueueNames()
    names.learn({STRANGE})
    assert STRANGE in ready(OLD, names)
    assert STRANGE in ready(NEW, names)


def test_known_queues_decide_whether_a_backslash_is_an_escape():
    names = QueueNames()
    line = r'vhost="/",queue="a\\b"'
    assert names.of(line) == ("/", "a\\b")
    names.learn({("/", r"a\\b")})
    assert names.of(line) == ("/", r"a\\b")


def test_the_node_and_its_version_are_told():
    info = parse(OLD, "here")[1]
    assert (info["rabbitmq_node"], info["rabbitmq_version"]) == ("weir1@localhost", "3.10.8")


def test_labels_of_every_form_name_their_queue():
    names = QueueNames()
    assert names.of('channel="<0.909.0>",vhost="v",queue="q"') == ("v", "q")
    assert names.of('channel="<0.9.0>",queue_vhost="v",queue="q",exchange_vhost="v",exchange=""') == ("v", "q")
    assert names.of('vhost="v",exchange="e",queue="q"') == ("v", "q")
    assert names.of('vhost="v",queue="q",queue_type="rabbit_stream_queue",membership="leader"') == ("v", "q")
    assert names.of('queue="q",vhost="v"') == ("v", "q")


def test_a_name_may_hold_what_looks_like_labels():
    assert split_labels(r'vhost="/",queue="a\",queue=\"b"')["queue"] == r"a\",queue=\"b"
    assert unescape(r"a\",queue=\"b") == 'a",queue="b'


@pytest.mark.parametrize(
    ("written", "meant"),
    [("plain", "plain"), (r"a\\b", r"a\b"), (r"a\"b", 'a"b'), (r"a\nb", "a\nb"), (r"a\qb", r"a\qb"), ('a"b', 'a"b')],
)
def test_escapes_of_the_format_are_undone_and_nothing_else(written: str, meant: str):
    assert unescape(written) == meant


def test_half_an_answer_is_no_answer():
    for cut in (OLD.index("17") + 1, len(OLD) // 2, len(OLD) - 5):
        with pytest.raises(BadAnswer):
            parse(OLD[:cut], "here")


def test_a_value_that_is_no_number_is_not_guessed():
    with pytest.raises(BadAnswer):
        parse(OLD.replace('queue="orders"} 17', 'queue="orders"} many'), "here")


def test_an_answer_whose_queues_lost_their_heading_is_a_bad_one():
    heading = "# TYPE rabbitmq_detailed_queue_messages_ready"
    for spoiled in (f" {heading}", heading + "\t"):
        with pytest.raises(BadAnswer):
            parse(OLD.replace(heading, spoiled), "here")


def test_the_aggregated_form_of_older_brokers_is_not_supported():
    with pytest.raises(NotSupported):
        parse("# TYPE rabbitmq_queue_messages_ready gauge\nrabbitmq_queue_messages_ready 5\n", "here")


def test_a_page_of_a_proxy_is_a_bad_answer():
    with pytest.raises(BadAnswer):
        parse("<html>Please sign in</html>", "here")


def test_an_answer_of_5000_queues_is_read_in_little_time():
    gauges = ("queue_messages_ready", "queue_messages_unacked", "queue_messages", "queue_process_reductions_total")
    lines = []
    for gauge in gauges:
        lines.append(f"# TYPE rabbitmq_detailed_{gauge} gauge")
        lines += [f'rabbitmq_detailed_{gauge}{{vhost="/",queue="q{n}"}} {n}' for n in range(5000)]
    text = "\n".join(lines) + "\n"
    began = time.process_time()
    metrics, _ = parse(text, "here")
    assert time.process_time() - began < 1.0  # about 0.03 s; generous, for a machine that is busy
    assert len(metrics["queue_messages_ready"]) == 5000
