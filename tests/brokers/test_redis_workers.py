"""Dead letters of real workers of Dramatiq, RQ and Celery: found, looked at, sent back, and done by such workers."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
import redis

from collectors.causes import cause_of
from collectors.decoding import decode
from collectors.letters import Bounds, Destination, Outcome, Parcel
from collectors.registry import FAILURES, SHAPES
from tests.brokers.redis_polls import polling
from tests.servers.children import ROOT, python
from tests.servers.redis import Server

SHOP = "tests.brokers.redis_shop"
COUNT = 4

#: Puts tasks into the queues of one library.
PRODUCERS = {
    "dramatiq": f"from {SHOP} import actor\nfor n in range({COUNT}): actor.send(n)",
    "rq": f"import rq\nfrom {SHOP} import client, job\nfor n in range({COUNT}): "
    "rq.Queue('mail', connection=client).enqueue(job, n)",
    "celery": f"from {SHOP} import task\nfor n in range({COUNT}): "
    "task.apply_async((n,), queue='letters', priority=3 * n)",
}
WORKERS = {
    "dramatiq": ("-m", "dramatiq", SHOP, "--processes", "1", "--threads", "1"),
    "rq": ("-m", "rq.cli", "worker", "--worker-class", "rq.SimpleWorker", "--url", "{url}", "mail"),
    "celery": ("-m", "celery", "-A", SHOP, "worker", "-P", "solo", "-Q", "letters", "--without-gossip",
               "--without-mingle"),
}  # fmt: skip
#: Where the dead lie, and where they come from.
PLACES = {
    "dramatiq": ("dramatiq:billing.XQ", "dramatiq:billing"),
    "rq": ("rq:failed:mail", "rq:queue:mail"),
    "celery": ("letters:dlq", "letters"),
}


@contextmanager
def worker(library: str, server: Server) -> Iterator[None]:
    with python([part.format(url=server.url) for part in WORKERS[library]], environment(server)):
        yield


def environment(server: Server) -> dict[str, str]:
    return {**os.environ, "SHOP_REDIS": server.url}


def wait(asked: Callable[[], Any], what: str) -> None:
    deadline = time.monotonic() + 60
    while not asked():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.1)


def fail_all(library: str, server: Server, client: redis.Redis) -> None:
    """Tasks that died: by a worker, or (Celery has no dead letters on Redis) put aside by an application."""
    subprocess.run([sys.executable, "-c", PRODUCERS[library]], cwd=ROOT, env=environment(server), check=True)
    if library == "celery":
        for key in sorted(client.keys("letters*")):
            while client.lmove(key, "letters:dlq", "RIGHT", "LEFT"):
                pass
        return
    with worker(library, server):
        wait(lambda: client.zcard(PLACES[library][0]) == COUNT, f"{COUNT} dead letters of {library}")


@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.parametrize("library", PLACES)
def test_what_died_goes_back_and_is_done(valkey: Server, library: str) -> None:
    client = valkey.client()
    client.flushall()
    dead, queue = PLACES[library]
    fail_all(library, valkey, client)
    with polling(valkey.url) as broker, ExitStack() as stack:
        told = {(one.source, one.target) for one in broker.poll().relations or () if one.kind == "dead_letters"}
        assert (queue, dead) in told
        seen = broker.look(dead, Bounds())
        assert seen.of == COUNT and {letter.origin for letter in seen.letters} == {queue}
        if library != "celery":
            letter = seen.letters[0]
            read = decode(letter.body, letter.headers, shapes=SHAPES)
            cause = cause_of(read.headers, read.value, message_type=read.message_type, readers=FAILURES)
            assert (cause.error_class, cause.message) == ("ValueError", "order <n> was declined")
            assert letter.died_at == pytest.approx(time.time(), abs=120)
        client.set("fixed", "yes")
        lease = broker.lease(dead, 60)
        stack.callback(lease.close)
        lease.send([Parcel(one.tag, Destination(queue)) for one in lease.take(COUNT)])
        assert [one.outcome for one in lease.settled()] == [Outcome.REMOVED] * COUNT
    with worker(library, valkey):
        wait(lambda: client.llen(f"done:{library}") == COUNT, f"{library} to do what came back")
        wait(lambda: not client.hlen("unacked"), "acknowledgements")
    assert sorted(map(int, client.lrange(f"done:{library}", 0, -1))) == list(range(COUNT))
    assert not client.exists(dead, f"{dead}.msgs")
