"""A private RabbitMQ for tests: one node, or two that form a cluster, on free ports of 127.0.0.1.

Everything lives in a temporary folder, epmd (Erlang's port mapper) included; every process is ended by its pid.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pika
import psutil
import pytest
import urllib3

from .ports import free_port

BIN = Path("/usr/lib/rabbitmq/bin")
PLUGINS = "rabbitmq_management,rabbitmq_prometheus,rabbitmq_stream"
START_SECONDS = 90


def rabbitmq_available() -> bool:
    """Whether RabbitMQ is installed on this machine."""
    return (BIN / "rabbitmq-server").exists()


@dataclass
class Node:
    """One running node: its ports, and a few ways to act on it as the administrator guest:guest."""

    name: str
    folder: Path
    environment: dict[str, str]
    amqp: int = field(default_factory=free_port)
    management: int = field(default_factory=free_port)
    prometheus: int = field(default_factory=free_port)
    stream: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    def url(self, *others: Node, user: str = "guest:guest", vhost: str = "", **parameters: str) -> str:
        """The broker URL for Weir; `others` are further nodes whose Prometheus endpoint is named too."""
        parameters = {"management": f"http://127.0.0.1:{self.management}", **parameters}
        endpoints = [f"prometheus=http://127.0.0.1:{node.prometheus}" for node in (self, *others)]
        query = "&".join([f"{key}={value}" for key, value in parameters.items() if value] + endpoints)
        return f"amqp://{user}@127.0.0.1:{self.amqp}/{quote(vhost, safe='')}?{query}"

    def without_prometheus_url(self, *, user: str = "guest:guest", vhost: str = "") -> str:
        """The broker URL by which no Prometheus endpoint is found: its host is another than the node's."""
        management = f"http://127.0.0.1:{self.management}"
        return f"amqp://{user}@127.0.0.2:{self.amqp}/{quote(vhost, safe='')}?management={management}"

    def api(self, method: str, path: str, body: Any = None) -> Any:
        """Call the management API; raises on any answer that is not a success."""
        answer = urllib3.request(
            method,
            f"http://127.0.0.1:{self.management}/api/{path}",
            headers=urllib3.make_headers(basic_auth="guest:guest") | {"Content-Type": "application/json"},
            body=None if body is None else json.dumps(body),
            timeout=30,
            retries=False,
        )
        if answer.status >= 400:
            raise RuntimeError(f"{method} {path}: {answer.status} {answer.data[:500]!r}")
        return json.loads(answer.data) if answer.data else None

    def connect(self, vhost: str = "/") -> pika.BlockingConnection:
        return pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", self.amqp, vhost, heartbeat=0))

    def control(self, *command: str) -> str:
        """Run rabbitmqctl against this node and answer with what it prints."""
        return subprocess.run(
            [BIN / "rabbitmqctl", "-q", "-n", self.name, *command],
            env=self.environment, check=True, capture_output=True, text=True, timeout=60,
        ).stdout  # fmt: skip

    def start(self) -> None:
        """Start the node, and wait until its management API answers."""
        _write_settings(self)
        with (self.folder / "out").open("ab") as out:
            self.process = subprocess.Popen(
                [BIN / "rabbitmq-server"],
                env=self.environment,
                stdout=out,
                stderr=out,
                start_new_session=True,
                cwd=self.folder,  # where it leaves a dump, should it be killed
            )
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                tail = (self.folder / "out").read_text(errors="replace")[-2000:]
                self.stop()
                raise RuntimeError(f"RabbitMQ {self.name} did not start: {tail}")
            time.sleep(0.2)

    def stop(self) -> None:
        """End the node by its pid and wait until it is gone."""
        if self.process is None:
            return
        with suppress(psutil.NoSuchProcess):
            tree = psutil.Process(self.process.pid)
            tree = [tree, *tree.children(recursive=True)]
            for member in tree:
                with suppress(psutil.NoSuchProcess):
                    member.terminate()
            for member in psutil.wait_procs(tree, timeout=30)[1]:
                member.kill()
        self.process.wait(timeout=30)
        self.process = None

    def processor_seconds(self) -> float:
        """The processor time that the node has used so far."""
        assert self.process is not None
        times = [p.cpu_times() for p in _erlang(psutil.Process(self.process.pid))]
        return sum(t.user + t.system for t in times)

    def _answers(self) -> bool:
        """Whether it runs, and takes AMQP too: the management API is there a moment earlier."""
        with suppress(RuntimeError, OSError, urllib3.exceptions.HTTPError):
            nodes = self.api("GET", "nodes")
            if any(node["name"] == self.name and node["running"] for node in nodes):
                socket.create_connection(("127.0.0.1", self.amqp), timeout=5).close()
                return True
        return False


