"""What a rule asks of a queue: a `Condition`, read from JSON or a file, checked, and said in words. Pure.

| kind | fires when |
|---|---|
| threshold | a number is beyond a value |
| change | it rose (`>`) above its lowest, or fell (`<`) below its highest, within a window, by more than a value |
| forecast | at the pace of a window it will be beyond a value within the horizon, or is already |
| unusual | it is more than `value` spreads off the same hour of past weeks (median, and median distance from it) |
| state | the queue is in a state |
| stuck | Burrow's verdicts: "stopped" (messages wait all through a window and none is completed), "behind" (some are, and what waits never shrank), "rewound" (a consumer group fell back) |
| broker | a broker is "silent" or "failing" |
| weir | Weir's own "collector", "worker" or "notifier" is silent |
| event | something happened: "cause" (dead letters of a new cause), "replay" (one ended badly) |
"""  # noqa: E501

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from ..insight.sentences import ago, count, rate
from ..insight.vocabulary import State

#: Numbers a rule may look at, with the word for each.
METRICS: Mapping[str, str] = {
    "lag_seconds": "lag",
    "lag_messages": "lag in messages",
    "depth": "depth",
    "wait_seconds": "expected wait",
    "clears_in_seconds": "time to clear",
    "in_rate": "what arrives",
    "out_rate": "what is completed",
    "net_rate": "net rate",
    "surplus_rate": "arrivals beyond completions",
    "consumers": "number of consumers",
    "in_flight": "in flight",
    "delayed": "delayed",
    "dead_letters": "dead letters",
    "retention_left_seconds": "retention left of the oldest message",
    "redelivery_rate": "redeliveries",
}
#: Worked out from others, and not stored.
DERIVED = ("wait_seconds", "clears_in_seconds", "surplus_rate", "retention_left_seconds")
OPS: Mapping[str, str] = {
    ">": "over", ">=": "at least", "<": "under", "<=": "at most", "==": "exactly", "!=": "anything but",
}  # fmt: skip
WORDS: Mapping[str, tuple[str, ...]] = {
    "state": tuple(state.name.lower() for state in State),
    "stuck": ("stopped", "behind", "rewound"),
    "broker": ("silent", "failing"),
    "weir": ("collector", "worker", "notifier"),
    "event": ("cause", "replay"),
}
NUMERIC = ("threshold", "change", "forecast", "unusual")
KINDS = (*NUMERIC, *WORDS)
#: Kinds that are judged on the columns of each tick; the others by a clock, or when something happens.
ON_TICKS = (*NUMERIC, "state", "stuck")
UNKNOWN_MEANS = ("keep", "fire", "ok")
DAY = 86400.0
_LEAST_WINDOW = 60.0


class BadCondition(ValueError):
    """A condition that cannot be; the message is one sentence, `field` what it is about."""

    def __init__(self, field: str, sentence: str) -> None:
        super().__init__(sentence)
        self.field = field


