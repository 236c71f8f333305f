"""A state and its reason as the sentence that a tired person reads."""

from __future__ import annotations

from collections.abc import Mapping

from .vocabulary import Reason, State

#: How kinds begin whose messages are never kept.
PUBSUB = "pub/sub"

Row = Mapping[str, float | None]


def ago(seconds: float) -> str:
    """A length of time in words, as precise as a person needs it: 40 s, 14 min, 3 h 5 min, 2 d 4 h."""
    seconds = max(0.0, seconds)
    if seconds < 59.5:
        return f"{round(seconds)} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    if minutes < 48 * 60:
        return f"{minutes // 60} h {minutes % 60} min" if minutes % 60 else f"{minutes // 60} h"
    hours = minutes // 60
    return f"{hours // 24} d {hours % 24} h" if hours % 24 else f"{hours // 24} d"


def count(value: float) -> str:
    """A number of messages: 2,940."""
    return f"{round(value):,}"


def rate(value: float) -> str:
    """Messages per second, two digits that count: 320/s, 3.5/s, 0.02/s; what is not zero never reads as zero."""
    if 0 < abs(value) < 0.001:
        return "< 0.001/s"
    digits = 0 if abs(value) >= 9.95 else 1 if abs(value) >= 0.095 else 2 if abs(value) >= 0.0095 else 3
    text = f"{value:,.{digits}f}"
    return f"{text.rstrip('0').rstrip('.') if digits else text}/s"


def sentence(state: int, reason: int, row: Row, since: float, now: float, kind: str = "") -> str:
    """Why a queue is in its state. `row` holds metrics by name, None = unknown; `since` and `now` are epoch seconds.

    States that last are told with how long they have lasted; numbers are of the newest sample.
    `kind` is the queue's: of Pub/Sub there is nothing to know, which is no fault of the broker's.
    """
    if reason == Reason.NOT_TOLD and kind.startswith(PUBSUB):
        return "Pub/Sub keeps nothing: a message goes to those who listen at that moment, and is gone."
    words = _SENTENCES.get(Reason(reason))
    if words is None:
        return ""
    if reason == Reason.POISON_LOOP and not row.get("redelivery_rate"):
        words = words.replace(" {redelivery_rate},", "")  # none between the newest two polls, and many before
    if "{out_rate}" in words and row.get("in_rate") is None and row.get("out_rate") is None:
        words = _RATES_UNKNOWN.get(Reason(reason), words)
    text = words.format_map(_Words(row, ago(now - since)))
    if state == State.STALLED:
        text += _also(row, "{waiting} waiting, {in_rate} still arriving.", "{waiting} waiting.")
    elif state in (State.GROWING, State.DRAINING):
        text += _also(row, "{waiting} waiting.")
    return text


def _also(row: Row, *choices: str) -> str:
    """The first addition of which every number is known, and none is zero."""
    words = _Words(row, "")
    for choice in choices:
        if all(words.has(name) for name in ("waiting", "in_rate") if f"{{{name}}}" in choice):
            return " " + choice.format_map(words)
    return ""


class _Words(dict[str, str]):
    """Numbers of a row as words, made when a sentence asks for them; `?` for what is unknown."""

    def __init__(self, row: Row, lasted: str) -> None:
        super().__init__(lasted=lasted)
        self.row = row

    def __missing__(self, name: str) -> str:
        if name == "consumers_are":
            number = self.row.get("consumers")
            if number is None:
                return "Consumers are"
            return "1 consumer is" if number == 1 else f"{count(number)} consumers are"
        value = self._value(name)
        if value is None:
            return "?"
        return rate(value) if name.endswith("_rate") else count(value)

    def has(self, name: str) -> bool:
        return bool(self._value(name))

    def _value(self, name: str) -> float | None:
        if name == "waiting":
            depth = self.row.get("depth")
            return self.row.get("lag_messages") if depth is None else depth
        return self.row.get(name)


_SENTENCES: Mapping[Reason, str] = {
    Reason.TOO_YOUNG: "Seen for less than three polls: too early to say.",
    Reason.NOT_TOLD: "The broker tells neither how many messages wait here nor how many flow.",
    Reason.HEAD_UNKNOWN: (
        "{waiting} wait and their number does not change; the broker does not tell whether any are completed."
    ),
    Reason.SILENT: "The broker has not answered for {lasted}.",
    Reason.NO_DEPTH: "Judged by what flows; the broker does not tell how many messages wait here.",
    Reason.NOTHING_FLOWS: "Nothing waits, nothing flows.",
    Reason.NOTHING_WAITS: "Nothing waits.",
    Reason.DEAD_LETTERS_KEPT: "{waiting} dead letters are kept here, for somebody to look at.",
    Reason.BALANCED: "In {in_rate}, out {out_rate}.",
    Reason.HEAD_MOVES: "{waiting} waiting; the oldest message changes.",
    Reason.LEVEL: "{waiting} waiting; messages come and go.",
    Reason.NO_PRODUCERS: "Nothing arrives at the moment.",
    Reason.BURST: "Many arrived at once. {waiting} waiting.",
    Reason.JUST_ARRIVED: "{waiting} waiting, and none completed yet.",
    Reason.CATCHING_UP: "In {in_rate}, out {out_rate} for {lasted}.",
    Reason.FALLING: "Falling for {lasted}.",
    Reason.PRODUCERS_OUTPACE: "In {in_rate}, out {out_rate} for {lasted}.",
    Reason.ARRIVALS_UP: "Arrivals went up: in {in_rate}, out {out_rate} for {lasted}.",
    Reason.COMPLETIONS_DOWN: "Completions went down: in {in_rate}, out {out_rate} for {lasted}.",
    Reason.FEWER_CONSUMERS: "Fewer consumers, {consumers} now: in {in_rate}, out {out_rate} for {lasted}.",
    Reason.RISING: "Rising for {lasted}.",
    Reason.NO_CONSUMERS: "No consumers for {lasted}.",
    Reason.CONSUMERS_IDLE: "{consumers_are} connected, but nothing was taken for {lasted}.",
    Reason.UNACKNOWLEDGED: "{in_flight} handed to consumers, and nothing completed for {lasted}.",
    Reason.POISON_LOOP: "The same messages are delivered again and again, {redelivery_rate}, for {lasted}.",
    Reason.HEAD_UNCHANGED: "The oldest message has been the same for {lasted}.",
    Reason.NOTHING_COMPLETED: "Nothing completed for {lasted}.",
}

#: Where both rates are unknown now that were known when the state began.
_RATES_UNKNOWN: Mapping[Reason, str] = {
    Reason.BALANCED: "Messages come and go.",
    Reason.CATCHING_UP: "Falling for {lasted}.",
    Reason.PRODUCERS_OUTPACE: "Rising for {lasted}.",
    Reason.ARRIVALS_UP: "Arrivals went up: rising for {lasted}.",
    Reason.COMPLETIONS_DOWN: "Completions went down: rising for {lasted}.",
    Reason.FEWER_CONSUMERS: "Fewer consumers, {consumers} now: rising for {lasted}.",
}
