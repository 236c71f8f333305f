"""RabbitMQ 3.8 to 4.x: classic queues, quorum queues and streams.

What is used, and why:

- The Prometheus endpoint `/metrics/detailed` of every node measures (`scrape.py`): it costs the broker a small
  part of what the management API takes, and it answers where management statistics are switched off. Each node
  tells only of itself, so all of them are asked. Where it does not answer, the management API measures (`measure.py`).
- The management API says what rarely changes (`inventory.py`, `facts.py`, `relations.py`) and, for a few queues
  only, what the cheap way cannot tell: the queue's own counters, the time of its oldest message (`flow.py`).
- HTTP is spoken with urllib3, whose connections are kept. kombu takes no part: it moves messages, it does not
  measure, and what looks like a number in it defaults to 0.

Rates come from counters of channels, which vanish with their channel: they are approximate, checked against
what the backlog did, and replaced by the queue's own counters where the two disagree for a while. RabbitMQ 4.0
counts per queue, which is exact.
"""

from .broker import RabbitMQ

__all__ = ["RabbitMQ"]
