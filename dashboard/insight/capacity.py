"""How many consumers a queue needs, from what one of them was seen to do.

A consumer's pace can be seen only while it has something to do: completions per consumer, over the time in which
messages waited throughout (M/M/c: then all c of them are busy). Where that never was, messages in flight tell it as
well, as long as there are no more of them than consumers (Little's law of the servers: in flight = completions × time
of each). Where neither is known, nothing is said. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil, floor, inf, isfinite

import numpy as np

from ..ticks import Floats
from .sentences import count, rate

#: Completions that must have been seen before a pace is believed: ten percent of doubt, one chance in three.
LEAST_COMPLETIONS = 100.0
#: Times at which something must have been in flight, where that tells the pace.
LEAST_LOOKS = 20
#: Arrivals are those of the newest so many seconds.
RECENT = 600.0
#: By when it may be wanted empty, in seconds: a quarter of an hour, an hour.
SOON, LATER = 900.0, 3600.0
#: What is asked of the store for it.
METRICS = ("depth", "in_flight", "in_rate", "out_rate", "consumers")


@dataclass(slots=True, frozen=True)
class Capacity:
    """Consumers connected, completions per second of one of them, and how many would be needed for what.

    hold       for the backlog not to grow
    soon       for it to be empty within SOON; `later`: within LATER
    alone      seconds until it is empty when nothing more arrives, by the consumers there are; inf = never
    by_flight  the pace was told by what is in flight: messages never waited for long enough
    """

    consumers: float
    pace: float
    arriving: float
    backlog: float
    hold: int
    soon: int
    later: int
    alone: float
    by_flight: bool = False


def capacity(times: Floats, known: Mapping[str, Floats]) -> Capacity | str:
    """What a queue needs, from METRICS over the last hour or two; or why that cannot be told, as a sentence."""
    depth, in_flight, arrives, completes, consumers = (known[metric] for metric in METRICS)
    if not len(times) or np.isnan(consumers).all():
        return "The broker does not tell how many consumers there are."
    if np.isnan(arrives).all() or np.isnan(completes).all():
        return "The broker does not tell how many messages arrive and are completed."
    pace, by_flight, doubt = _pace(times, depth, in_flight, completes, consumers)
    if pace is None:
        return "Not known yet: consumers were not seen at work for long enough to tell how much one of them does."
    recent = times >= times[-1] - RECENT
    arriving = _mean(arrives[recent])
    have, backlog = _newest(consumers), _newest(depth) + np.nan_to_num(_newest(in_flight))
    if not (isfinite(arriving) and isfinite(have) and isfinite(backlog)):
        return "Not known: the newest numbers are missing."
    return Capacity(
        consumers=have,
        pace=pace,
        arriving=arriving,
        backlog=float(backlog),
        hold=_holding(arriving, pace, have, 2 * np.hypot(doubt, 1 / np.sqrt(max(arriving * RECENT, 1)))),
        soon=_clearing(arriving, backlog, pace, SOON),
        later=_clearing(arriving, backlog, pace, LATER),
        alone=backlog / (have * pace) if have else (0.0 if backlog == 0 else inf),
        by_flight=by_flight,
    )


def _holding(arriving: float, pace: float, have: float, doubt: float) -> int:
    """The least consumers that complete more than arrives; those that are there, where that cannot be told apart."""
    needed = floor(arriving / pace + 1e-9) + 1 if arriving else 0
    enough = have > 0 and needed > have and arriving <= have * pace * (1 + doubt)
    return int(have) if enough else needed


def _clearing(arriving: float, backlog: float, pace: float, seconds: float) -> int:
    """Consumers that complete what arrives and the backlog within some seconds."""
    return ceil((arriving + backlog / seconds) / pace - 1e-9)


def _pace(
    times: Floats, depth: Floats, in_flight: Floats, completes: Floats, consumers: Floats
) -> tuple[float | None, bool, float]:
    """Completions a second of one busy consumer, whether that was told by what is in flight, and its doubt (share)."""
    step = float(np.median(np.diff(times))) if len(times) > 1 else 0.0
    known = ~np.isnan(completes) & (consumers > 0)
    waited = np.roll(depth, 1) >= completes * step  # so many waited before that it cannot have been empty between
    waited[:1] = False
    busy = known & waited & (depth > 0)
    done, spent = completes[busy].sum() * step, consumers[busy].sum() * step
    if done >= LEAST_COMPLETIONS:
        return float(done / spent), False, float(1 / np.sqrt(done))
    known &= ~np.isnan(in_flight)
    one_each = known & (in_flight <= consumers)
    flying = one_each & (in_flight > 0)
    done, held = completes[one_each].sum() * step, in_flight[one_each].sum() * step
    enough = done >= LEAST_COMPLETIONS and flying.sum() >= LEAST_LOOKS and one_each.sum() >= 0.9 * known.sum()
    if not enough:
        return None, True, 1.0
    return float(done / held), True, float(1 / np.sqrt(min(done, flying.sum())))


def _mean(values: Floats) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")


def _newest(values: Floats) -> float:
    known = values[~np.isnan(values)]
    return float(known[-1]) if len(known) else float("nan")


def in_words(found: Capacity) -> str:
    """What is missing, or to spare, as a sentence."""
    each = f"{rate(found.pace)} each"
    missing = found.hold - found.consumers
    if missing > 0:
        told = f"{_more(missing)} at {each} would hold it"
        if found.soon <= found.hold:
            return f"{told}, and clear it in 15 min."
        return f"{told}; {_many(found.soon - found.consumers)} would clear it in 15 min."
    if found.backlog and found.soon > found.consumers:
        hold = f"{_consumers(found.consumers)} at {each} hold it"
        return f"{hold}; {_more(found.soon - found.consumers)} would clear it in 15 min."
    if not found.consumers:
        return ""
    spare = max(0.0, 1 - found.arriving / (found.consumers * found.pace))
    if spare < 0.02:
        return f"{_consumers(found.consumers)} at {each} just hold it, with nothing to spare."
    return f"{_consumers(found.consumers)} at {each} hold it, with {spare:.0%} to spare."


def _consumers(number: float) -> str:
    return f"{count(number)} consumer" + ("" if number == 1 else "s")


def _more(number: float) -> str:
    return f"{count(number)} more consumer" + ("" if number == 1 else "s")


def _many(number: float) -> str:
    return f"{count(number)} more"
