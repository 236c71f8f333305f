"""Redis and Valkey, 6.2 to 9: lists, streams with their consumer groups, Pub/Sub, and the dialects found on them.

Only commands that read, through redis-py's connection (TCP, TLS, AUTH, its parser) in pipelines of many commands;
never KEYS, MONITOR or a script. `wire` speaks, `inventory` finds the keys, `lists`, `streams` and `channels`
measure them, `server` tells about the server, `powers` names what each command is needed for. `sentinel` finds the
server of a service, `cluster` asks many servers as if they were one.
"""

from __future__ import annotations

from .broker import Redis
from .cluster import RedisCluster
from .sentinel import RedisSentinel

__all__ = ["Redis", "RedisCluster", "RedisSentinel"]
