"""What RabbitMQ's letters allow: looks, leases, one new message. The adapter hands its calls on to here."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import unquote

from collectors.errors import CollectorError, NotSupported
from collectors.letters import Bounds, Destination, Letter, Look, Price
from collectors.powers import Bounded, RenewalBook
from collectors.protocol import Check
from collectors.url import BrokerURL

from .acting import LOOKING
from .copies import KEEP_DEATHS, OPTIONS
from .inventory import queue_key
from .lease import RabbitLease, mean_size
from .link import Link
from .look import Looking
from .making import make_beside, remove_beside
from .management import Management
from .new import PuttingBack, send_new
from .odd_leases import GettingLease, StreamLease
from .places import NEEDS, Surroundings
from .returning import Source
from .streams import StreamLook


class Letters:
    """`HoldsLetters` and `Sends` of one RabbitMQ."""

    options: Mapping[str, str] = OPTIONS
    kept_as_is = frozenset({KEEP_DEATHS})

    def __init__(self, url: BrokerURL, management: Management) -> None:
        self._url = url
        self._around = Surroundings(management)
        self._vhost = unquote(url.path) or "/"
        self.book: RenewalBook | None = None
        self._putting = PuttingBack(url)

    def close(self) -> None:
        self._putting.close()

    def check(self) -> list[Check]:
        """A line when the management API says nothing of the settings that decide how a queue may be looked at."""
        try:
            self._around.version()
        except CollectorError as error:
            return [Check(LOOKING, False, f"Missing: {NEEDS}. {error}")]
        return []

    def price(self, key: str) -> Price:
        return self._around.rules(key, Bounds().seconds)[1].price

    def look(self, key: str, bounds: Bounds, after: str, stop: Callable[[], bool]) -> Look:
        where, rules, row = self._around.rules(key, bounds.seconds)
        if rules.price.refused:
            raise NotSupported(rules.price.refused)
        if rules.kind == "stream":
            count = row.get("messages")
            of = count if isinstance(count, int) else None
            return StreamLook(self._url, where, of, self._around, bounds, stop).look(after)
        looking = Looking(self._url, where, rules, self._around, bounds, stop)
        looking.book = self.book
        return looking.look()

    def lease(self, key: str, seconds: float) -> RabbitLease:
        where, rules, row = self._around.rules(key, seconds)
        if rules.price.refused:
            raise NotSupported(rules.price.refused)
        kind = GettingLease if row.get("auto_delete") else StreamLease if rules.kind == "stream" else RabbitLease
        until = time.time() + min(seconds, rules.timeout / 2)
        around = self._around
        lease = kind(self._url, where, rules, mean_size(row), until, around, around.refuses_when_full)
        if self.book is not None:
            lease.note_renewals(self.book)
        return lease

    def held(self, key: str) -> bool:
        """Whether the queue has consumers: a lease is one for as long as the broker takes its connection for alive."""
        where, rules, row = self._around.rules(key, Bounds().seconds)
        if row.get("auto_delete"):  # a lease is no consumer there
            return True
        link = Link(self._url, where[0])
        try:
            return Source(link, link.open_channel(), where[1], rules).ready()[1] > 0
        finally:
            link.close()

    def stamps(self, key: str, to: Destination) -> str:
        return ""  # every message has headers to spare

    def receivers(self, to: Destination, beside: str = "") -> list[str] | None:
        where = queue_key(beside)
        return self._around.receivers(to, where[0] if where is not None else self._vhost)

    def bounded(self, key: str) -> Bounded | None:
        where = queue_key(key)
        return None if where is None else self._around.bounded(where)

    def exchanges(self, key: str) -> list[str]:
        where = queue_key(key)
        return [] if where is None else self._around.exchanges(where[0])

    def not_beside(self, key: str) -> str:
        _, rules, _ = self._around.rules(key, Bounds().seconds)
        return "Streams keep their messages: nothing is moved out of them." if rules.kind == "stream" else ""

    def make_beside(self, key: str, mark: str) -> tuple[str, str]:
        where, rules, _ = self._around.rules(key, Bounds().seconds)
        return make_beside(self._url, where, rules.kind, mark)

    def remove_beside(self, key: str) -> str:
        where, rules, _ = self._around.rules(key, Bounds().seconds)
        return remove_beside(self._url, where, rules.kind)

    def send_new(self, to: Destination, body: bytes, headers: Mapping[str, Any], properties: Mapping[str, str]) -> str:
        return send_new(self._url, self._vhost, to, body, headers, properties)

    def put_back(self, to: Destination, letter: Letter, wire: bytes, once: str) -> None:
        self._putting.put(self._vhost, to, letter, wire)
