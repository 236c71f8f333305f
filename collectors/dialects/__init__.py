"""What task-queue libraries lay on a broker: names of keys, shape of payloads.

`ON_REDIS` is the table of those on Redis, in the order in which they may claim keys. Add one = one file, one line.
"""

from __future__ import annotations

from .celery import CeleryOnRedis
from .layout import Layout
from .sidekiq import Sidekiq

ON_REDIS: tuple[Layout, ...] = (CeleryOnRedis(), Sidekiq())
