"""`manage.py check_broker URL`: does polling work, what is found, what is missing, what does it cost?"""

from __future__ import annotations

import json
from argparse import ArgumentParser
from collections import Counter
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from collectors import registry
from collectors.errors import CollectorError
from collectors.protocol import Broker, Check, ExplainsItself, Poll
from dashboard.broker_check import check_acting, lacking


class Command(BaseCommand):
    help = (
        "Connect to a broker, say what is found, which permission is missing for which power, and what a poll costs. "
        "Exit code 0 only when polling works. Nothing on the broker is changed."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("url", help="for example amqp://user:password@host:5672/vhost or redis://host:6379/0")
        parser.add_argument("--acting", metavar="URL", help="the URL for looking and replaying: tried for these too")
        parser.add_argument("--json", action="store_true", help="one JSON object instead of lines")

    def handle(self, *args: Any, url: str, acting: str | None, **options: Any) -> None:
        broker: Broker | None = None
        try:
            parsed = registry.parse(url)
            stronger = registry.parse(acting) if acting else None
            broker = registry.connect(parsed)
            checks = broker.check() if isinstance(broker, ExplainsItself) else []
            poll = broker.poll()
            if stronger is not None:
                checks = [*checks, *check_acting(stronger, poll, parsed.get_bool("look_only"))]
        except CollectorError as error:
            if options["json"]:
                self.stdout.write(json.dumps({"ok": False, "error": str(error)}))
            raise CommandError(str(error)) from None
        finally:
            if broker is not None:
                broker.close()
        if options["json"]:
            self.stdout.write(json.dumps(_answer(poll, checks)))
        else:
            self._tell(poll, checks)
        if lacks := lacking(checks):
            raise CommandError(lacks)

    def _tell(self, poll: Poll, checks: list[Check]) -> None:
        kinds = Counter(sample.kind for sample in poll.samples)
        found = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common())
        queues = f"{len(poll.samples):,} queue{'' if len(poll.samples) == 1 else 's'}"
        self.stdout.write(f"{poll.version or 'The broker'} answers: {queues}" + (f" ({found})." if found else "."))
        for check in checks:
            self.stdout.write(f"  {'ok' if check.ok else 'missing':8} {check.power}: {check.sentence}")
        for problem in poll.problems:
            self.stdout.write(f"  {'partly':8} {problem}")
        cost = poll.cost
        self.stdout.write(
            f"A poll takes {cost.seconds:.2f} s, {cost.requests} requests, {cost.bytes / 1000:,.0f} kB; {poll.method}"
        )


def _answer(poll: Poll, checks: list[Check]) -> dict[str, Any]:
    return {
        "ok": not lacking(checks),
        "version": poll.version,
        "queues": len(poll.samples),
        "method": poll.method,
        "problems": poll.problems,
        "checks": [{"power": c.power, "ok": c.ok, "sentence": c.sentence} for c in checks],
        "cost": {"seconds": poll.cost.seconds, "requests": poll.cost.requests, "bytes": poll.cost.bytes},
    }
