"""What task-queue libraries lay on a broker: names of keys, shape of payloads.

Tables, each in the order in which its entries are asked; a dialect = one file (or more), one line in each table
that it has something for.

ON_REDIS   their layouts on Redis
RETURNING  whose messages are known one by one there, and how each goes back to its queue
APART      whose dead messages are known by ids, and lie elsewhere
SHAPES     what they make of a message's body, for the chain of `collectors.decoding`
FAILURES   where they write down why a message failed, for `collectors.causes`
"""

from __future__ import annotations

from collectors.causes import Reader
from collectors.decoding import Shape

from . import bullmq, celery_messages, dramatiq, rq, sidekiq_jobs
from .celery import CeleryOnRedis
from .celery_returning import CeleryReturning
from .keeping import FindsApart, Returning
from .layout import Layout
from .sidekiq import Sidekiq

ON_REDIS: tuple[Layout, ...] = (CeleryOnRedis(), Sidekiq())

RETURNING: tuple[Returning, ...] = (CeleryReturning(), sidekiq_jobs.SidekiqReturning())

APART: tuple[FindsApart, ...] = (rq.apart, dramatiq.apart, bullmq.apart)

SHAPES: tuple[Shape, ...] = (
    celery_messages.envelope,
    celery_messages.task_2,
    celery_messages.task_1,
    celery_messages.result,
    sidekiq_jobs.job,
    dramatiq.message,
    rq.job,
    bullmq.job,
)

FAILURES: tuple[Reader, ...] = (
    celery_messages.failure,
    sidekiq_jobs.failure,
    dramatiq.failure,
    rq.failure,
    bullmq.failure,
)
