"""Trying a broker before it is saved, or again: what works, what is missing, what a poll costs.

The adapter runs in a thread of its own, so that a broker that never answers costs the request no more than
`PATIENCE`. Nothing on the broker is changed.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from threading import Thread
from typing import Any

from collectors import registry
from collectors.errors import CollectorError
from collectors.protocol import Broker, Check, ExplainsActing, ExplainsItself, Poll
from collectors.url import BrokerURL

log = logging.getLogger("weir.brokers")

PATIENCE = 15.0  # seconds
#: Queues that looking and replaying are tried on.
MOST_QUEUES = 20


@dataclass
class Answer:
    """`ok`: polling works. `lines` one per power; `poll` what was found, None when polling failed."""

    lines: list[Check] = field(default_factory=list)
    poll: Poll | None = None

    @property
    def ok(self) -> bool:
        return self.poll is not None and not lacking(self.lines)

    @property
    def works(self) -> list[Check]:
        return [line for line in self.lines if line.ok]

    @property
    def fails(self) -> list[Check]:
        return [line for line in self.lines if not line.ok]

    def as_json(self) -> dict[str, Any]:
        """For the API."""
        found: dict[str, Any] = {"ok": self.ok, "checks": [_line(line) for line in self.lines]}
        if self.poll is not None:
            cost = self.poll.cost
            found |= {
                "version": self.poll.version,
                "queue_count": len(self.poll.samples),
                "method": self.poll.method,
                "problems": self.poll.problems,
                "poll_seconds": round(cost.seconds, 4),
                "poll_requests": cost.requests,
                "poll_bytes": cost.bytes,
            }
        return found


def check_broker(
    url: BrokerURL, patience: float = PATIENCE, acting: BrokerURL | None = None, look_only: bool = False
) -> Answer:
    """Connect, try each power, poll once. Failures are lines of the answer; nothing is raised.

    `acting` is the URL for looking and replaying: it is tried for these, on the queues that polling found.
    """
    try:
        broker = registry.connect(url)
    except CollectorError as error:
        return Answer([Check("polling", False, str(error))])
    answer = Answer()
    thread = Thread(target=_try, args=(broker, url, answer, acting, look_only), name="broker-check", daemon=True)
    thread.start()
    thread.join(patience)
    if thread.is_alive():
        late = Check(
            "polling", False, f"The broker did not answer within {patience:g} seconds; the check was given up."
        )
        answer = Answer([*answer.lines, late])
    Thread(target=broker.close, name="broker-check-close", daemon=True).start()
    return answer


def lacking(lines: Sequence[Check]) -> str:
    """What polling lacks, also where this poll went well: what the next stream will need. "" = nothing."""
    return next((line.sentence for line in lines if line.power == "polling" and not line.ok), "")


def check_acting(acting: BrokerURL, poll: Poll | None, look_only: bool = False) -> list[Check]:
    """What looking and replaying need, tried with their own credential on queues of a poll. Nothing is raised."""
    try:
        broker = registry.connect(acting)
        try:
            if not isinstance(broker, ExplainsActing):
                return [Check("looking", False, f"{registry.NAMES[acting.scheme]} cannot be tried for this.")]
            return broker.check_acting(_where_letters_lie(poll), not look_only)
        finally:
            broker.close()
    except CollectorError as error:
        return [Check("looking" if look_only else "looking and replaying", False, str(error))]


def _where_letters_lie(poll: Poll | None) -> list[str]:
    """Keys of queues where dead letters arrive; where none is known, of any."""
    if poll is None:
        return []
    found = [relation.target for relation in poll.relations or () if relation.kind == "dead_letters"]
    return (list(dict.fromkeys(found)) or [sample.key for sample in poll.samples])[:MOST_QUEUES]


def _try(broker: Broker, url: BrokerURL, answer: Answer, acting: BrokerURL | None, look_only: bool) -> None:
    try:
        if isinstance(broker, ExplainsItself):
            answer.lines.extend(broker.check())
        answer.poll = broker.poll()
        if not answer.lines:
            answer.lines.append(Check("polling", True, f"{len(answer.poll.samples)} queues were measured."))
        if acting is not None:
            answer.lines.extend(check_acting(acting, answer.poll, look_only))
    except CollectorError as error:
        if all(line.ok for line in answer.lines):  # else the check has said why already
            answer.lines.append(Check("polling", False, str(error)))
    except Exception:  # a bug of Weir's, in a thread of its own: said, not lost
        log.exception("Checking %s failed.", url)
        answer.lines.append(Check("polling", False, "Weir itself failed while checking; its log says where."))


def _line(check: Check) -> dict[str, Any]:
    return {"power": check.power, "ok": check.ok, "sentence": check.sentence}
