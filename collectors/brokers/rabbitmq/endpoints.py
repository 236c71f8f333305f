"""Where a RabbitMQ is asked: its management API and its Prometheus endpoints, read from the broker URL."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from collectors.errors import BadURL
from collectors.url import BrokerURL

MANAGEMENT_PORT = {"http": 15672, "https": 15671}
PROMETHEUS_PORT = {"http": 15692, "https": 15691}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An HTTP address without its credentials, which are kept beside it and never shown."""

    address: str
    user: str = ""
    password: str = field(default="", repr=False)

    @property
    def host(self) -> str:
        return urlsplit(self.address).hostname or ""


@dataclass(frozen=True, slots=True)
class Endpoints:
    """What a broker URL says of where to ask.

    management   the management API; its address is "" when the URL says management=none
    prometheus   the Prometheus endpoints that the URL names; none = to be derived from the list of nodes
    host, tls    of the broker itself, for deriving
    vhost        the one virtual host that is wanted, None = all that the user may see
    """

    management: Endpoint
    prometheus: tuple[Endpoint, ...]
    host: str
    tls: bool
    vhost: str | None

    @classmethod
    def of(cls, url: BrokerURL) -> Endpoints:
        """Read `management=`, `prometheus=` and the virtual host. Raises BadURL naming the part that is wrong."""
        tls = url.scheme == "amqps"
        scheme = "https" if tls else "http"
        without = url.get("management") == "none"
        return cls(
            management=Endpoint("") if without else cls._management(url, scheme),
            prometheus=tuple(_endpoint(text, "prometheus", PROMETHEUS_PORT) for text in url.get_all("prometheus")),
            host=url.host,
            tls=tls,
            vhost=unquote(url.path) or None,
        )

    @staticmethod
    def _management(url: BrokerURL, scheme: str) -> Endpoint:
        user, password = (url.user, url.password) if url.user else ("guest", "guest")
        named = url.get("management") or f"{scheme}://{_bracketed(url.host)}:{MANAGEMENT_PORT[scheme]}"
        management = _endpoint(named, "management", MANAGEMENT_PORT)
        return management if management.user else Endpoint(management.address, user, password)


def prometheus_at(host: str, port: int | None = None, *, tls: bool = False) -> Endpoint:
    """The Prometheus endpoint of a node on `host`; it asks for no password unless the URL says so."""
    scheme = "https" if tls else "http"
    return Endpoint(f"{scheme}://{_bracketed(host)}:{port or PROMETHEUS_PORT[scheme]}")


def _endpoint(text: str, parameter: str, ports: dict[str, int]) -> Endpoint:
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise BadURL(f"{parameter}= does not hold a valid address; write for example http://host:15672.") from None
    if parts.scheme not in ports or not parts.hostname:
        raise BadURL(f"{parameter}= must be an address that begins with http:// or https://, with a host.")
    if parts.query or parts.fragment:
        raise BadURL(f"{parameter}= must be a plain address, without '?' or '#'.")
    address = f"{parts.scheme}://{_bracketed(parts.hostname)}:{port or ports[parts.scheme]}{parts.path.rstrip('/')}"
    return Endpoint(address, unquote(parts.username or ""), unquote(parts.password or ""))


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
