"""The processes of a deployment: each starts, meets the others over Redis, and ends cleanly on SIGTERM."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest

from tests.servers import postgresql
from tests.servers.ports import free_port
from tests.servers.redis import available, running

SOON = 100.0  # seconds: a generous bound, for a machine that is busy
ENGINE = next((engine for engine in ("valkey9", "redis7", "redis62") if available(engine)), None)


@pytest.fixture
def environment(tmp_path) -> dict[str, str]:
    return {**os.environ, "WEIR_DATA": str(tmp_path / "data"), "DJANGO_SETTINGS_MODULE": "dashboard.settings"}


class Process:
    """A `manage.py` command or another program of the product; `line` waits for what it prints."""

    def __init__(self, environment: dict[str, str], *arguments: str) -> None:
        self.child = subprocess.Popen(
            [sys.executable, *arguments], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def line(self) -> str:
        assert self.child.stdout is not None
        return self.child.stdout.readline()

    def end(self, number: int = signal.SIGTERM) -> tuple[int, str]:
        self.child.send_signal(number)
        _, errors = self.child.communicate(timeout=SOON)
        return self.child.returncode, errors


@pytest.fixture
def start(environment) -> Iterator:
    started: list[Process] = []

    def begin(*arguments: str, **changes: str) -> Process:
        started.append(Process({**environment, **changes}, *arguments))
        return started[-1]

    yield begin
    for process in started:
        process.child.kill()
        process.child.wait()


def get(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_up_serves_and_ends_cleanly(start, number):
    process = start("manage.py", "up", "--port", "0", "--no-demo", "--broker", "memory://desk")
    root = re.match(r"Weir is at (http://127\.0\.0\.1:\d+)/sign-in/", process.line())
    assert root
    assert get(root[1] + "/healthz")[0] == 200 and get(root[1] + "/readyz")[0] == 200
    code, errors = process.end(number)
    assert code == 0 and "Traceback" not in errors


@pytest.mark.slow
def test_up_says_when_its_port_is_taken(start):
    first = start("manage.py", "up", "--port", "0", "--no-demo", "--broker", "memory://desk")
    port = re.search(r":(\d+)/", first.line())
    second = start("manage.py", "up", "--port", port[1], "--no-demo")
    _, errors = second.child.communicate(timeout=SOON)
    assert second.child.returncode == 1 and "--port" in errors and "Traceback" not in errors


@pytest.mark.slow
def test_up_asks_for_a_person_with_a_password_before_it_lets_others_in(start):
    process = start("manage.py", "up", "--host", "0.0.0.0", "--port", "0", "--no-demo")
    _, errors = process.child.communicate(timeout=SOON)
    assert process.child.returncode == 1 and "create_user" in errors


@pytest.mark.slow
def test_up_refuses_a_wrong_broker_url_without_showing_its_password(start):
    process = start("manage.py", "up", "--port", "0", "--no-demo", "--broker", "redis://:hunter2@h?nonsense=1")
    _, errors = process.child.communicate(timeout=SOON)
    assert process.child.returncode == 1 and "'nonsense'" in errors and "hunter2" not in errors


@pytest.mark.slow
@pytest.mark.parametrize(
    ("option", "value", "code", "words"),
    [("--port", "65536", 2, "port"), ("--interval", "0", 1, "from 1 to 3600"), ("--broker", "redis://h/x", 1, "'x'")],
)
def test_up_refuses_what_cannot_be(start, option, value, code, words):
    process = start("manage.py", "up", "--no-demo", option, value)
    _, errors = process.child.communicate(timeout=SOON)
    assert process.child.returncode == code and words in errors and "Traceback" not in errors


@pytest.mark.parametrize("command", ["collect", "work"])
def test_a_process_apart_refuses_to_start_without_redis(start, command):
    process = start("manage.py", command, REDIS_URL="")
    _, errors = process.child.communicate(timeout=SOON)
    assert process.child.returncode == 1 and "REDIS_URL" in errors and errors.count("\n") == 1


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def database(request) -> Iterator[dict[str, str]]:
    """The settings of a deployment's database: the one in the data folder, or a real PostgreSQL."""
    yield {} if request.param == "sqlite" else request.getfixturevalue("database_of_a_team")