def _erlang(process: psutil.Process) -> list[psutil.Process]:
    return [p for p in [process, *process.children(recursive=True)] if "beam" in p.name()]


def _write_settings(node: Node) -> None:
    (node.folder / "rabbitmq.conf").write_text(
        f"""
listeners.tcp.1 = 127.0.0.1:{node.amqp}
management.tcp.ip = 127.0.0.1
management.tcp.port = {node.management}
prometheus.tcp.ip = 127.0.0.1
prometheus.tcp.port = {node.prometheus}
stream.listeners.tcp.1 = 127.0.0.1:{node.stream}
log.console = true
log.console.level = warning
log.file = false
"""
        + node.environment["WEIR_TEST_SETTINGS"]
    )
    (node.folder / "enabled_plugins").write_text(f"[{node.environment['WEIR_TEST_PLUGINS']}].\n")


def _environment(folder: Path, name: str, mapper_port: int, settings: str, plugins: str) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "LANG": "C.UTF-8",
        "HOME": str(folder.parent),  # where the Erlang cookie is made, shared by the nodes of a cluster
        "RABBITMQ_NODENAME": name,
        "ERL_EPMD_PORT": str(mapper_port),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "RABBITMQ_DIST_PORT": str(free_port()),
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
        "RABBITMQ_CTL_DIST_PORT_MIN": "0",
        "RABBITMQ_CTL_DIST_PORT_MAX": "0",
        "RABBITMQ_CONF_ENV_FILE": "/dev/null",
        "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
        "RABBITMQ_LOG_BASE": str(folder / "log"),
        "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
        "RABBITMQ_PID_FILE": str(folder / "pid"),
        "WEIR_TEST_SETTINGS": settings,
        "WEIR_TEST_PLUGINS": plugins,
    }


@contextmanager
def rabbitmq_nodes(
    count: int = 1, *, settings: str = "collect_statistics_interval = 1000\n", plugins: str = PLUGINS
) -> Iterator[list[Node]]:
    """`count` running nodes that form one cluster; `settings` are further lines of rabbitmq.conf.

    The statistics interval is one second here (RabbitMQ's own default is five), so that tests need not wait.
    """
    root = Path(tempfile.mkdtemp(prefix="weir-rabbitmq-"))
    names = [f"weir{number}@localhost" for number in range(1, count + 1)]
    if count > 1:
        settings += "cluster_formation.peer_discovery_backend = classic_config\n"
        settings += "".join(f"cluster_formation.classic_config.nodes.{i} = {n}\n" for i, n in enumerate(names, 1))
    mapper_port = free_port()
    mapper = subprocess.Popen([_port_mapper(), "-port", str(mapper_port), "-address", "127.0.0.1"])
    nodes: list[Node] = []
    try:
        for name in names:
            folder = root / name.partition("@")[0]
            folder.mkdir()
            nodes.append(Node(name, folder, _environment(folder, name, mapper_port, settings, plugins)))
            nodes[-1].start()
        yield nodes
    finally:
        for node in reversed(nodes):
            node.stop()
        mapper.send_signal(signal.SIGTERM)
        mapper.wait(timeout=10)
        shutil.rmtree(root, ignore_errors=True)


def _port_mapper() -> str:
    found = shutil.which("epmd") or next(map(str, Path("/usr/lib/erlang").glob("erts-*/bin/epmd")), None)
    if found is None:
        raise RuntimeError("epmd, which comes with Erlang, was not found")
    return found


@pytest.fixture(scope="session")
def rabbitmq_node() -> Iterator[Node]:
    """One node for the whole test session; tests make and remove their own queues."""
    if not rabbitmq_available():
        pytest.skip("RabbitMQ is not installed (Debian: rabbitmq-server)")
    with rabbitmq_nodes() as (node,):
        yield node


@pytest.fixture(scope="session")
def rabbitmq_pair() -> Iterator[list[Node]]:
    """A cluster of two nodes for the whole test session."""
    if not rabbitmq_available():
        pytest.skip("RabbitMQ is not installed (Debian: rabbitmq-server)")
    with rabbitmq_nodes(2) as nodes:
        yield nodes


@pytest.fixture
def vhost(rabbitmq_node: Node) -> Iterator[str]:
    """A fresh virtual host of the session's node, removed with all its queues at the end."""
    name = f"test-{time.time_ns()}"
    rabbitmq_node.api("PUT", f"vhosts/{name}")
    rabbitmq_node.api("PUT", f"permissions/{name}/guest", {"configure": ".*", "write": ".*", "read": ".*"})
    yield name
    rabbitmq_node.api("DELETE", f"vhosts/{name}")
