"""How long a replay will take: by its rate, its ramp, and how fast replays without a limit went here before."""

from __future__ import annotations

from collections.abc import Iterable
from statistics import median

from ..models import Queue, Replay
from .guards import RAMP_FROM, RAMP_STEP, RAMP_TO, Limits

#: Messages a second, each with its journal, where none has gone yet: measured by `tests/bench/replay` (SQS: by
#: `lease_sqs`, on ministack) on two busy processors beside the broker, rounded down.
USUAL = {"rabbitmq": 2400.0, "redis": 13_000.0, "sqs": 300.0}
#: Replays that tell a pace: so many of the latest, each of so many messages at least.
LATEST, LEAST = 5, 200


def pace(queue: Queue) -> tuple[float | None, str]:
    """Messages a second without a limit, and whence that is known, in words; None = it is not."""
    gone = Replay.objects.filter(
        how=Replay.How.WEIR, rate=None, sent__gte=LEAST, busy_seconds__gt=0.05,
        deed__in=(Replay.Deed.REPLAY, Replay.Deed.MOVE, Replay.Deed.COPY),
    ).order_by("-pk").values_list("sent", "busy_seconds")  # fmt: skip
    here = _median(gone.filter(queue__broker=queue.broker_id)[:LATEST])
    if here is not None:
        return here, f"as the last replays on {queue.broker.name} went"
    kin = _median(gone.filter(queue__broker__kind=queue.broker.kind)[:LATEST])
    if kin is not None:
        return kin, "as the last replays on brokers of this kind went"
    usual = USUAL.get(queue.broker.kind)
    return usual, "as measured on a small machine; none has gone here yet" if usual else ""


def _median(rows: Iterable[tuple[int, float]]) -> float | None:
    paces = [sent / seconds for sent, seconds in rows]
    return median(paces) if paces else None


def seconds(count: int, rate: float | None, pace: float | None, trial: int, limits: Limits) -> float | None:
    """Until the last one is sent, without yielding and pauses; None = that cannot be told. Pure."""
    goals = [goal for goal in (rate, pace) if goal]
    if not goals:
        return None
    goal = min(goals)
    if not trial:
        return count / goal
    left, total = float(max(0, count - trial)), min(count, trial) / goal + limits.trial_wait
    risen = RAMP_FROM if rate is None else max(1.0, rate / 10)
    while left > 0 and risen < min(goal, RAMP_TO):
        step = min(RAMP_STEP, left / risen)
        left, total, risen = left - risen * step, total + step, risen * 2
    return total + max(0.0, left) / goal