@dataclass(frozen=True, slots=True)
class Condition:
    """One question, the same for every queue that a rule is about.

    value          the limit: a number, for `unusual` a number of spreads, or a word of WORDS
    for_seconds    how long without a break until it fires
    clear_value    the level at which closing begins (hysteresis); None: as soon as the limit is not passed any more
    clear_seconds  how long without a break until it closes
    window_seconds, horizon_seconds   of change, forecast, stuck; of forecast
    percent        a change in percent of where it began
    unknown        what an unknown value means: "keep" (neither way: all clocks of the rule stand still), "fire", "ok"
    """

    kind: str = "threshold"
    metric: str = ""
    op: str = ">"
    value: float | str = 0.0
    for_seconds: float = 0.0
    clear_value: float | None = None
    clear_seconds: float = 120.0
    window_seconds: float = 600.0
    horizon_seconds: float = 1800.0
    percent: bool = False
    unknown: str = "keep"

    @classmethod
    def read(cls, given: Mapping[str, Any]) -> Condition:
        """From JSON or a file. Raises BadCondition."""
        known = {each.name for each in fields(cls)}
        for key in given:
            if key not in known:
                raise BadCondition(
                    f"condition.{key}", f"A condition has no '{key}'; it has {', '.join(sorted(known))}."
                )
        said = {key: value for key, value in given.items() if value is not None}
        if "kind" not in said:
            said["kind"] = "state" if said.get("metric") == "state" else "threshold"
        if said["kind"] == "state":
            said |= {"metric": "state", "op": "=="}
        if said.get("metric") == "retention_left_seconds":
            said.setdefault("op", "<")
        if said["kind"] == "event":
            said.setdefault("clear_seconds", 3600.0)  # without another one for so long, it is over
        condition = cls(**said)
        _check(condition)
        return condition

    def as_json(self) -> dict[str, Any]:
        """What `read` takes: what this kind of condition uses."""
        whole = asdict(self)
        unused = {"percent"} if self.kind != "change" else set()
        unused |= {"window_seconds"} if self.kind not in ("change", "forecast", "stuck") else set()
        unused |= {"horizon_seconds"} if self.kind != "forecast" else set()
        unused |= {"clear_value"} if self.kind != "threshold" and self.kind != "forecast" else set()
        unused |= {"metric", "op"} if self.kind not in (*NUMERIC, "state") else set()
        return {key: value for key, value in whole.items() if key not in unused}

    @property
    def level_to_clear(self) -> float:
        """The limit, or the lower level at which closing begins."""
        return float(self.value) if self.clear_value is None else self.clear_value


def _check(one: Condition) -> None:
    if one.kind not in KINDS:
        raise BadCondition("condition.kind", f"'{one.kind}' is no kind of condition; there are {', '.join(KINDS)}.")
    for field in ("for_seconds", "clear_seconds", "window_seconds", "horizon_seconds"):
        _seconds(field, getattr(one, field))
    if one.unknown not in UNKNOWN_MEANS:
        raise BadCondition("condition.unknown", f"unknown is one of {', '.join(UNKNOWN_MEANS)}, not '{one.unknown}'.")
    if not isinstance(one.percent, bool):
        raise BadCondition("condition.percent", "percent is true or false.")
    if one.kind in NUMERIC:
        _check_numbers(one)
    elif one.value not in WORDS[one.kind]:
        allowed = ", ".join(WORDS[one.kind])
        raise BadCondition("condition.value", f"The value of {one.kind} is one of {allowed}, not '{one.value}'.")


def _check_numbers(one: Condition) -> None:
    if one.metric not in METRICS:
        allowed = ", ".join((*METRICS, "state"))
        raise BadCondition("condition.metric", f"'{one.metric}' cannot be watched; there are {allowed}.")
    allowed_ops = tuple(OPS) if one.kind == "threshold" else (">", "<")
    if one.op not in allowed_ops:
        raise BadCondition("condition.op", f"op is one of {' '.join(allowed_ops)} here, not '{one.op}'.")
    if not _is_number(one.value):
        raise BadCondition("condition.value", f"The value must be a number, not '{one.value}'.")
    if one.metric == "retention_left_seconds" and one.kind != "threshold":
        raise BadCondition("condition.kind", "Retention left goes with a limit only: it runs down by itself.")
    if one.kind == "unusual" and one.metric in DERIVED:
        raise BadCondition("condition.metric", f"What is usual is known of measured numbers only, not of {one.metric}.")
    if one.kind in ("change", "unusual") and float(one.value) < (0 if one.kind == "change" else 1):
        least = "0 or more" if one.kind == "change" else "1 or more"
        raise BadCondition("condition.value", f"The value of a condition of {one.kind} must be {least}.")
    if one.clear_value is not None:
        _check_clear(one, one.clear_value)


def _check_clear(one: Condition, level: Any) -> None:
    if not _is_number(level):
        raise BadCondition("condition.clear_value", f"clear_value must be a number, not '{level}'.")
    if one.kind not in ("threshold", "forecast") or one.op in ("==", "!="):
        raise BadCondition("condition.clear_value", "A lower level for closing goes with > and < of a limit only.")
    wrong = level > float(one.value) if one.op.startswith(">") else level < float(one.value)
    if wrong:
        side = "below" if one.op.startswith(">") else "above"
        raise BadCondition("condition.clear_value", f"clear_value must not lie beyond the limit: choose one {side} it.")


