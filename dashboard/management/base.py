"""What commands share: a database that is up to date, and sentences for people when it does not answer."""

from __future__ import annotations

from fcntl import LOCK_EX, flock
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import InterfaceError, OperationalError, connection
from django.db.migrations.executor import MigrationExecutor


class DataCommand(BaseCommand):
    """A command that needs the database.

    One that is this machine's own (SQLite) is brought up to date first, so that the first command of all may be any.
    A shared one only where a command `migrates`: no look at it changes it under those who use it.
    """

    migrates = False

    def execute(self, *args: Any, **options: Any) -> Any:
        try:
            if self.migrates or connection.vendor == "sqlite":
                migrate()
            elif _behind():
                raise CommandError("The database is not up to date with this version of Weir; run: manage.py migrate")
            return super().execute(*args, **options)
        except (OperationalError, InterfaceError) as error:
            said = str(error).strip().splitlines() or [type(error).__name__]
            which = " of DATABASE_URL" if settings.DATABASE_URL else ""
            raise CommandError(f"The database{which} does not answer: {said[0].rstrip('.')}.") from error


def migrate() -> None:
    """Bring the database up to date; nothing is printed or asked when it already is."""
    if not _behind():
        return
    with (settings.WEIR_DATA / "migrating").open("w") as file:
        flock(file, LOCK_EX)  # of two first commands one waits for the other
        if _behind():
            call_command("migrate", interactive=False, verbosity=0)


def _behind() -> bool:
    executor = MigrationExecutor(connection)
    return bool(executor.migration_plan(executor.loader.graph.leaf_nodes()))


def port(text: str) -> int:
    """A port, for argparse. Raises ValueError."""
    if not 0 <= int(text) < 65536:
        raise ValueError(text)
    return int(text)
