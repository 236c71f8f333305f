"""A process of Weir that dies by SIGKILL at a named step: `python -m tests.dashboard.dying WHAT STEP ...`.

setup PORT N   a notifier at a receiver, N incidents and a message of each
work STEP      a sender that dies at a step of STEPS, or ends when all is sent ("")
polls STEP FROM TO   polls of a queue whose lag is 400 s from the third on, through the spine
look URL KEY STEP   a look into a queue that dies when its copies are "confirmed", or ends (""): what it says, as JSON
state          what is in the books, as JSON
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from datetime import timedelta
from typing import Any

import django

INTERVAL = 10.0


def die(*_: Any, **__: Any) -> Any:
    os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(60)


def setup(port: str, many: str) -> None:
    from django.core.management import call_command
    from django.utils import timezone

    from dashboard.alerts.telling import parse
    from dashboard.models import Broker, Incident, Notifier, Telling
    from dashboard.secrets import encrypt
    from tests.dashboard.polled import LAG, rule

    call_command("migrate", verbosity=0)
    url = f"json://127.0.0.1:{port}/"
    to = Notifier.objects.create(
        name="hook",
        secret_url=encrypt(url),
        safe_url=parse(url).safe,
        scheme="json",
        allow_private=True,
        per_minute=600,
    )
    for n in range(int(many)):
        one = Incident.objects.create(rule_name=str(n), severity="info", opened_at=timezone.now(), open_key=f"x{n}")
        Telling.objects.create(notifier=to, event="opened", due_at=timezone.now()).incidents.set([one])
    Broker.objects.create(name="prod", kind="memory", secret_url="", safe_url="memory://prod")
    rule("lag", {**LAG, "for_seconds": 20}, notifiers=[to])


def work(step: str) -> None:
    from dashboard.alerts import outbox, sender
    from dashboard.models import Telling

    sender.LEASE = timedelta(seconds=1)
    outbox.GROUPING = timedelta(0)
    real = sender.send_by
    steps: dict[str, Any] = {
        "leased": lambda: setattr(sender.Sender, "_next", die),
        "sending": lambda: setattr(sender, "send_by", die),
        "sent": lambda: setattr(sender, "send_by", lambda *given: die(real(*given))),
        "noted": lambda: setattr(sender, "_note", die),
        "": lambda: None,
    }
    steps[step]()
    one = sender.Sender(lambda *given: sender.send_by(*given))
    one.start()
    until = time.monotonic() + 60
    while Telling.objects.filter(state="waiting").exists() and time.monotonic() < until:
        time.sleep(0.05)
    one.stop()


def polls(step: str, first: str, last: str) -> None:
    from collectors.protocol import Poll, Sample
    from dashboard.models import Broker, RuleMemory
    from dashboard.pipeline import Ingest
    from dashboard.samples import the_store

    ingest = Ingest(Broker.objects.get().pk, the_store(), lambda _: None)
    start = 1_790_000_000.0
    for n in range(int(first), int(last)):
        if n == int(last) - 1:
            if step == "in the transaction":
                type(RuleMemory.objects).update_or_create = die  # type: ignore[method-assign]
            if step == "before the store":
                ingest.store.append = die  # type: ignore[method-assign]
        lag = 400.0 if 2 <= n < 12 else 0.0
        ingest(Poll(start + n * INTERVAL, [Sample(key="orders", name="orders", kind="list", lag_seconds=lag)]))
    if step == "after it":
        die()


def look(url: str, key: str, step: str) -> None:
    from django.core.management import call_command

    from collectors import registry
    from collectors.brokers.rabbitmq import returning
    from dashboard.access import Principal
    from dashboard.letters import looks
    from dashboard.models import Broker, Place, Queue
    from dashboard.secrets import encrypt

    call_command("migrate", verbosity=0)
    more = {"secret_url": encrypt(url), "safe_url": registry.parse(url).safe}
    broker, _ = Broker.objects.get_or_create(name="prod", kind="rabbitmq", defaults=more)
    queue, _ = Queue.objects.get_or_create(broker=broker, key=key, name=key, kind="quorum")
    Place.objects.update(owned_until=0.0)  # the turn of one that died has passed
    if step == "confirmed":
        returning.frames = type("Frames", (), {**vars(returning.frames), "ack": die})  # type: ignore[attr-defined]
    row = looks.look(Principal("person", 1, "ana", "operator"), queue)
    doubles = Place.objects.get(queue=queue).doubles
    print(json.dumps({"notes": row.notes, "doubles": list(doubles), "letters": len(row.letters)}))


def state() -> None:
    from dashboard.models import Incident, Telling

    tellings = [[one.key, one.event, one.state] for one in Telling.objects.order_by("id")]
    incidents = [[one.queue_name, one.state] for one in Incident.objects.exclude(queue_name="").order_by("id")]
    print(json.dumps({"tellings": tellings, "incidents": incidents}))


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dashboard.settings")
    django.setup()
    {"setup": setup, "work": work, "polls": polls, "look": look, "state": state}[sys.argv[1]](*sys.argv[2:])
