"""RabbitMQ's management API: the few questions that Weir asks, each answered with plain values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast
from urllib.parse import quote

from collectors.errors import BadAnswer, NotSupported

from .endpoints import Endpoint
from .http import Http, decode_json
from .prometheus import QueueKey
from .shapes import understood

Row = Mapping[str, Any]

#: One of these is in every row of every list.
_NAMES = {"name", "source", "definition"}

WITHOUT_STATISTICS = "?disable_stats=true"
WITH_TOTALS = "?disable_stats=true&enable_queue_totals=true"
WITH_EVERYTHING = ""


class Management:
    """Asks one management API, about one virtual host or all that the user may see.

    Every call may raise CollectorError.
    """

    def __init__(self, http: Http, endpoint: Endpoint, vhost: str | None) -> None:
        self._http = http
        self._endpoint = endpoint
        self._scope = "" if vhost is None else f"/{quote(vhost, safe='')}"

    @property
    def absent(self) -> bool:
        """The broker URL says that there is none."""
        return not self._endpoint.address

    @property
    def address(self) -> str:
        return self._endpoint.address

    def overview(self) -> Row:
        """Version, whether statistics are kept, and to a user with the tag `monitoring` who listens where."""
        return cast(Row, self._ask("/overview", dict))

    def nodes(self) -> list[Row]:
        """`name`, `running` and `partitions` of every node. Needs the tag `monitoring`."""
        return self._rows("/nodes?columns=name,running,partitions")

    def queues(self, form: str) -> list[Row]:
        """All queues, in one of the three forms above, which differ much in what they cost the broker."""
        return self._rows(f"/queues{self._scope}{form}")

    def queue(self, key: QueueKey) -> Row:
        """Everything about one queue, its own counters included. Raises NotSupported when it is gone."""
        vhost, name = key
        return cast(Row, self._ask(f"/queues/{quote(vhost, safe='')}/{quote(name, safe='')}", dict))

    def policies(self) -> list[Row]:
        return self._rows(f"/policies{self._scope}")

    def operator_policies(self) -> list[Row]:
        return self._rows(f"/operator-policies{self._scope}")

    def exchanges(self) -> list[Row]:
        return self._rows(f"/exchanges{self._scope}?columns=name,vhost,type,arguments")

    def bindings(self) -> list[Row]:
        return self._rows(f"/bindings{self._scope}")

    def _rows(self, path: str) -> list[Row]:
        rows = cast(list[Row], self._ask(path, list))
        if not all(isinstance(row, dict) and row.keys() & _NAMES and understood(row) for row in rows):
            raise BadAnswer(f"{self.address} answered {path.partition('?')[0]} in a form that is not understood.")
        return rows

    def _ask(self, path: str, kind: type) -> object:
        if self.absent:
            raise NotSupported("The broker URL says management=none, so nothing can be asked of the management API.")
        answer = decode_json(self._http.get(self._endpoint, "/api" + path), self.address)
        if not isinstance(answer, kind) or (isinstance(answer, dict) and not understood(answer)):
            raise BadAnswer(f"{self.address} answered {path.partition('?')[0]} in a form that is not understood.")
        return answer


def key_of(row: Row) -> QueueKey:
    """The queue (or exchange) that a row is about."""
    return str(row.get("vhost", "")), str(row.get("name", ""))
