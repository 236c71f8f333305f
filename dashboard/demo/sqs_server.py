"""The process of the demo's SQS: moto's server and the shop's traffic take turns on one thread.

    python -m dashboard.demo.sqs_server

Writes its port, then serves on 127.0.0.1 until its input ends. Messages are put and taken inside the process, by
moto's own backend: over HTTP the same traffic would cost several times as much.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from random import Random
from typing import Any

from .flow import Moment
from .sqs import REGION
from .sqs_shop import flows

STEP = 0.5  # seconds
KINDNESS = 5  # the page has priority over the demo


class Traffic:
    """Everything that happens to the queues, a step at a time."""

    def __init__(self, backend: Any) -> None:
        self._backend = backend
        self._dice = Random(11)
        self._began = self._last = time.monotonic()
        self._flows = flows()
        for flow in self._flows:
            flow.begin(backend, self._moment(0.0))

    def __call__(self) -> None:
        """A step, if it is time. After a pause (a suspended laptop) no burst makes up for it."""
        passed = time.monotonic() - self._last
        if passed < STEP:
            return
        if passed > 4 * STEP:
            self._began += passed - STEP
            passed = STEP
        self._last = time.monotonic()
        for flow in self._flows:
            flow.step(self._backend, self._moment(passed))

    def _moment(self, dt: float) -> Moment:
        return Moment(t=time.monotonic() - self._began, dt=dt, now=time.time(), dice=self._dice)


def main() -> None:
    """Serve until standard input ends."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    os.nice(KINDNESS)
    from moto.core import DEFAULT_ACCOUNT_ID
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
    from moto.sqs.models import sqs_backends
    from werkzeug.serving import make_server

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    application: Any = DomainDispatcherApplication(create_backend_app)
    server: Any = make_server("127.0.0.1", 0, application, threaded=False)
    server.service_actions = Traffic(sqs_backends[DEFAULT_ACCOUNT_ID][REGION])  # called between two requests
    sys.stdout.write(f"{server.server_port}\n")
    sys.stdout.flush()
    server.serve_forever(poll_interval=STEP / 2)


def _end_with_parent() -> None:
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    main()
