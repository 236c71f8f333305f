"""From a broker URL to an adapter.

`KINDS` maps a URL scheme to `"module:Class"`, resolved on use, so that a missing SDK harms
nobody who does not use that broker. Add a broker = one file in `brokers/`, one line here.
"""

from __future__ import annotations

from importlib import import_module
from typing import cast

from .dialects import FAILURES as FAILURES  # for `causes.cause_of`: where dialects write down why a message failed
from .dialects import SHAPES as SHAPES  # for `decoding.decode`: what dialects make of a body
from .errors import BadURL, NotSupported
from .protocol import Broker
from .url import BrokerURL

KINDS: dict[str, str] = {
    "amqp": "collectors.brokers.rabbitmq:RabbitMQ",
    "amqps": "collectors.brokers.rabbitmq:RabbitMQ",
    "memory": "collectors.brokers.memory:Memory",
    "redis": "collectors.brokers.redis:Redis",
    "redis+cluster": "collectors.brokers.redis:RedisCluster",
    "redis+sentinel": "collectors.brokers.redis:RedisSentinel",
    "rediss": "collectors.brokers.redis:Redis",
    "sqs": "collectors.brokers.sqs:SQS",
}

#: The same kind under the name that people use.
NAMES: dict[str, str] = {
    "amqp": "RabbitMQ",
    "amqps": "RabbitMQ",
    "memory": "Memory",
    "redis": "Redis",
    "redis+cluster": "Redis",
    "redis+sentinel": "Redis",
    "rediss": "Redis",
    "sqs": "SQS",
}


def adapter_class(scheme: str) -> type:
    """The adapter's class of a URL scheme. Raises BadURL for an unknown one, NotSupported if its SDK is missing."""
    try:
        module, name = KINDS[scheme].split(":")
    except KeyError:
        known = ", ".join(sorted(s for s in KINDS if s != "memory"))
        raise BadURL(f"'{scheme}' is not a kind of broker that Weir knows; it knows {known}.") from None
    try:
        return cast(type, getattr(import_module(module), name))
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("collectors"):
            raise  # a fault of Weir's own, not a package to install
        raise NotSupported(f"{NAMES[scheme]} needs the package '{error.name}', which is not installed.") from error


def parse(text: str) -> BrokerURL:
    """Read and fully check a broker URL, its kind's own parameters included. Raises BadURL."""
    url = BrokerURL.parse(text)
    url.refuse_unknown(adapter_class(url.scheme).PARAMETERS)  # type: ignore[attr-defined]
    return url


def check(text: str) -> BrokerURL:
    """Read a URL that somebody gave, and refuse what its adapter could never poll by: no database of that name, no
    region, a file that is not there. Nothing is connected. Raises BadURL, NotSupported."""
    url = parse(text)
    connect(url).close()
    return url


def connect(url: BrokerURL) -> Broker:
    """Build the adapter of a URL; nothing is connected before its first poll."""
    return cast(Broker, adapter_class(url.scheme)(url))
