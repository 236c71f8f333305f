"""What every test may ask for. The settings, with their own data folder, are in tests/settings.py."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest
from django.contrib.auth import get_user_model
from django.test import Client
from hypothesis import settings

from collectors.brokers import memory

# Django is set up by now: programs that a test starts get the product's own settings.
os.environ["DJANGO_SETTINGS_MODULE"] = "dashboard.settings"

# The same examples each time, and none that has to be quick: a suite tells what changed, not what it came upon.
# `--hypothesis-profile default` looks further.
settings.load_profile("ci")

# What a shell starts in the background ignores Ctrl-C, and so would every program that a test starts and ends by it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    """Playwright keeps an event loop running in the test's thread, where Django then refuses its database.

    Only there it is allowed, for those tests alone: elsewhere Django goes on refusing.
    """
    if asyncio._get_running_loop() is not None:
        os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    else:
        os.environ.pop("DJANGO_ALLOW_ASYNC_UNSAFE", None)


@pytest.fixture(autouse=True)
def worlds_of_its_own():
    """`memory://shop` is one world for the whole process: each test begins with none, and leaves none behind."""
    memory.forget_all()
    yield
    memory.forget_all()


#: Files of which the quick part takes nothing, because each of them takes many seconds as a whole.
LONG = (
    "brokers/test_sqs_", "brokers/test_redis_letters", "collectors/test_poller", "collectors/test_rabbitmq_http",
    "dashboard/people/test_access_urls", "dashboard/api/test_api_hostile", "dashboard/demo/test_demo.py",
    "dashboard/store/test_history", "dashboard/test_processes",
    "dashboard/replay/test_replay_api", "dashboard/replay/test_replay_command", "dashboard/replay/test_replay_runner",
    "dashboard/alerts/test_telling",
)  # fmt: skip


#: Where a browser, clusters, or the pace of another program decide: a slow test of these is tried once more.
TWICE = (
    "browser/", "weather/", "bench/", "dashboard/live/", "dashboard/demo/", "dashboard/test_processes",
    "dashboard/alerts/test_telling", "brokers/test_lag_truth", "brokers/test_rabbitmq_measuring",
    "brokers/test_rabbitmq_relations", "brokers/test_rabbitmq_contract", "brokers/test_rabbitmq_cluster",
    "brokers/test_redis_cluster", "brokers/test_redis_sentinel", "brokers/test_redis_workers",
    "brokers/test_sqs_measuring", "brokers/test_sqs_discovery", "brokers/test_sqs_contract",
)  # fmt: skip


def pytest_collection_modifyitems(items):
    """What was tried twice stands in the summary as RERUN, with its traceback. Nothing of replays, leases, looks,
    access or the store is: there one failure in a hundred is a fault of the product."""
    here = Path(__file__).parent
    for item in items:
        place = str(item.path.relative_to(here)) if item.path.is_relative_to(here) else ""
        if place.startswith(LONG):
            item.add_marker(pytest.mark.slow)
        if place.startswith(TWICE) and item.get_closest_marker("slow"):
            item.add_marker(pytest.mark.flaky(reruns=1))


PASSWORD = "correct horse battery staple"


def person(role: str):
    """A user named by the role, with PASSWORD."""
    return get_user_model().objects.create_user(username=role, password=PASSWORD, role=role)


def signed_in(user) -> Client:
    """A browser without JavaScript, signed in as `user`."""
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


@pytest.fixture
def user_viewer(db):
    return person("viewer")


@pytest.fixture
def user_operator(db):
    return person("operator")


@pytest.fixture
def user_admin(db):
    return person("admin")


@pytest.fixture
def client_viewer(user_viewer) -> Client:
    return signed_in(user_viewer)


@pytest.fixture
def client_operator(user_operator) -> Client:
    return signed_in(user_operator)


@pytest.fixture
def client_admin(user_admin) -> Client:
    return signed_in(user_admin)
