"""A queue beside another, for letters that are moved aside: durable, without limits and without a way out. When they
are back it goes."""

from __future__ import annotations

from amqp import exceptions as amqp

from collectors.errors import AccessRefused, BadAnswer
from collectors.url import BrokerURL

from .connecting import signed_in
from .inventory import sample_key, sample_name
from .prometheus import QueueKey

#: Bytes of a name at most.
LONGEST = 255


def make_beside(url: BrokerURL, where: QueueKey, kind: str, mark: str) -> tuple[str, str]:
    """Declare it; its key and name. Raises CollectorError."""
    vhost, queue = where
    name = f"{queue.encode()[: LONGEST - len(mark) - 1].decode('utf-8', 'ignore')}.{mark}"
    arguments = {"x-queue-type": "quorum"} if kind == "quorum" else {}
    with signed_in(url, vhost) as connection:
        channel = connection.channel()
        try:
            channel.queue_declare(name, durable=True, auto_delete=False, arguments=arguments)
        except amqp.AccessRefused as error:
            user = url.user or "guest"
            cure = (
                f"rabbitmqctl set_permissions -p {vhost} {user} CONFIGURE WRITE READ, with a CONFIGURE that matches it"
            )
            raise AccessRefused(f"User '{user}' may not make the queue '{name}'; allow it with: {cure}.") from error
        except amqp.ChannelError as error:
            raise BadAnswer(f"The queue '{name}' could not be made: {error.message}") from error
    return sample_key(vhost, name), sample_name(vhost, name)


def remove_beside(url: BrokerURL, where: QueueKey, kind: str) -> str:
    """Delete it with if-empty and if-unused, which RabbitMQ does not know for quorum queues; why it stays."""
    vhost, queue = where
    if kind != "classic":
        return f"RabbitMQ cannot delete a {kind} queue on the condition that it is empty"
    with signed_in(url, vhost) as connection:
        channel = connection.channel()
        try:
            channel.queue_delete(queue, if_unused=True, if_empty=True)
        except amqp.PreconditionFailed:
            return "it is not empty, or somebody reads it"
        except amqp.NotFound:
            return ""
        except amqp.AccessRefused as error:
            raise AccessRefused(f"User '{url.user or 'guest'}' may not delete the queue '{queue}'.") from error
        except amqp.ChannelError as error:
            raise BadAnswer(f"The queue '{queue}' could not be deleted: {error.message}") from error
    return ""
