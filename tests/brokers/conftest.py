"""Servers for the tests of this folder, one import for each."""

from tests.servers.rabbitmq import rabbitmq_node, rabbitmq_pair, vhost  # noqa: F401
from tests.servers.redis import redis_clean, redis_server, valkey  # noqa: F401
from tests.servers.sqs import ministack_peer, moto_server, sqs_peer  # noqa: F401
