"""Signing in to a RabbitMQ over AMQP: kombu makes the connection, and every way in which it fails is one sentence."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from amqp import exceptions as amqp
from kombu import Connection

from collectors.errors import AccessRefused, SignInRefused, TimedOut, Unreachable
from collectors.url import BrokerURL

from .http import TIMEOUT

AMQP_PORT = {"amqp": 5672, "amqps": 5671}
_connect: Any = Connection  # kombu has no types


def place_of(url: BrokerURL) -> str:
    """Where AMQP is spoken, for people."""
    return f"{url.host}:{url.port(AMQP_PORT[url.scheme])}"


@contextmanager
def signed_in(url: BrokerURL, vhost: str) -> Iterator[Any]:
    """A connection of kombu's to a virtual host. What goes wrong on the way, or inside, is a CollectorError."""
    connection = connection_to(url, vhost)
    with told(url, vhost):
        try:
            connection.connect()
            yield connection
        finally:
            connection.release()


def connection_to(url: BrokerURL, vhost: str, heartbeat: float = 0) -> Any:
    """kombu's connection to a virtual host, not yet made."""
    timeout = url.get_seconds("timeout", TIMEOUT)
    return _connect(
        hostname=url.host,
        port=url.port(AMQP_PORT[url.scheme]),
        userid=url.user or "guest",
        password=url.password or "guest",
        virtual_host=vhost,
        ssl=_tls(url),
        connect_timeout=timeout,
        heartbeat=heartbeat,
        transport="pyamqp",
        transport_options={"read_timeout": timeout, "write_timeout": timeout},
    )


@contextmanager
def told(url: BrokerURL, vhost: str) -> Iterator[None]:
    """Failures of kombu and py-amqp as sentences of the error tree."""
    place, user = place_of(url), url.user or "guest"
    try:
        yield
    except amqp.AccessRefused as error:
        raise SignInRefused(f"RabbitMQ at {place} refuses user '{user}': wrong user or password.") from error
    except amqp.NotAllowed as error:
        cure = f"rabbitmqctl set_permissions -p {vhost} {user} CONFIGURE WRITE READ"
        why = f"RabbitMQ user '{user}' has no access to virtual host '{vhost}'; give it one with: {cure}."
        raise AccessRefused(why) from error
    except TimeoutError as error:
        timeout = url.get_seconds("timeout", TIMEOUT)
        raise TimedOut(f"RabbitMQ at {place} did not answer over AMQP within {timeout:g} seconds.") from error
    except (OSError, amqp.AMQPError) as error:
        why = "is the port of AMQP open to Weir? Looking and replaying need it, polling does not"
        raise Unreachable(f"No AMQP connection to RabbitMQ at {place}; {why}.") from error


def _tls(url: BrokerURL) -> dict[str, Any] | bool:
    if url.scheme != "amqps":
        return False
    if url.get("verify") and not url.get_bool("verify"):
        return {"cert_reqs": ssl.CERT_NONE}
    return {"cert_reqs": ssl.CERT_REQUIRED, "ca_certs": url.get("ca_file") or None, "server_hostname": url.host}
