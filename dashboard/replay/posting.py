"""One new message, put into a queue by hand: to try a consumer, or to put in what was lost elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from typing import Any

from collectors.errors import NotSupported
from collectors.letters import Destination, Sends

from .. import audit
from ..access import Principal
from ..models import Queue
from ..refused import DeedRefused
from . import orders
from .headers import checked

LARGEST = 1024 * 1024


def send(
    principal: Principal, queue: Queue, body: bytes, headers: Mapping[str, Any], properties: Mapping[str, str]
) -> str:
    """Send it and wait for the broker's confirmation; the broker's id of it, "" = it gives none. It is audited.

    Raises Refused, DeedRefused, CollectorError: after TimedOut it may have arrived or not.
    """
    principal.must("send_messages")
    if queue.broker.look_only:
        raise DeedRefused("queue_id", f"{queue.broker.name} is look-only: nothing on it is changed from here.", True)
    if queue.gone_at is not None:
        raise DeedRefused("queue_id", f"{queue.broker.name} no longer shows {queue.name}.", True)
    if len(body) > LARGEST:
        raise DeedRefused("body", f"A message that is sent from here has at most {LARGEST:,} bytes.")
    said = {name: value for name, value in checked(headers, "headers").items() if value is not None}
    with closing(orders.adapter(queue.broker)) as broker:
        if not isinstance(broker, Sends):
            raise NotSupported(f"Nothing can be put into queues of {queue.broker.kind} from here.")
        id = broker.send_new(Destination(queue.key), body, said, properties)
    audit.record(principal.who, "send message", queue.name, broker=queue.broker.name, bytes=len(body), id=id[:200])
    return id