def _is_number(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return abs(value) < 1e15  # neither NaN nor infinite


def _seconds(field: str, value: Any) -> None:
    if not _is_number(value) or value < 0:
        raise BadCondition(f"condition.{field}", f"{field} must be a number of seconds, 0 or more.")
    most = 7 * DAY if field in ("for_seconds", "horizon_seconds") else DAY
    if value > most:
        raise BadCondition(f"condition.{field}", f"{field} is at most {ago(most)}.")
    if field == "window_seconds" and value < _LEAST_WINDOW:
        raise BadCondition("condition.window_seconds", f"window_seconds is at least {_LEAST_WINDOW:g}.")


def amount(metric: str, value: float) -> str:
    """A number of a metric in words: 5 min, 320/s, 2,940, never."""
    if value != value:
        return "unknown"
    if value == float("inf"):
        return "never"
    if metric.endswith("_seconds"):
        return ago(value) if value >= 10 else f"{value:.3g} s"
    return rate(value) if metric.endswith("_rate") else count(value)


def words(one: Condition) -> str:
    """The condition as the end of "Tell ... when ...": "lag is over 5 min for 2 min"."""
    lasting = f" for {ago(one.for_seconds)}" if one.for_seconds else ""
    return _WORDS[one.kind](one) + lasting


def _threshold(one: Condition) -> str:
    if one.metric == "in_rate" and one.op in ("<=", "==") and one.value == 0:
        return "nothing arrives"
    if one.metric == "consumers" and (one.op, one.value) in ((">", 0), ("<", 1), ("==", 0), ("<=", 0)):
        return "there are consumers" if one.op == ">" else "there are no consumers"
    return f"{METRICS[one.metric]} is {OPS[one.op]} {amount(one.metric, float(one.value))}"


def _change(one: Condition) -> str:
    by = f"{one.value:g} %" if one.percent else amount(one.metric, float(one.value))
    if one.metric == "dead_letters" and one.op == ">" and not one.percent and not one.value:
        return f"dead letters arrive (within {ago(one.window_seconds)})"
    if one.metric == "dead_letters" and one.op == ">" and not one.percent:
        return f"more than {by} dead letters arrive within {ago(one.window_seconds)}"
    return f"{METRICS[one.metric]} {_moves(one)} by more than {by} within {ago(one.window_seconds)}"


def _moves(one: Condition) -> str:
    return "rises" if one.op == ">" else "falls"


def _forecast(one: Condition) -> str:
    limit = amount(one.metric, float(one.value))
    return f"{METRICS[one.metric]} will be {OPS[one.op]} {limit} within {ago(one.horizon_seconds)}"


def _unusual(one: Condition) -> str:
    much = "higher" if one.op == ">" else "lower"
    return f"{METRICS[one.metric]} is {much} than usual at this hour of the week ({one.value:g} spreads)"


_STUCK = {
    "stopped": "messages wait and none is completed within {window}",
    "behind": "its consumers fall further behind all through {window}",
    "rewound": "its consumer group goes back",
}
_WEIR = {
    "collector": "no collector of Weir polls a broker",
    "worker": "no worker of Weir is at work",
    "notifier": "Weir cannot tell people",
}
EVENTS = {"cause": "dead letters of a new cause arrive", "replay": "a replay fails or its messages come back"}
_WORDS = {
    "threshold": _threshold,
    "change": _change,
    "forecast": _forecast,
    "unusual": _unusual,
    "state": lambda one: f"it is {one.value}",
    "stuck": lambda one: _STUCK[one.value].format(window=ago(one.window_seconds)),
    "broker": lambda one: "a broker is silent" if one.value == "silent" else "a broker answers with errors",
    "weir": lambda one: _WEIR[one.value],
    "event": lambda one: EVENTS[one.value],
}