@pytest.fixture
def database_of_a_team() -> Iterator[dict[str, str]]:
    if postgresql.programs() is None:
        pytest.skip("PostgreSQL is not on this machine")
    with postgresql.running() as url:
        yield {
            "DATABASE_URL": url,
            "WEIR_SECRET_KEY": "a-secret-for-tests-" * 4,
            "WEIR_ENCRYPTION_KEY": "another-one-" * 4,
        }


@pytest.mark.slow
@pytest.mark.skipif(ENGINE is None, reason="no Redis-compatible server is on this machine")
def test_web_collector_and_worker_meet_over_redis(start, environment, database):
    with running(ENGINE) as server:
        port = free_port()
        brokers = f"{server.url}?name=cache&interval=1s"
        apart = {"REDIS_URL": server.url, "WEIR_BROKERS": brokers, "WEIR_METRICS_PUBLIC": "1", **database}
        subprocess.run([sys.executable, "manage.py", "migrate", "-v0"], env={**environment, **apart}, check=True)
        server.client().rpush("orders", *range(7))
        web = start("-m", "daphne", "-b", "127.0.0.1", "-p", str(port), "dashboard.asgi:application", **apart)
        collect, work = start("manage.py", "collect", **apart), start("manage.py", "work", **apart)
        assert "Collecting" in collect.line() and "Working" in work.line()
        until_metrics(port, 'weir_queue_depth{broker="cache",queue="orders"} 7')
        server.client().rpush("orders", 8)
        until_metrics(port, 'weir_queue_depth{broker="cache",queue="orders"} 8')
        for process in (collect, work):
            code, errors = process.end()
            assert code == 0 and "Traceback" not in errors
        web.child.terminate()


@pytest.mark.slow
def test_with_postgresql_a_missing_key_stops_the_start(start):
    process = start("manage.py", "check", DATABASE_URL="postgres://weir@127.0.0.1:1/none", WEIR_SECRET_KEY="")
    _, errors = process.child.communicate(timeout=SOON)
    assert process.child.returncode == 1 and "WEIR_SECRET_KEY" in errors and errors.count("\n") == 1


def test_the_first_command_of_all_may_be_any_and_two_at_once(start):
    first, second = start("manage.py", "create_token", "one", "--role", "viewer"), start("manage.py", "queues")
    for process in (first, second):
        said, errors = process.child.communicate(timeout=SOON)
        assert (process.child.returncode, errors) == (0, "") and said


def test_a_database_that_does_not_answer_is_a_sentence(start):
    shared = {"WEIR_SECRET_KEY": "a-secret-for-tests-" * 4, "WEIR_ENCRYPTION_KEY": "another-one-" * 4}
    process = start("manage.py", "queues", DATABASE_URL=f"postgres://weir@127.0.0.1:{free_port()}/none", **shared)
    _, errors = process.child.communicate(timeout=SOON)
    assert process.child.returncode == 1 and errors.startswith(
        "CommandError: The database of DATABASE_URL does not answer: "
    )
    assert errors.count("\n") == 1


@pytest.mark.postgresql
@pytest.mark.slow
def test_a_shared_database_is_not_changed_by_a_look_at_it(start, database_of_a_team):
    for command in ("queues", "collect"):
        process = start("manage.py", command, REDIS_URL="redis://127.0.0.1:1/", **database_of_a_team)
        _, errors = process.child.communicate(timeout=SOON)
        assert process.child.returncode == 1 and errors.endswith("run: manage.py migrate\n")


def until_metrics(port: int, line: str, seconds: float = SOON) -> None:
    end, text = time.monotonic() + seconds, ""
    while line not in text:
        assert time.monotonic() < end, f"{line} is not in:\n{text[-2000:]}"
        time.sleep(0.3)
        try:
            _, text = get(f"http://127.0.0.1:{port}/metrics")
        except OSError as error:
            text = str(error)
