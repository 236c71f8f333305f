"""A memory broker with dead letters, a consumer that fails some of them again, a collector and a worker of replays."""

from __future__ import annotations

import json
import threading
import time

from collectors.brokers.memory import World, world
from collectors.letters import Death

LETTERS, BAD = 400, 3  # of which every so many fails again
DEAD = "payments.capture.dlq"


def begin() -> None:
    """Fill the world once, and start everything in threads of this process."""
    from dashboard.brokers import save_broker
    from dashboard.collecting import Collector
    from dashboard.live.bus import the_bus
    from dashboard.models import Broker
    from dashboard.replay.working import Replayer
    from dashboard.samples import the_store

    shop = world("till")
    shop.queue("payments.capture", consumers=2, dead_letters_to=DEAD)
    shop.queue("emails.outbound", consumers=1, dead_letters_to="emails.dlq")
    shop.queue("parking")
    put(shop, DEAD, "payments.capture", LETTERS, bad=True)
    put(shop, "emails.dlq", "emails.outbound", 120, bad=False)
    if not Broker.objects.filter(name="till").exists():
        save_broker("memory://till", name="till", interval=1.0)
    Collector(the_store(), the_bus()).start()
    Replayer(the_bus()).start()
    threading.Thread(target=consume, args=(shop,), daemon=True).start()


def put(shop: World, queue: str, origin: str, count: int, bad: bool) -> None:
    for n in range(count):
        body = json.dumps({"order": n, "card": "41111111", "bad": bad and n % BAD == 0}).encode()
        way = [{"host": f"edge-{hop}", "milliseconds": 3 * hop} for hop in range(4)]
        headers = {"message-id": f"m{n}", "attempt": 3, "tenant": "acme", "way": {"trace": f"t{n}", "hops": way}}
        shop.put_letter(queue, body, [Death(origin, "rejected", 1, time.time() - 60)], **headers)


def consume(shop: World) -> None:
    """Read the queues; what is bad fails again."""
    while True:
        time.sleep(0.1)
        with shop.still() as queues:
            for name in ("payments.capture", "emails.outbound"):
                queue = queues[name]
                for _ in range(min(40, len(queue.ready))):
                    message = queue.ready.popleft()
                    queue.acked_total += 1
                    if b'"bad": true' in message.body:
                        dead = (Death(name, "rejected", 2, time.time()),)
                        queues[DEAD].ready.append(message._replace(deaths=dead))
                        queues[DEAD].put_total += 1
