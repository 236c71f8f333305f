"""`manage.py up`: web, collector and worker in one process, for a desk or a small team."""

from __future__ import annotations

import logging
from argparse import ArgumentParser, BooleanOptionalAction
from contextlib import ExitStack
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import CommandError
from django.db import connection

from dashboard import nearby, processes
from dashboard.brokers import BrokerRefused, checked_interval, save_broker
from dashboard.configured import from_environment, settle
from dashboard.management.base import DataCommand, port
from dashboard.models import Broker, User
from dashboard.people import first_sign_in_path
from dashboard.store.base import StoreError

LOOPBACK = ("127.0.0.1", "localhost", "::1")
Managed = Broker.Managed
DEMO_SQS = "demo-sqs"
log = logging.getLogger("weir.up")


def _save_demo(url: str, name: str) -> None:
    """The demo's broker of an earlier start stays the same one: links to its queues go on to lead there."""
    known = Broker.objects.filter(name=name, managed_by=Managed.DEMO).first()
    save_broker(url, name=name, managed_by=Managed.DEMO, paused=False, broker=known)


class Command(DataCommand):
    help = (
        "Run all of Weir in one process: migrate, then web, collector and worker. Prints one line with the address "
        "to open. Ends cleanly on SIGINT and SIGTERM."
    )
    migrates = True

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default 127.0.0.1)")
        parser.add_argument("--port", type=port, default=8000, help="port to listen on (default 8000; 0 = any free)")
        parser.add_argument("--data", metavar="DIR", help="folder for databases and keys (default .weir)")
        parser.add_argument("--broker", metavar="URL", action="append", default=[], help="a broker; may be repeated")
        parser.add_argument(
            "--demo",
            action=BooleanOptionalAction,
            help="show the demo; without either, only when nothing else is found",
        )
        parser.add_argument("--interval", metavar="SECONDS", type=float, help="poll the --broker ones this often")

    def handle(self, *args: Any, **options: Any) -> None:
        with ExitStack() as stack:
            try:
                self._run(stack, options)
            except (BrokerRefused, ImproperlyConfigured, StoreError) as error:
                raise CommandError(str(error)) from None

    def _run(self, stack: ExitStack, options: dict[str, Any]) -> None:
        processes.all_in_one()
        self._may_listen_on(options["host"])
        if options["interval"] is not None:
            checked_interval(options["interval"])
        from_environment(above=settle(options["broker"], Managed.COMMAND_LINE, options["interval"]))
        self._offer(stack, options["demo"])
        self._serve(stack, options["host"], options["port"])

    def _may_listen_on(self, host: str) -> None:
        if host in LOOPBACK:
            return
        if not any(user.has_usable_password() for user in User.objects.filter(is_active=True)):
            raise CommandError(
                f"--host {host} lets others in, so a person with a password has to exist first: "
                "manage.py create_user NAME --role admin"
            )
        if host not in ("0.0.0.0", "::"):
            settings.ALLOWED_HOSTS.append(host)

    def _offer(self, stack: ExitStack, demo: bool | None) -> None:
        """Local brokers when none is configured, and the demo unless one of them has queues."""
        before = Broker.objects.filter(managed_by=Managed.DEMO)
        before.update(paused=True)  # until their servers of today are there: others may have the ports of yesterday
        queues = 0
        if not Broker.objects.exclude(managed_by__in=(Managed.FOUND, Managed.DEMO)).exists():
            known = set(Broker.objects.filter(managed_by=Managed.FOUND).values_list("name", flat=True))
            for found in nearby.find():
                queues += found.queues
                if found.name not in known:
                    save_broker(found.url, name=found.name, managed_by=Managed.FOUND)
        else:
            queues = 1
        if not (demo or (demo is None and not queues)) or not self._start_demo(stack, asked=bool(demo)):
            before.delete()

    def _start_demo(self, stack: ExitStack, asked: bool) -> bool:
        from dashboard.demo import Demo, DemoSQS, DemoUnavailable

        try:
            demo = stack.enter_context(Demo())
        except DemoUnavailable as error:
            if asked:
                raise CommandError(str(error)) from None
            self.stderr.write(str(error))
            return False
        _save_demo(demo.url, "demo")
        stack.enter_context(DemoSQS(self._add_demo_sqs, self._go_without_sqs))
        return True

    def _add_demo_sqs(self, url: str) -> None:
        """Called from a thread of the demo's, about a second after the start."""
        try:
            _save_demo(url, DEMO_SQS)
        except BrokerRefused as error:
            self.stderr.write(f"The demo goes without SQS: {error}")
        finally:
            connection.close()

    def _go_without_sqs(self, sentence: str) -> None:
        Broker.objects.filter(name=DEMO_SQS, managed_by=Managed.DEMO).delete()
        self.stderr.write(sentence)

    def _serve(self, stack: ExitStack, host: str, port: int) -> None:
        from dashboard.asgi import application
        from dashboard.collecting import Collector
        from dashboard.housekeeping import Worker
        from dashboard.letters.reader import Reader
        from dashboard.live import feed
        from dashboard.live.bus import the_bus
        from dashboard.replay.working import Replayer
        from dashboard.samples import close_store, the_store
        from dashboard.server import serve

        stack.callback(close_store)
        collector, worker, reader = Collector(the_store(), the_bus()), Worker(the_store()), Reader()
        replayer = Replayer(the_bus())
        feed.fleet()  # refilled before the first tick comes
        stack.callback(worker.stop)
        stack.callback(replayer.stop)
        stack.callback(reader.stop)
        stack.callback(collector.stop)

        def listening(at: int) -> None:
            collector.start()
            worker.start()
            replayer.start()
            reader.start()
            self.stdout.write(self._address(host, at))
            self.stdout.flush()

        serve(application, host, port, listening)
        self.stdout.write("Weir has stopped.")

    def _address(self, host: str, port: int) -> str:
        shown = "127.0.0.1" if host in ("0.0.0.0", "::") else f"[{host}]" if ":" in host else host
        here = f"http://{shown}:{port}"
        if host in LOOPBACK and not User.objects.exists():
            return f"Weir is at {here}{first_sign_in_path()} (this link signs you in once, within ten minutes)"
        return f"Weir is at {settings.WEIR_PUBLIC_URL or here}/"
