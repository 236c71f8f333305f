"""How the polls are made and what they cost, in words for the broker's page."""

from __future__ import annotations

import time
from collections.abc import Mapping

from . import price
from .budget import Budget
from .cloudwatch import METRICS
from .options import Options
from .queue import Queue


def method(queues: int, asked: int, options: Options, budget: Budget) -> str:
    """How a poll was made."""
    calls = sum(budget.per_second(time.monotonic())) * 60
    return (
        f"{asked:,} of {queues:,} queues asked this time by GetQueueAttributes: every {options.moving_every:g} s while "
        f"a queue changes, every {options.quiet_every:g} s while not, within {options.calls:g} calls per second; "
        f"about {calls:,.0f} calls per minute"
    )


def details(queues: Mapping[str, Queue], at: float, options: Options, budget: Budget) -> list[tuple[str, str]]:
    """(label, value) pairs on the broker itself."""
    standard, fifo, _ = budget.per_second(time.monotonic())
    dollars = price.in_words(price.per_month(standard, fifo))
    rows = [
        (
            "Calls",
            f"{60 * (standard + fifo):,.0f} per minute lately, at most {60 * options.calls:,.0f} in the long run",
        ),
        (
            "Price",
            f"about {dollars} a month at this pace (estimate, list prices of {price.PRICES_OF}, free tier left out)",
        ),
        ("CloudWatch", _cloudwatch(len(queues), options)),
    ]
    if budget.rate < options.calls:
        rows.append(("Slowed down", f"to {budget.rate:.1f} calls per second, because AWS refused calls as too many"))
    times = [queue.measured_at for queue in queues.values() if queue.measured_at is not None]
    if times:
        rows.append(("Oldest value", f"{max(at - min(times), 0):,.0f} s"))
    if len(times) < len(queues):
        rows.append(("Not measured yet", f"{len(queues) - len(times):,} queues"))
    return rows


def _cloudwatch(queues: int, options: Options) -> str:
    pace = queues * len(METRICS) / options.cloudwatch_every
    dollars = price.in_words(price.per_month(metrics=pace))
    if not options.cloudwatch:
        return f"off; cloudwatch=true gives rates and lag, for about {dollars} a month"
    return f"every {options.cloudwatch_every:g} s, about {dollars} a month for these queues, one to three minutes late"
