"""The demo: an embedded Redis-compatible server and an embedded SQS, and a made-up shop that makes traffic on them.

    with Demo() as demo:
        watch(demo.url)

It is said to be a demo wherever it shows: the broker's name is "demo". Writing goes through redis-py's
pipelines, one round trip four times a second; kombu takes no part, only the shape of its messages.
"""

from __future__ import annotations

from .demo import Demo
from .server import DemoUnavailable
from .sqs import DemoSQS

__all__ = ["Demo", "DemoSQS", "DemoUnavailable"]
