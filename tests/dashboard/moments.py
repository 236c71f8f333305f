"""Made-up moments for the tests of rules: a few queues, metric by metric."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from dashboard.alerts.conditions import Condition
from dashboard.alerts.rules import Change, Engine, Spec

START = 1_700_000_000.0
NAN = float("nan")


class Moment:
    """A `rules.Frame`: what is not given is unknown."""

    def __init__(self, at: float, ids: Sequence[int] = (1,), held: Any = None, **metrics: Any) -> None:
        self.at, self.ids, self.held = at, np.array(ids, np.int64), held
        self.metrics = {name: np.broadcast_to(np.asarray(v, float), len(ids)) for name, v in metrics.items()}

    def numbers(self, metric: str):
        if metric == "waiting":
            metric = "depth" if "depth" in self.metrics else "lag_messages"
        return self.metrics.get(metric, np.full(len(self.ids), NAN))


def played(
    condition: dict[str, Any], values: Iterable[float], interval: float = 10.0, usual: Any = None, **more: Any
) -> list[tuple[str, float]]:
    """One queue through one rule: [("open" or "close", seconds since the start)]. `more`: whole columns by metric."""
    read = Condition.read(condition)
    engine = Engine(interval, **({"usual": usual} if usual else {}))
    engine.set_rules([Spec(1, read)])
    found: list[tuple[str, float]] = []
    for i, value in enumerate(values):
        columns = {name: column[i] for name, column in more.items()}
        moment = Moment(START + i * interval, **{read.metric or "depth": value}, **columns)
        found += marks(engine.judge(moment, {}))
    return found


def marks(changes: Iterable[Change]) -> list[tuple[str, float]]:
    found = []
    for change in changes:
        found += [("open", change.at - START) for _ in change.opened]
        found += [("close", change.at - START) for _ in (*change.closed, *change.gone)]
    return found
