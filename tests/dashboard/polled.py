"""What the tests of incidents share: a broker whose polls go through the real spine, and rules on it."""

from __future__ import annotations

import time
from typing import Any

from collectors.protocol import Poll, Relation, Sample
from dashboard.alerts.watching import touch_rules
from dashboard.models import Broker, Incident, Rule
from dashboard.pipeline import Ingest
from dashboard.samples import the_store

LAG = {"metric": "lag_seconds", "op": ">", "value": 300, "for_seconds": 20, "clear_seconds": 20}


class Polled:
    """A broker that is polled every ten seconds of a time of its own, ending about now."""

    def __init__(self, name: str = "prod", began: float = 3600.0) -> None:
        self.broker = Broker.objects.create(name=name, kind="memory", secret_url="", safe_url=f"memory://{name}")
        self.at = float(int(time.time()) - began)
        self.restart()

    def restart(self) -> None:
        """The collector dies, and another one takes over."""
        self.told: list[Any] = []
        self.ingest = Ingest(self.broker.pk, the_store(), self.told.append)

    def poll(
        self, times: int = 1, complete: bool = True, relations: list[Relation] | None = None, **queues: Any
    ) -> None:
        """Polls with these queues: numbers are their lag, mappings are fields of Sample."""
        for _ in range(times):
            self.at += 10
            samples = [
                Sample(key=name, name=name, kind="list", **(said if isinstance(said, dict) else {"lag_seconds": said}))
                for name, said in queues.items()
            ]
            self.ingest(Poll(self.at, samples, complete=complete, relations=relations))


def rule(name: str = "lag", condition: dict[str, Any] | None = None, **fields: Any) -> Rule:
    """A rule, known to every collector."""
    notifiers = fields.pop("notifiers", ())
    made = Rule.objects.create(name=name, condition=condition or LAG, **fields)
    made.notifiers.set(notifiers)
    touch_rules()
    return made


def story(**query: Any) -> list[tuple[str, str]]:
    """(queue, state) of incidents, by name and age."""
    rows = Incident.objects.filter(**query).order_by("queue_name", "id")
    return [(row.queue_name or row.broker_name, row.state) for row in rows]
