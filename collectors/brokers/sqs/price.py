"""What the calls cost, at list prices. An estimate: regions differ, and free tiers and discounts are left out."""

from __future__ import annotations

#: US dollars, list prices of us-east-1; a request is 64 KB at most, which no answer used here exceeds.
PRICES_OF = "August 2026"
STANDARD_REQUEST = 0.40 / 1e6
FIFO_REQUEST = 0.50 / 1e6
CLOUDWATCH_METRIC = 0.01 / 1e3  # each metric that is asked for, however many minutes of it

MONTH = 30 * 86400.0  # seconds


def per_month(standard: float = 0.0, fifo: float = 0.0, metrics: float = 0.0) -> float:
    """US dollars a month at so many standard and FIFO requests, and CloudWatch metrics asked for, per second."""
    return MONTH * (standard * STANDARD_REQUEST + fifo * FIFO_REQUEST + metrics * CLOUDWATCH_METRIC)


def in_words(dollars: float) -> str:
    """$0.04, $12, $1,720: as precise as an estimate may be."""
    if dollars < 0.005:
        return "less than $0.01"
    return f"${dollars:,.2f}" if dollars < 10 else f"${dollars:,.0f}"
