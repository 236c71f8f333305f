"""Redis Sentinel: the server to poll is asked for at each connection, so that a fail-over is followed by itself."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

from ...errors import AccessRefused, BadAnswer, BadURL, CollectorError, Unreachable
from ...url import BrokerURL
from . import names
from .broker import Redis
from .failures import line
from .topology import Address, written
from .wire import Refusal, Wire


class RedisSentinel(Redis):
    """Watches the primary of a service, or with `replica=true` a replica that is well, where there is one."""

    PARAMETERS: ClassVar = ("keys", "timeout", "ca_file", "tls", "replica")

    def _new_wire(self, url: BrokerURL) -> Wire:
        sentinels = Sentinels(url)
        return Wire(sentinels.at(sentinels.addresses[0]), sentinels.locate)

    def _about(self) -> dict[str, str]:
        """INFO; a server that is no longer the primary is left at once."""
        about, wire = super()._about(), self._wire
        if isinstance(wire, Wire) and about.get("role") == "slave" and not self._url.get_bool("replica"):
            wire.drop()
            about = super()._about()
            if about.get("role") == "slave":
                place = f"{wire.url.host}:{wire.url.port(6379)}"
                raise Unreachable(f"Redis at {place} is no primary any more; Weir waits for the Sentinels to name one.")
        return about


class Sentinels:
    """The Sentinels of a URL `redis+sentinel://host1,host2/service/0`. `service` and `database` are its path."""

    def __init__(self, url: BrokerURL) -> None:
        self.service, _, self.database = url.path.partition("/")
        if not self.service:
            raise BadURL("The URL does not name the service; write redis+sentinel://host:26379/service/0.")
        if self.database and not self.database.isdigit():
            raise BadURL(f"'{self.database}' is not a Redis database; write redis+sentinel://host:26379/service/0.")
        self._url = url
        self._scheme = "rediss" if url.get_bool("tls") else "redis"
        self._replica = url.get_bool("replica")
        self.addresses: list[Address] = [(host, port or 26379) for host, port in url.hosts] or [("localhost", 26379)]

    def at(self, address: Address) -> BrokerURL:
        """The URL of one server of the service."""
        return replace(self._url, scheme=self._scheme, hosts=(address,), path=self.database)

    def locate(self) -> BrokerURL:
        """The server to poll, as the first Sentinel says that knows. Raises CollectorError."""
        failures: list[CollectorError] = []
        for address in list(self.addresses):
            try:
                found = self._ask(address)
            except CollectorError as error:
                failures.append(error)
                continue
            self.addresses.remove(address)  # the one that answered is asked first next time
            self.addresses.insert(0, address)
            return self.at(found)
        if len(failures) == 1:
            raise failures[0]
        if all(isinstance(error, type(failures[0])) and not isinstance(error, Unreachable) for error in failures):
            raise failures[0]
        raise Unreachable(f"No Sentinel names a server for '{self.service}'; the first: {failures[0]}")

    def _ask(self, address: Address) -> Address:
        """What one Sentinel says. Some want the password of the service, others none at all."""
        url = replace(self._url, scheme=self._scheme, hosts=(address,), path="", user="", password="")
        try:
            return self._found(url, address)
        except AccessRefused:
            if not self._url.password:
                raise
            return self._found(replace(url, user=self._url.user, password=self._url.password), address)

    def _found(self, url: BrokerURL, address: Address) -> Address:
        wire = Wire(url)
        place = written(address)
        try:
            primary = _fields(wire.one("SENTINEL", "MASTER", self.service), place, self.service)
            if self._replica:
                replicas = wire.one("SENTINEL", "REPLICAS", self.service)
                well = [r for r in (_fields(one, place, self.service) for one in _list(replicas)) if _is_well(r)]
                if well:
                    return _address(well[0], place)
        finally:
            wire.close()
        if not _is_well(primary):
            raise Unreachable(
                f"The Sentinel at {place} says that the primary of '{self.service}' is down; Weir waits for a new one."
            )
        return _address(primary, place)


def _fields(reply: Any, place: str, service: str) -> dict[str, str]:
    """The pairs of a Sentinel's answer about one server."""
    if isinstance(reply, Refusal):
        if "No such master" in str(reply):
            raise BadURL(f"The Sentinel at {place} knows no service '{service}'; check the path of the URL.")
        if "NOAUTH" in str(reply) or "uthentication required" in str(reply):
            raise AccessRefused(f"The Sentinel at {place} wants a password.")
        if str(reply).lower().removeprefix("err ").startswith("unknown command"):
            raise BadURL(f"What listens at {place} is no Sentinel; they listen at port 26379 by default.")
        raise BadAnswer(f"The Sentinel at {place} refused to tell of '{service}': {line(reply)}.")
    words = [names.text(word) if isinstance(word, bytes) else "" for word in _list(reply)]
    return dict(zip(words[::2], words[1::2], strict=False))


def _list(reply: Any) -> list[Any]:
    return reply if isinstance(reply, list) else []


def _is_well(server: dict[str, str]) -> bool:
    flags = server.get("flags", "").split(",")
    return not {"s_down", "o_down", "disconnected"} & set(flags) and server.get("master-link-status", "ok") == "ok"


def _address(server: dict[str, str], place: str) -> Address:
    try:
        return server["ip"], int(server["port"])
    except (KeyError, ValueError):
        raise BadAnswer(f"The Sentinel at {place} answered in a shape that is not known.") from None
