"""What the management API knows of single queues and exchanges, asked when a letter needs it and kept for a minute."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from collectors.errors import AccessRefused, BadAnswer, CollectorError, NotSupported, SignInRefused
from collectors.letters import Destination
from collectors.powers import Bounded

from .inventory import queue_key, sample_name
from .management import WITHOUT_STATISTICS, Management, Row, key_of
from .price import Rules, effective, rules_of
from .prometheus import QueueKey
from .routes import Routes

KEPT_SECONDS = 60.0
#: Different queues in the deaths of letters that are asked about in a minute; beyond it the latest is believed.
MOST_ASKED = 100
NEEDS = "the acting user needs the tag 'management' (rabbitmqctl set_user_tags): else nobody knows what a look does"


class Surroundings:
    """Rules of queues, and where messages go. Every method may raise CollectorError unless it says otherwise."""

    def __init__(self, management: Management) -> None:
        self._management = management
        self._rows: dict[QueueKey, tuple[float, Row | None]] = {}
        self._routes: tuple[float, Routes] | None = None
        self._version = ""

    def rules(self, key: str, seconds: float) -> tuple[QueueKey, Rules, Row]:
        """How a queue must be looked at, asked anew. Raises BadAnswer when it is not there."""
        where = queue_key(key)
        if where is None:
            raise BadAnswer(f"'{key}' is not the key of a queue of RabbitMQ.")
        try:
            row = self._management.queue(where)
        except NotSupported as error:
            if self._management.absent:
                raise NotSupported(f"Nothing can be looked at: {NEEDS}, and a management API to ask.") from error
            raise BadAnswer(f"There is no queue '{sample_name(*where)}', or the user may not see it.") from error
        except SignInRefused:
            raise
        except AccessRefused as error:
            raise AccessRefused(f"{str(error).rstrip('.')}; {NEEDS}.") from error
        return where, rules_of(row, self.version(), seconds), row

    def version(self) -> str:
        """RabbitMQ's, asked once."""
        if not self._version:
            self._version = str(self._management.overview().get("rabbitmq_version") or "")
        return self._version

    def refuses_when_full(self, where: QueueKey) -> bool:
        """Whether a queue says no when it is full; False where that is not known. Raises nothing."""
        row = self._row(where)
        overflow = str(effective(row).get("overflow", "")) if row is not None else ""
        return overflow.startswith("reject-publish")

    def bounded(self, where: QueueKey) -> Bounded | None:
        """What a queue does with what comes when it is full, where it has a bound. Raises nothing."""
        row = self._row(where)
        settings = effective(row) if row is not None else {}
        most, size = (settings.get(name) for name in ("max-length", "max-length-bytes"))
        if row is None or row.get("type") == "stream" or (most is None and size is None):
            return None
        exchange, ready = settings.get("dead-letter-exchange"), row.get("messages_ready")
        bound = f"{most:,} messages" if isinstance(most, int) else f"{size} bytes"
        if refuses := str(settings.get("overflow", "")).startswith("reject-publish"):
            exchange = None
        beyond = "drops the oldest" if exchange is None else f"moves the oldest to the exchange '{exchange}'"
        room = max(0, most - ready) if isinstance(most, int) and isinstance(ready, int) and size is None else None
        what = f"{sample_name(*where)} holds at most {bound}; beyond that RabbitMQ"
        if refuses:
            return Bounded(f"{what} refuses what comes: such letters stay where they are, and are named.", False, room)
        return Bounded(f"{what} {beyond}, and tells nobody.", exchange is None, room, silent=True)

    # --- where messages go ---------------------------------------------------------------------------------------
    def receivers(self, to: Destination, vhost: str) -> list[str] | None:
        """Names of the queues that a message reaches now; None = it cannot be told."""
        if to.queue or not to.exchange:
            where = queue_key(to.queue) if to.queue else (vhost, to.routing_key)
            return [] if where is None else self._alone(where)
        routes = self._all_routes()
        if not routes.exists(vhost, to.exchange):
            return []
        if not routes.tells(vhost, to.exchange):
            return None
        return sorted(sample_name(*queue) for queue in routes.queues(vhost, to.exchange, to.routing_key))

    def exchanges(self, vhost: str) -> list[str]:
        """Names of a virtual host's exchanges, the default one and RabbitMQ's own left out."""
        names = [str(row["name"]) for row in self._management.exchanges() if row.get("vhost") == vhost]
        return sorted(name for name in names if name and not name.startswith("amq.rabbitmq."))

    def _alone(self, where: QueueKey) -> list[str] | None:
        try:
            self._management.queue(where)
        except NotSupported:
            return None if self._management.absent else []
        except AccessRefused:
            return None
        return [sample_name(*where)]

    def passes_on(self, vhost: str, queue: str) -> bool:
        """Whether messages only wait there. What cannot be found out is False. Raises nothing."""
        row = self._row((vhost, queue))
        if row is None:
            return False
        settings: Mapping[str, Any] = effective(row)
        return settings.get("message-ttl") is not None and settings.get("dead-letter-exchange") is not None

    def only_queue(self, vhost: str, exchange: str, routing_key: str) -> str:
        """The one queue that a message reaches, "" = none, several, or not known. Raises nothing."""
        try:
            found = self._all_routes().queues(vhost, exchange, routing_key)
        except CollectorError:
            return ""
        return next(iter(found))[1] if len(found) == 1 else ""

    def _row(self, where: QueueKey) -> Row | None:
        """A queue's row, at most a minute old; None = it is not there, or cannot be seen, or too many were asked."""
        now = time.monotonic()
        at, row = self._rows.get(where, (float("-inf"), None))
        if now - at <= KEPT_SECONDS:
            return row
        self._rows = {key: kept for key, kept in self._rows.items() if now - kept[0] <= KEPT_SECONDS}
        if len(self._rows) >= MOST_ASKED:
            return None
        try:
            row = self._management.queue(where)
        except CollectorError:
            row = None
        self._rows[where] = now, row
        return row

    def _all_routes(self) -> Routes:
        if self._routes is None or time.monotonic() - self._routes[0] > KEPT_SECONDS:
            queues = [key_of(row) for row in self._management.queues(WITHOUT_STATISTICS)]
            routes = Routes(self._management.exchanges(), self._management.bindings(), queues)
            self._routes = time.monotonic(), routes
        return self._routes[1]
