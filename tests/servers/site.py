"""A web process of Weir in a child process, whose ticks the test makes: real daphne, real sockets.

`Site` is the parent's side; `python -m tests.servers.site` is the child, which follows lines of JSON:
{"tick": {metric or state: value or list}}, {"note": [kind, fields]}, {"every": seconds} (ticks from now on),
{"stop_every": true} (-> how many there were), {"notes": true} (-> those on the bus since it was asked last),
{"wallboard": [name, filter]} (-> its id and token),
{"set": [module, name, value]} of a constant, {"end_session": true} as if it had run out, unheard.
Each is answered with a line of JSON. A session and a token of a viewer are made at start.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from importlib import import_module
from pathlib import Path
from typing import Any

import psutil
from websockets.sync.client import ClientConnection, connect

from .ports import free_port


class Site:
    """A child process that serves Weir on a free port, with a made-up broker of `queues` queues."""

    def __init__(self, folder: Path, queues: int = 3, redis_url: str = "", port: int = 0) -> None:
        self.port = port or free_port()
        environment = {k: v for k, v in os.environ.items() if not k.startswith("WEIR_")}
        environment |= {
            "WEIR_DATA": str(folder),
            "REDIS_URL": redis_url,
            "DJANGO_SETTINGS_MODULE": "dashboard.settings",
        }
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.servers.site", str(self.port), str(queues)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            cwd=Path(__file__).parents[2],
            text=True,
        )
        self.told = self._answer()
        self.ids: list[int] = self.told["ids"]

    def __enter__(self) -> Site:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.communicate(timeout=15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def say(self, **command: Any) -> Any:
        """Tell the child something, and wait until it is done."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(command) + "\n")
        self.process.stdin.flush()
        return self._answer()

    def tick(self, **metrics: Any) -> None:
        """One tick of all queues, stored and published."""
        self.say(tick=metrics)

    @property
    def rss(self) -> int:
        """Resident bytes of the child."""
        return int(psutil.Process(self.process.pid).memory_info().rss)

    @property
    def cpu(self) -> float:
        """Seconds of processor time that the child has used."""
        times = psutil.Process(self.process.pid).cpu_times()
        return float(times.user + times.system)

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/ws/live/"

    @property
    def headers(self) -> dict[str, str]:
        """Those of the viewer's browser."""
        return {"Cookie": f"weir_session={self.told['session']}", "Origin": f"http://127.0.0.1:{self.port}"}

    def connect(self, headers: dict[str, str] | None = None, **more: Any) -> ClientConnection:
        """A WebSocket, by default with the viewer's session."""
        more = {"open_timeout": 60, **more}  # ten seconds are short for a machine that is busy
        return connect(self.url, additional_headers=self.headers if headers is None else headers, **more)

    def _answer(self) -> Any:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"the site ended with {self.process.wait()}")
        return json.loads(line)


# --- the child -------------------------------------------------------------------------------------------------------


def main() -> None:
    port, queues = int(sys.argv[1]), int(sys.argv[2])
    import django

    django.setup()
    from django.core.management import call_command

    from dashboard import processes

    processes.all_in_one()
    call_command("migrate", verbosity=0)
    from dashboard.asgi import application
    from dashboard.server import serve

    serve(application, "127.0.0.1", port, Child(queues).started)


class Child:
    """Makes ticks as it is told."""

    def __init__(self, queues: int) -> None:
        from dashboard.models import Broker, Queue
        from tests.dashboard.fleets import made_up_broker

        broker = Broker.objects.first()
        if broker is None:
            broker, self.ids = made_up_broker("prod", queues)
        else:
            self.ids = list(Queue.objects.order_by("id").values_list("id", flat=True))
        self.broker = broker.id
        self.every = 0.0
        self.n = 0
        self.notes: list[Any] = []

    def started(self, port: int) -> None:
        from dashboard.live.bus import the_bus

        the_bus().subscribe(None, lambda kind, fields: self.notes.append([kind, fields]))
        threading.Thread(target=self.follow, daemon=True).start()

    def follow(self) -> None:
        print(json.dumps(self.greeting()), flush=True)
        for line in sys.stdin:
            command = json.loads(line)
            answer: Any = True
            if "tick" in command:
                self.tick(**command["tick"])
            elif "note" in command:
                from dashboard.live.bus import the_bus

                the_bus().note(command["note"][0], **command["note"][1])
            elif "every" in command:
                self.every = command["every"]
                self.going_on = threading.Thread(target=self.go_on, daemon=True)
                self.going_on.start()
            elif "stop_every" in command:
                self.every = 0.0
                self.going_on.join()  # with the tick that is under way
                answer = self.n
            elif "set" in command:
                module, name, value = command["set"]
                setattr(import_module(module), name, value)
            elif "end_session" in command:
                from django.contrib.sessions.models import Session

                Session.objects.all().delete()
            elif "wallboard" in command:
                answer = self.wallboard(*command["wallboard"])
            elif "notes" in command:
                answer = [self.notes.pop(0) for _ in range(len(self.notes))]  # what comes meanwhile stays for the next
            print(json.dumps(answer), flush=True)

    def greeting(self) -> dict[str, Any]:
        from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
        from django.contrib.sessions.backends.db import SessionStore

        from dashboard.access import new_token
        from dashboard.models import User

        user, _ = User.objects.get_or_create(username="viewer", role="viewer")
        session = SessionStore()
        session[SESSION_KEY] = str(user.pk)
        session[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
        session[HASH_SESSION_KEY] = user.get_session_auth_hash()
        session.save()
        token, text = new_token(f"reader {time.time()}", "viewer")
        told = {"session": session.session_key, "token": text, "token_id": token.pk, "user": user.pk}
        return {**told, "ids": self.ids, "broker": self.broker}

    def wallboard(self, name: str, filter: str) -> dict[str, Any]:
        """A link that shows one view: its id, its token."""
        from dashboard.access import Principal
        from dashboard.wallboards import new_wallboard

        row, text = new_wallboard(Principal("person", 0, "a test", "admin"), name, filter)
        return {"id": row.pk, "token": text}

    def tick(self, stored: bool = True, **metrics: Any) -> None:
        from dashboard.insight.states import State
        from dashboard.live.bus import the_bus
        from dashboard.samples import the_store
        from tests.dashboard.fleets import made_up_tick

        states = metrics.pop("state", "steady")
        codes = [State[one.upper()] for one in ([states] * len(self.ids) if isinstance(states, str) else states)]
        tick = made_up_tick(self.broker, self.ids, state=codes, **metrics)
        if stored:
            the_store().append(tick)
        the_bus().publish(tick)

    def go_on(self) -> None:
        """Ticks at a steady pace, with other numbers each time."""
        import numpy as np

        random = np.random.default_rng(1)
        next_at = time.monotonic()
        while self.every:
            n = len(self.ids)
            rates = {"in_rate": random.random(n) * 90, "out_rate": random.random(n) * 90}
            depth = random.integers(0, 10000, n)
            self.tick(False, depth=depth, in_flight=depth // 9, consumers=3, lag_seconds=depth / 7, **rates)
            self.n += 1
            next_at += self.every
            time.sleep(max(0.0, next_at - time.monotonic()))


if __name__ == "__main__":
    main()
