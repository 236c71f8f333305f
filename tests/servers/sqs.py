"""Peers that speak SQS, each in a process of its own on a free port of 127.0.0.1, ended by its pid.

moto is the usual one, for it is strict and knows IAM, STS, CloudWatch and the Tagging API too. ministack is fast, for
thousands of queues; it is installed into a virtual environment of its own, kept in pytest's cache folder, and skipped
by name where that cannot be done. LocalStack is optional (localstack.py).
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
import time
import urllib.request
import venv
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import psutil
import pytest
from botocore.config import Config

from .children import end
from .ports import free_port

REGION = "eu-west-1"
START_SECONDS = 90
#: Half of what a test may take: a network that is too slow for it leaves out what needs it, by name.
INSTALL_SECONDS = 60
MINISTACK = "ministack>=1.5,<1.6"


@dataclass
class Peer:
    """A running peer. `account` is where queues of clients without an account of their own are."""

    name: str
    port: int
    process: subprocess.Popen[bytes]
    account: str

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def url(self, parameters: str = "", region: str = REGION, endpoint: str = "") -> str:
        """A broker URL that asks moving queues at every poll."""
        more = f"&{parameters}" if parameters else ""
        return f"sqs://key:secret@{region}?endpoint={endpoint or self.endpoint}&moving_every=0s{more}"

    def client(self, service: str = "sqs", region: str = REGION, **options: Any) -> Any:
        """A client of boto3 for the test's own doings."""
        options = {"aws_access_key_id": "key", "aws_secret_access_key": "secret"} | options
        config = Config(max_pool_connections=16, retries={"total_max_attempts": 1})
        return boto3.session.Session().client(
            service, region_name=region, endpoint_url=self.endpoint, config=config, **options
        )

    def key(self, name: str, region: str = REGION) -> str:
        """The key of a queue."""
        return f"{region}:{self.account}:{name}"

    def create(self, name: str, region: str = REGION, tags: dict[str, str] | None = None, **attributes: str) -> str:
        """Create a queue; its URL."""
        given = attributes | ({"FifoQueue": "true"} if name.endswith(".fifo") else {})
        answer = self.client(region=region).create_queue(QueueName=name, Attributes=given, tags=tags or {})
        return str(answer["QueueUrl"])

    def create_many(self, names: Sequence[str]) -> None:
        client = self.client()
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda name: client.create_queue(QueueName=name), names))

    def redrive(self, dead_letter_queue: str, most: int = 3) -> str:
        """The RedrivePolicy that leads to a queue of this name."""
        arn = f"arn:aws:sqs:{REGION}:{self.account}:{dead_letter_queue}"
        return json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": most})

    def send(self, url: str, count: int, **more: Any) -> None:
        client = self.client()
        for first in range(0, count, 10):
            entries = [
                {"Id": str(n), "MessageBody": f"message {n}", **more} for n in range(first, min(first + 10, count))
            ]
            client.send_message_batch(QueueUrl=url, Entries=entries)

    def reset(self) -> None:
        """Forget everything, and let anybody in again (moto)."""
        self._post("/moto-api/reset-auth", "inf")
        self._post("/moto-api/reset")

    def only_with(self, *actions: str, user: str = "weir") -> tuple[str, str]:
        """From now on IAM is obeyed (moto); access key and secret of a user who may do only these actions."""
        self._post("/moto-api/reset-auth", "inf")
        iam = self.client("iam")
        iam.create_user(UserName=user)
        statement = {"Effect": "Allow", "Action": list(actions) or ["none:Nothing"], "Resource": "*"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        iam.put_user_policy(UserName=user, PolicyName="some", PolicyDocument=document)
        key = iam.create_access_key(UserName=user)["AccessKey"]
        self._post("/moto-api/reset-auth", "0")
        return key["AccessKeyId"], key["SecretAccessKey"]

    def cpu_seconds(self) -> float:
        times = psutil.Process(self.process.pid).cpu_times()
        return float(times.user + times.system)

    def stop(self) -> None:
        end(self.process)

    def _post(self, path: str, body: str = "") -> None:
        headers = {"Content-Type": "text/plain"}
        request = urllib.request.Request(self.endpoint + path, body.encode(), headers, method="POST")
        with urllib.request.urlopen(request, timeout=10) as answer:
            assert answer.status == 200, path


@contextmanager
def moto() -> Iterator[Peer]:
    """moto's server for as long as the block lasts."""
    port = free_port()
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with _running("moto", command, port, {}, "123456789012") as peer:
        yield peer


@contextmanager
def ministack(home: Path) -> Iterator[Peer]:
    """ministack, installed into a virtual environment in `home`. Raises RuntimeError where that cannot be done."""
    program = _installed(home)
    port = free_port()
    environment = {
        "GATEWAY_PORT": str(port), "BIND_HOST": "127.0.0.1", "MINISTACK_HOST": "127.0.0.1", "IOT_MTLS_ENABLED": "0",
        "SERVICES": "sqs,cloudwatch,sts", "LOG_LEVEL": "WARNING",
    }  # fmt: skip
    with _running("ministack", [str(program)], port, environment, "000000000000") as peer:
        yield peer


@contextmanager
def _running(name: str, command: list[str], port: int, environment: dict[str, str], account: str) -> Iterator[Peer]:
    process = subprocess.Popen(
        command, env=os.environ | environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    peer = Peer(name, port, process, account)
    try:
        wait_for(peer)
        yield peer
    finally:
        peer.stop()


def wait_for(peer: Peer, seconds: float = START_SECONDS) -> None:
    """Until it answers. Raises RuntimeError when it does not."""
    deadline = time.monotonic() + seconds
    client = peer.client()
    while True:
        try:
            client.list_queues()
            return
        except Exception as error:  # refused until it listens
            if peer.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{peer.name} did not start: {error}") from None
            time.sleep(0.05)


def _installed(home: Path) -> Path:
    """Its program. Of test processes side by side one installs it, and the others wait for that."""
    program = home / "bin" / "ministack"
    with (home.parent / f"{home.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not program.exists():
            _install(home)
    return program


def _install(home: Path) -> None:
    venv.create(home, with_pip=True, clear=True)
    command = [home / "bin" / "python", "-m", "pip", "install", "-q", "--disable-pip-version-check", MINISTACK]
    try:
        subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_SECONDS, check=True)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        shutil.rmtree(home, ignore_errors=True)
        said = error.stderr if isinstance(error.stderr, str) else str(error)
        raise RuntimeError(f"it could not be installed: {said.strip()[-200:]}") from None


@pytest.fixture(scope="session")
def moto_server() -> Iterator[Peer]:
    """One moto for the session; use `sqs_peer` for an empty one."""
    with moto() as peer:
        yield peer


@pytest.fixture
def sqs_peer(moto_server: Peer) -> Iterator[Peer]:
    """moto without any queue, obeying nobody's policies yet."""
    moto_server.reset()
    yield moto_server
    moto_server.reset()


@pytest.fixture(scope="session")
def ministack_peer(request: pytest.FixtureRequest) -> Iterator[Peer]:
    """ministack, for thousands of queues."""
    try:
        with ministack(Path(request.config.cache.mkdir("ministack"))) as peer:
            yield peer
    except RuntimeError as error:
        pytest.skip(f"ministack: {error}")
