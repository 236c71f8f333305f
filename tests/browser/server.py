"""A whole Weir for the browser tests, in a process of its own, fed with a made-up fleet.

    python -m tests.browser.server --port 8123 [--scene shop|empty|new|replays] [--queues N] [--interval 1]
                                   [--history 3600] [--silent cache-1] [--step 5 --tidy 2]

Everything is real but the brokers: polls go through the spine into the store, the bus, the hub and the socket.
Prints one JSON line when it listens: {"url", "session"}, the session being an admin's. WEIR_DATA says where to keep
things; a second start in the same folder goes on with what is there.
"""

from __future__ import annotations

import argparse
import json
import os
import threading
import time
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dashboard.settings")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--scene", choices=("shop", "empty", "new", "replays"), default="shop")
    parser.add_argument("--queues", type=int, default=0, help="a large broker beside the scene")
    parser.add_argument("--interval", type=float, default=1.0)
    parser.add_argument("--history", type=float, default=0.0, help="seconds of past, a tick every ten")
    parser.add_argument("--silent", help="the broker that stopped answering five minutes ago")
    parser.add_argument("--step", type=float, default=0.0, help="seconds between two polls by their own clock, which "
                        "begins five minutes before an hour is full; 0: the real one")  # fmt: skip
    parser.add_argument("--tidy", type=float, default=0.0, help="seconds between rounds of sealing; 0: none")
    options = parser.parse_args()
    django.setup()
    from dashboard import processes
    from dashboard.management.base import migrate
    from dashboard.server import serve

    processes.all_in_one()
    from dashboard.asgi import application

    migrate()
    session = sign_in()
    feeds = feeds_of(options)

    def listening(port: int) -> None:
        threading.Thread(target=run, args=(feeds, options.interval, bool(options.step)), daemon=True).start()
        if options.tidy:
            threading.Thread(target=tidy, args=(options.tidy,), daemon=True).start()
        if options.scene == "replays":
            from . import replays_scene

            replays_scene.begin()
        print(json.dumps({"url": f"http://127.0.0.1:{port}", "session": session}), flush=True)

    serve(application, "127.0.0.1", options.port, listening)


def sign_in() -> str:
    """The session key of an admin."""
    from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY, get_user_model
    from django.contrib.sessions.backends.db import SessionStore

    user, _ = get_user_model().objects.get_or_create(username="admin", defaults={"role": "admin"})
    session = SessionStore()
    session[SESSION_KEY], session[HASH_SESSION_KEY] = str(user.pk), user.get_session_auth_hash()
    session[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
    session.create()
    return str(session.session_key)


def feeds_of(options: argparse.Namespace) -> list[tuple[int, Any, Any]]:
    """For each broker: its id, its ingest, and its polls to come. The past is fed at once."""
    from dashboard.live.bus import the_bus
    from dashboard.models import Broker
    from dashboard.pipeline import Ingest
    from dashboard.samples import the_store
    from dashboard.secrets import encrypt

    from .scene import lives, many, shop

    scene = shop() if options.scene == "shop" else {}
    now = (time.time() // 3600 - 1) * 3600 - 300 if options.step else time.time()
    feeds = []
    for name, actors in {**scene, **(many(options.queues) if options.queues else {})}.items():
        url = f"memory://{name}"
        patience = max(options.interval, 10.0)  # silent after three of them: a busy machine may pass some seconds
        values = {"kind": "memory", "secret_url": encrypt(url), "safe_url": url, "interval": patience}
        broker, _ = Broker.objects.get_or_create(name=name, defaults=values)
        ingest = Ingest(broker.id, the_store(), the_bus().publish)
        if options.history:
            for poll in lives(actors, now - options.history, 10.0):
                if poll.at >= (now if options.step else time.time()) - 1:
                    break
                ingest(poll)
        if name == options.silent:
            fall_silent(broker, ingest, lives(actors, time.time() - 300, 10.0))
        else:
            step, begins = options.step or options.interval, now if options.step else time.time()
            feeds.append((broker.id, ingest, lives(actors, begins, step)))
    if options.scene == "new":
        Broker.objects.get_or_create(
            name="prod-rabbit", kind="memory", secret_url=encrypt("memory://new"), safe_url="memory://new"
        )
    return feeds


def fall_silent(broker: Any, ingest: Any, polls: Any) -> None:
    """One answer five minutes ago, and none since."""
    from django.utils import timezone

    ingest(next(polls))
    broker.last_answer_at = timezone.now() - timezone.timedelta(seconds=300)
    broker.last_poll_at, broker.last_error = timezone.now(), f"{broker.name} does not accept connections."
    broker.save()


def tidy(every: float) -> None:
    """Seal what is due, for ever."""
    from dashboard.housekeeping import retention
    from dashboard.samples import the_store

    while True:
        time.sleep(every)
        the_store().tidy(time.time(), retention())


def run(feeds: list[tuple[int, Any, Any]], interval: float, own_clock: bool) -> None:
    """Poll for ever."""
    from django.db import close_old_connections
    from django.utils import timezone

    from dashboard.models import Broker

    due = time.time()
    while True:
        for broker, ingest, polls in feeds:
            poll = next(polls)
            poll.at = poll.at if own_clock else time.time()
            now = timezone.now()
            Broker.objects.filter(pk=broker).update(
                last_poll_at=now, last_answer_at=now, poll_seconds=0.004, queue_count=len(poll.samples)
            )
            ingest(poll)
        close_old_connections()
        due = max(due + interval, time.time() - interval)
        time.sleep(max(0.0, due - time.time()))


if __name__ == "__main__":
    main()
