"""The demo's SQS: moto's server in a child process, with the traffic of the shop on it.

It takes about a second to start, so it starts in the background and says when it is ready. Weight: a per cent or two
of one core, about 100 MB of memory, nothing on disk. Ends with this process, also when this process is killed.
"""

from __future__ import annotations

import importlib.util
import logging
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from .server import end_with_input

log = logging.getLogger("weir.demo")

REGION = "eu-west-1"
NEEDED = ("moto", "boto3", "flask", "flask_cors")


class DemoSQS:
    """`ready` is called with the broker URL, `unavailable` with a sentence; either once, from another thread.

    A context manager: leaving it ends the server. A server that is not wanted any more calls neither.
    """

    def __init__(self, ready: Callable[[str], object], unavailable: Callable[[str], object]) -> None:
        self._ready, self._unavailable = ready, unavailable
        self._child: subprocess.Popen[str] | None = None
        self._thread = threading.Thread(target=self._tell, name="weir-demo-sqs", daemon=True)
        self._stopping = threading.Event()

    @property
    def pid(self) -> int | None:
        """The server's process, None when there is none."""
        return self._child.pid if self._child else None

    def start(self) -> None:
        """Begin to start; returns at once."""
        missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
        if missing:
            self._unavailable(f"The demo goes without SQS, which needs {', '.join(missing)}: pip install '.[demo]'.")
            return
        # A session of its own: Ctrl-C in the terminal reaches us, and we end it in order. It ends when its input does.
        self._child = subprocess.Popen(
            [sys.executable, "-m", "dashboard.demo.sqs_server"],
            cwd=Path(__file__).parents[2], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            text=True, start_new_session=True,
        )  # fmt: skip
        self._thread.start()

    def stop(self) -> None:
        """End the server and wait until it is gone. May be called twice."""
        self._stopping.set()
        child, self._child = self._child, None
        if child is not None:
            end_with_input(child)
            self._thread.join(timeout=5)

    def __enter__(self) -> DemoSQS:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _tell(self) -> None:
        """Wait for the line in which the server says its port."""
        child = self._child
        if child is None or child.stdout is None:
            return
        with child.stdout:
            port = child.stdout.readline().strip()
        if self._stopping.is_set():
            return
        try:
            if port.isdigit():
                self._ready(url_of(int(port)))
            else:
                self._unavailable("The demo goes without SQS: its server did not start.")
        except Exception:  # of who is told; this thread is the only one that could say so
            log.exception("The demo's SQS runs, but could not be added.")


def url_of(port: int) -> str:
    """The broker URL to watch it by. The key is made up: the server takes any."""
    return (
        f"sqs://demo:demo@{REGION}?endpoint=http://127.0.0.1:{port}&name=demo-sqs&interval=5s&moving_every=5s&tags=demo"
    )
