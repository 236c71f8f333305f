"""From node answers to readings: counters per queue since 4.0, streams, silent nodes, and lists."""

from __future__ import annotations

from pathlib import Path

import orjson

from collectors.brokers.rabbitmq.endpoints import prometheus_at
from collectors.brokers.rabbitmq.flow import Flows
from collectors.brokers.rabbitmq.http import Http
from collectors.brokers.rabbitmq.inventory import read_rows
from collectors.brokers.rabbitmq.prometheus import parse
from collectors.brokers.rabbitmq.reading import Reading
from collectors.brokers.rabbitmq.samples import samples_of
from collectors.brokers.rabbitmq.scrape import NodeAnswer, Scrape
from collectors.protocol import Quality, Sample

RECORDINGS = Path(__file__).parent.parent / "recordings"
NEW = (RECORDINGS / "written" / "rabbitmq-4.1-detailed.txt").read_text()
OLD = (RECORDINGS / "rabbitmq-3.10" / "detailed.txt").read_text()
ORDERS = ("/", "orders")


class Answers(Scrape):
    """A scrape whose nodes answer with given texts: one dictionary of node to text per reading."""

    def __init__(self, *rounds: dict[str, str]) -> None:
        super().__init__(Http(), [prometheus_at(node) for node in rounds[0]], None, named=True)
        self._rounds = iter(enumerate(rounds))

    def _ask_all(self):
        number, texts = next(self._rounds)
        answers = []
        for node, text in texts.items():
            metrics, info = parse(text, node)
            answers.append(
                NodeAnswer(100.0 + 10 * number, prometheus_at(node), node, info["rabbitmq_version"], metrics)
            )
        return answers, []

    def reading(self, running: frozenset[str] | None = None) -> Reading:
        return self.read(lambda anew: running)


def grown(text: str, start: str, by: int) -> str:
    """The text with the one line that holds `start` grown by so many."""
    lines = text.split("\n")
    (index,) = [i for i, line in enumerate(lines) if start in line and not line.startswith("#")]
    head, _, value = lines[index].rpartition(" ")
    lines[index] = f"{head} {int(value) + by}"
    return "\n".join(lines)


def samples(flows: Flows, reading: Reading) -> dict[str, Sample]:
    return {s.name: s for s in samples_of(reading, flows.update(reading, {}, frozenset()), {}, {})}


def test_counters_per_queue_make_exact_rates_and_only_what_is_settled_counts_as_completed():
    later = grown(NEW, 'published_total{vhost="/",exchange="shop"', 100)
    later = grown(later, "queue_messages_delivered_ack_total{", 999)  # handed out, which completes nothing
    later = grown(later, "queue_messages_acked_total{", 50)
    later = grown(later, "queue_messages_delivered_total{", 30)
    later = grown(later, "queue_get_total{", 20)
    later = grown(later, "channel_messages_acked_total{", 7)  # a part of what the queue counts
    scrape, flows = Answers({"rabbit@one": NEW}, {"rabbit@one": later}), Flows()
    first = samples(flows, scrape.reading())["orders"]
    assert (first.in_rate, first.out_rate) == (None, None)
    found = samples(flows, scrape.reading())["orders"]
    assert (found.in_rate, found.out_rate) == (10, 10)
    assert found.quality.get("in_rate", Quality.EXACT) is Quality.EXACT


def test_a_stream_has_the_lag_of_its_last_consumer_and_no_depth():
    found = samples(Flows(), Answers({"rabbit@one": NEW}).reading())["log"]
    assert (found.kind, found.depth, found.lag_messages) == ("stream", None, 12)
    assert found.quality["depth"] is Quality.UNKNOWN


def test_types_are_taken_from_prometheus_where_nothing_else_tells_them():
    found = samples(Flows(), Answers({"rabbit@one": NEW}).reading())
    assert {name: s.kind for name, s in found.items()} == {
        "orders": "quorum",
        'said "so"\\maybe': "classic",
        "log": "stream",
    }


def test_two_nodes_are_joined_and_one_that_is_silent_is_named():
    other = OLD.replace('queue="orders"', 'queue="mail"')
    both = Answers({"one": OLD, "two": other}).reading(frozenset({"one", "two"}))
    assert {ORDERS, ("/", "mail")} <= both.levels.keys()
    assert both.complete
    half = Answers({"one": OLD}).reading(frozenset({"one", "two"}))
    assert not half.complete
    assert "two" in half.problems[0]


def test_a_node_that_was_silent_gives_no_flow_until_it_has_answered_twice():
    nodes = frozenset({"one", "two"})
    both, half = {"one": OLD, "two": OLD}, {"one": OLD}
    scrape = Answers(both, both, half, both, both)
    assert [scrape.reading(nodes).flows is not None for _ in range(5)] == [False, True, False, False, True]


def test_a_channel_that_closed_takes_its_counters_along_and_makes_no_negative_rate():
    gone = "\n".join(line for line in OLD.split("\n") if "channel=" not in line)
    scrape = Answers({"one": OLD}, {"one": gone}, {"one": OLD})
    scrape.reading()
    assert scrape.reading().flows == {}
    flow = (scrape.reading().flows or {})[ORDERS]
    assert flow.published == 20  # a channel that was not there before began at zero


def test_the_recorded_lists_agree_on_the_queues():
    folder = RECORDINGS / "rabbitmq-3.10"
    lists = [
        read_rows(orjson.loads((folder / f"{name}.json").read_bytes()))
        for name in ("queues", "queues-totals", "queues-full")
    ]
    kinds = [{key: row.kind for key, row in rows.items()} for rows in lists]
    assert kinds[0] == kinds[1] == kinds[2]
    assert kinds[0][("/", "votes")] == "quorum"
    assert lists[0][ORDERS].arguments["x-dead-letter-routing-key"] == "orders.retry"
