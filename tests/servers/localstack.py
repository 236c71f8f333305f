"""LocalStack, a third peer that speaks SQS: it alone names the source of a dead letter, and knows redrive of its own.

Optional, and never installed by the tests: WEIR_LOCALSTACK is the path of a Python that has it, such as

    python3.11 -m venv ls && ls/bin/pip install 'localstack-core[base-runtime]==4.3.0' 'moto-ext[all]<5.2' \
        'service_identity<25' 'pyopenssl<25' 'cbor2<5.7'

It listens on all addresses whatever it is told, so it runs in a network of its own (`namespace.py`), which needs root
or user namespaces.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from .sqs import Peer, wait_for

INSIDE = 4566  # its port, in its own network


def absent() -> str:
    """Why LocalStack is not there, in a sentence; "" when it is."""
    python = os.environ.get("WEIR_LOCALSTACK", "")
    if not python:
        return "LocalStack is optional: WEIR_LOCALSTACK is not set to a Python that has it"
    if not shutil.which(python):
        return f"LocalStack: there is no Python at {python} (WEIR_LOCALSTACK)"
    alone = subprocess.run([*_unshare(), "true"], check=False, capture_output=True, text=True)
    return f"LocalStack needs a network of its own: {alone.stderr.strip()}" if alone.returncode else ""


def _unshare() -> list[str]:
    return ["unshare", "--net"] if os.geteuid() == 0 else ["unshare", "--net", "--map-root-user"]


@contextmanager
def localstack(home: Path) -> Iterator[Peer]:
    """LocalStack for as long as the block lasts, with its files in `home`."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as outside:
        port = outside.getsockname()[1]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")} | {
            "SERVICES": "sqs,sts,cloudwatch", "DISABLE_EVENTS": "1", "SKIP_SSL_CERT_DOWNLOAD": "1", "DEBUG": "0",
            "GATEWAY_LISTEN": f"127.0.0.1:{INSIDE}", "LOCALSTACK_HOST": f"127.0.0.1:{port}",
            "SQS_ENDPOINT_STRATEGY": "path", "HOME": str(home), "TMPDIR": str(home), "FILESYSTEM_ROOT": str(home),
        }  # fmt: skip
        fd = outside.fileno()
        program = [os.environ["WEIR_LOCALSTACK"], "-m", "localstack.runtime.main"]
        command = [*_unshare(), sys.executable, "-m", "tests.servers.namespace", str(fd), str(INSIDE), *program]
        process = subprocess.Popen(
            command, env=environment, pass_fds=(fd,), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        peer = Peer("LocalStack", port, process, "000000000000")
        try:
            wait_for(peer, 90)
            yield peer
        finally:
            peer.stop()


@pytest.fixture(scope="session")
def localstack_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Peer]:
    """One LocalStack for the session."""
    with localstack(tmp_path_factory.mktemp("localstack")) as peer:
        yield peer


@pytest.fixture
def localstack_peer(localstack_server: Peer) -> Iterator[Peer]:
    """LocalStack without any queue."""
    yield localstack_server
    client = localstack_server.client()
    for url in client.list_queues().get("QueueUrls", []):
        client.delete_queue(QueueUrl=url)
