"""States as sentences, and which of them ask for attention."""

from __future__ import annotations

import numpy as np
import pytest

from dashboard.insight.sentences import count, rate
from dashboard.insight.states import Reason, State, ago, attention, sentence
from dashboard.insight.vocabulary import Reason as Stored

NOW = 1_700_000_000.0

SENTENCES = [
    (State.STALLED, Reason.NO_CONSUMERS, {"depth": 2940, "in_rate": 3.5}, 840,
     "No consumers for 14 min. 2,940 waiting, 3.5/s still arriving."),
    (State.STALLED, Reason.NO_CONSUMERS, {"depth": 2940, "in_rate": 0}, 840, "No consumers for 14 min. 2,940 waiting."),
    (State.STALLED, Reason.CONSUMERS_IDLE, {"depth": 7, "in_rate": None, "consumers": 1}, 61,
     "1 consumer is connected, but nothing was taken for 1 min. 7 waiting."),
    (State.STALLED, Reason.CONSUMERS_IDLE, {"depth": 7, "consumers": 42}, 7200,
     "42 consumers are connected, but nothing was taken for 2 h. 7 waiting."),
    (State.STALLED, Reason.UNACKNOWLEDGED, {"depth": 7, "in_flight": 300}, 200,
     "300 handed to consumers, and nothing completed for 3 min. 7 waiting."),
    (State.STALLED, Reason.POISON_LOOP, {"depth": 1, "redelivery_rate": 41.2}, 65,
     "The same messages are delivered again and again, 41/s, for 1 min. 1 waiting."),
    (State.STEADY, Reason.POISON_LOOP, {"depth": 0, "redelivery_rate": 0}, 300,
     "The same messages are delivered again and again, for 5 min."),
    (State.STALLED, Reason.HEAD_UNCHANGED, {"depth": 12}, 262800,
     "The oldest message has been the same for 3 d 1 h. 12 waiting."),
    (State.GROWING, Reason.PRODUCERS_OUTPACE, {"depth": 66012, "in_rate": 320, "out_rate": 210}, 600,
     "In 320/s, out 210/s for 10 min. 66,012 waiting."),
    (State.GROWING, Reason.FEWER_CONSUMERS, {"depth": 900, "in_rate": 30, "out_rate": 20, "consumers": 2}, 90,
     "Fewer consumers, 2 now: in 30/s, out 20/s for 2 min. 900 waiting."),
    (State.GROWING, Reason.RISING, {"lag_messages": 900}, 45, "Rising for 45 s. 900 waiting."),
    (State.DRAINING, Reason.CATCHING_UP, {"depth": 6210, "in_rate": 12, "out_rate": 96}, 3900,
     "In 12/s, out 96/s for 1 h 5 min. 6,210 waiting."),
    (State.STEADY, Reason.BALANCED, {"in_rate": 0.02, "out_rate": None}, 5, "In 0.02/s, out ?."),
    (State.GROWING, Reason.PRODUCERS_OUTPACE, {"depth": 97}, 48, "Rising for 48 s. 97 waiting."),
    (State.STEADY, Reason.BALANCED, {"depth": 5}, 5, "Messages come and go."),
    (State.IDLE, Reason.NOTHING_FLOWS, {}, 5, "Nothing waits, nothing flows."),
    (State.UNKNOWN, Reason.HEAD_UNKNOWN, {"depth": 40}, 5,
     "40 wait and their number does not change; the broker does not tell whether any are completed."),
]  # fmt: skip


@pytest.mark.parametrize(("state", "reason", "row", "lasted", "expected"), SENTENCES)
def test_a_state_reads_as_a_sentence(state: int, reason: int, row: dict, lasted: float, expected: str) -> None:
    assert sentence(state, reason, row, NOW - lasted, NOW) == expected


@pytest.mark.parametrize("reason", [r for r in Reason if r is not Reason.NONE])
@pytest.mark.parametrize("row", [{}, {"depth": None, "in_rate": None}, {"depth": 1.0, "in_rate": 2.0, "out_rate": 3.0}])
def test_every_reason_has_a_whole_sentence_whatever_is_known(reason: Reason, row: dict) -> None:
    for state in State:
        text = sentence(state, reason, row, NOW - 100, NOW)
        assert text[0].isupper() or text[0].isdigit() or text[0] == "?"
        assert text.endswith(".") and "{" not in text and "None" not in text and "nan" not in text


def test_lengths_of_time_are_as_precise_as_needed() -> None:
    lengths = {-1: "0 s", 0.4: "0 s", 59: "59 s", 59.6: "1 min", 3569: "59 min", 3599: "1 h", 11100: "3 h 5 min",
               2 * 86400: "2 d", 187300: "2 d 4 h"}  # fmt: skip
    assert {seconds: ago(seconds) for seconds in lengths} == lengths


def test_numbers_read_well() -> None:
    assert [count(v) for v in (0, 999, 1000.4, 2940)] == ["0", "999", "1,000", "2,940"]
    rates = (0, 0.00002, 0.004, 0.02, 0.3, 3.5, 9.96, 12.4, 1234.5)
    assert [rate(v) for v in rates] == [
        "0/s",
        "< 0.001/s",
        "0.004/s",
        "0.02/s",
        "0.3/s",
        "3.5/s",
        "10/s",
        "12/s",
        "1,234/s",
    ]


def test_codes_that_are_stored_stay_what_they_are() -> None:
    assert [s.name for s in sorted(State)] == ["UNKNOWN", "IDLE", "STEADY", "DRAINING", "GROWING", "STALLED"]
    codes = {
        "TOO_YOUNG": 1,
        "SILENT": 4,
        "DEAD_LETTERS_KEPT": 8,
        "BURST": 13,
        "RISING": 18,
        "NOTHING_COMPLETED": 24,
        "FEWER_CONSUMERS": 27,
    }
    assert {name: Stored[name].value for name in codes} == codes


def test_what_is_most_urgent_leads_and_the_calm_ask_for_nothing() -> None:
    rows = [
        (State.GROWING, Reason.RISING, 60, 50),  # young and small
        (State.GROWING, Reason.RISING, 600, 50),
        (State.STALLED, Reason.NO_CONSUMERS, 60, 10),
        (State.STEADY, Reason.BALANCED, 9999, 90000),
        (State.STEADY, Reason.POISON_LOOP, 60, 5),
        (State.STALLED, Reason.NO_CONSUMERS, 60, 9000),
        (State.GROWING, Reason.PRODUCERS_OUTPACE, 60, 5000),
        (State.UNKNOWN, Reason.NOT_TOLD, 9999, np.nan),
    ]
    state, reason, lasted, depth = (np.array(column) for column in zip(*rows, strict=True))
    urgency = attention(state.astype(np.uint8), reason.astype(np.uint8), NOW - lasted, depth, NOW)
    assert np.argsort(-urgency, kind="stable")[:5].tolist() == [5, 2, 4, 6, 1]
    assert urgency[[0, 3, 7]].tolist() == [0, 0, 0]
    quiet = np.arange(len(rows)) == 5
    assert attention(state.astype(np.uint8), reason.astype(np.uint8), NOW - lasted, depth, NOW, quiet)[5] == 0


def test_pubsub_is_not_blamed_for_keeping_nothing() -> None:
    told = sentence(State.UNKNOWN, Reason.NOT_TOLD, {"consumers": 3}, NOW - 5, NOW, "pub/sub channel")
    assert told.startswith("Pub/Sub keeps nothing")
    assert sentence(State.UNKNOWN, Reason.NOT_TOLD, {}, NOW - 5, NOW, "stream").startswith("The broker tells neither")
