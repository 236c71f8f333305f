"""RabbitMQ 3.8 to 4.x: classic queues, quorum queues and streams.

What is used, and why:

- The Prometheus endpoint `/metrics/detailed` of every node measures (`scrape.py`): it costs the broker a small
  part of what the management API takes, and it answers where management statistics are switched off. Each node
  tells only of itself, so all of them are asked. Where it does not answer, the management API measures (`measure.py`).
- The management API says what rarely changes (`inventory.py`, `facts.py`, `relations.py`) and, for a few queues
  only, what the cheap way cannot tell: the queue's own counters, the time of its oldest message (`flow.py`).
- HTTP is spoken with urllib3, whose connections are kept. kombu takes no part in measuring: what looks like a
  number in it defaults to 0.
- Letters are looked at, leased and sent over AMQP (`look.py`, `streams.py`, `lease.py`, `sending.py`). kombu signs in
  (`connecting.py`); after that Weir speaks the frames itself (`link.py`, `frames.py`, `fields.py`), because
  py-amqp knows no `basic.nack`, waits for every confirmation, and encodes headers anew. What a look may do is decided
  by the queue's kind and settings and RabbitMQ's version (`price.py`). 3.10 was tried; 4.x was read in its source.

Rates come from counters of channels, which vanish with their channel: they are approximate, checked against
what the backlog did, and replaced by the queue's own counters where the two disagree for a while. RabbitMQ 4.0
counts per queue, which is exact.
"""

from .broker import RabbitMQ

__all__ = ["RabbitMQ"]
