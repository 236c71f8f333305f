"""An in-process broker, for unit tests and for showing what failures look like. It measures nothing real.

`memory://name` is one shared world in this process: `world("name")` is where a test puts, takes and
acknowledges messages, and where it makes the broker fail, be slow or answer in part. A world exists as soon
as it is named, and is empty then. `memory://user:password@name` is refused unless the world has that password
(a world without one lets everybody in).

Exact: depth, in flight, consumers, lag (each message carries the time at which it was put),
and rates from the second poll of an adapter on. There are no parameters of its own.
"""

from .broker import Memory
from .world import MemoryQueue, Message, World, forget_all, world

__all__ = ["Memory", "MemoryQueue", "Message", "World", "forget_all", "world"]
