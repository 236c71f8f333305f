"""One queue of SQS, and what is remembered of it between polls."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ...powers import RenewalBook
from .attributes import Attributes
from .cloudwatch import Flow
from .names import short
from .trend import Trend

if TYPE_CHECKING:
    from .target import Target


@dataclass(slots=True)
class Queue:
    """`key` as in `names`; `name` is what people call it.

    measured_at     epoch seconds of the newest answer; None = not asked yet, or too long ago to go on saying it
    flow            what CloudWatch told; None = not asked, or nothing known
    tags            None = not asked yet
    sources         keys of queues that send their dead letters here, as SQS lists them; None = not asked
    book            where is written down which letters are just being renewed (`renewing`)
    """

    key: str
    name: str
    url: str
    target: Target
    attributes: Attributes | None = None
    measured_at: float | None = None
    failed: bool = False
    trend: Trend = field(default_factory=Trend)
    flow: Flow | None = None
    tags: tuple[str, ...] | None = None
    tags_at: float = 0.0
    sources: tuple[str, ...] | None = None
    book: RenewalBook | None = None

    @property
    def short(self) -> str:
        """Its name in SQS."""
        return short(self.key)

    @property
    def fifo(self) -> bool:
        return self.key.endswith(".fifo")
