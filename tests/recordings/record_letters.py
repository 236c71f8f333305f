"""Records letters of real producers: `python -m tests.recordings.record_letters`.

Needs redis-server, and an environment of its own with celery[msgpack,yaml], dramatiq, rq, redis and pytest, which
Weir's tests do without: they read what is written to the folder `letters` beside this file. Each file is one letter:
`producer`, `body` (base64), `headers`, `content_type`, `content_encoding`; a header of bytes is {"base64": "..."}.
"""

from __future__ import annotations

import base64
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "letters"
MODULE = "tests.recordings.letters_shop"


def write(name: str, producer: str, body: bytes, headers: dict[Any, Any] | None = None, **declared: str) -> None:
    """One letter to its file."""
    told = {_text(k): v if isinstance(v, str) else _held(v) for k, v in (headers or {}).items()}
    letter = {"producer": producer, "body": base64.b64encode(body).decode(), "headers": told, **declared}
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / f"{name}.json").write_text(json.dumps(letter, indent=1, ensure_ascii=False) + "\n")


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _held(value: bytes) -> Any:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(value).decode()}


def celery_letters(shop: Any, client: Any) -> None:
    """Messages as they lie in Redis, in each format; then what a worker says of one that fails."""
    producer = f"Celery {version('celery')}, kombu {version('kombu')} on Redis"
    ways: dict[str, dict[str, Any]] = {
        "json": {"serializer": "json"},
        "msgpack": {"serializer": "msgpack"},
        "yaml": {"serializer": "yaml"},
        "pickle": {"serializer": "pickle"},
        "gzip": {"serializer": "json", "compression": "gzip"},
        "bzip2": {"serializer": "json", "compression": "bzip2"},
    }
    for name, options in ways.items():
        shop.capture_task.apply_async((1042,), {"amount": "19.90"}, queue=f"record-{name}", **options)
        write(f"celery-{name}", producer, client.lindex(f"record-{name}", -1))
    shop.old.send_task("billing.capture", (1042,), {"amount": "19.90"}, queue="record-v1")
    write("celery-v1", producer + ", protocol 1", client.lindex("record-v1", -1))
    watching = client.pubsub()
    watching.psubscribe("*celeryev*")
    sent = shop.capture_task.apply_async((1042,), {"amount": "19.90"})
    with worker("celery", "-A", MODULE, "worker", "-P", "solo", "-E", "--without-gossip", "--without-mingle"):
        result = wait(lambda: client.get(f"celery-task-meta-{sent.id}"))
        write("celery-result", producer, result)
        write("celery-event", producer, wait(lambda: failed_event(watching)))


def failed_event(watching: Any) -> bytes | None:
    """The first message with a task-failed event in it, from its kombu envelope."""
    message = watching.get_message(ignore_subscribe_messages=True, timeout=0.2)
    if message is None:
        return None
    body = base64.b64decode(json.loads(message["data"])["body"])
    return message["data"] if b"task-failed" in body else None


def dramatiq_letters(shop: Any, client: Any) -> None:
    producer = f"Dramatiq {version('dramatiq')} on Redis"
    shop.capture_actor.send(1042, amount="19.90")
    with worker("dramatiq", MODULE, "--processes", "1", "--threads", "1"):
        dead = wait(lambda: client.hvals("dramatiq:billing.XQ.msgs"))
    write("dramatiq-dead", producer, dead[0])


def rq_letters(shop: Any, client: Any) -> None:
    import rq

    producer = f"RQ {version('rq')}"
    job = rq.Queue("mail", connection=client).enqueue(shop.capture_job, 1042, amount="19.90")
    with worker("rq", "worker", "--burst", "--url", shop.URL, "mail"):
        wait(lambda: client.hget(f"rq:job:{job.id}", "status") == b"failed")
    fields = client.hgetall(f"rq:job:{job.id}")
    results = client.xrevrange(f"rq:results:{job.id}", count=1)
    body = fields.pop(b"data")
    fields |= results[0][1] if results else {}
    write("rq-failed", producer, body, {k: v for k, v in fields.items() if k != b"worker_name"})


class worker:
    """A worker's process, ended when the block is left."""

    def __init__(self, program: str, *arguments: str) -> None:
        self.command = [str(Path(sys.executable).with_name(program)), *arguments]

    def __enter__(self) -> None:
        self.process = subprocess.Popen(self.command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def __exit__(self, *_: object) -> None:
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()


def wait(asked: Any, seconds: float = 30) -> Any:
    """What is asked for, as soon as it is there."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if answer := asked():
            return answer
        time.sleep(0.1)
    raise SystemExit("A worker did not do its work in time.")


def main() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    os.environ["LETTERS_REDIS"] = f"redis://127.0.0.1:{port}/0"
    with tempfile.TemporaryDirectory() as folder:
        command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", folder]
        server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        try:
            import redis

            client = redis.Redis(port=port)
            wait(lambda: _up(client))
            from tests.recordings import letters_shop as shop

            celery_letters(shop, client)
            dramatiq_letters(shop, client)
            rq_letters(shop, client)
        finally:
            server.terminate()
            server.wait(10)


def _up(client: Any) -> bool:
    import redis

    try:
        return bool(client.ping())
    except redis.ConnectionError:
        return False  # not yet


if __name__ == "__main__":
    main()
