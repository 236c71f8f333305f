"""`manage.py revoke_token NAME`: refuse a token from now on."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from dashboard import audit
from dashboard.access import revoke_token
from dashboard.live.bus import the_bus
from dashboard.management.base import DataCommand


class Command(DataCommand):
    help = "Refuse a token from now on. Its name stays taken, so that the audit trail means one thing."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help="the token's name")

    def handle(self, *args: Any, name: str, **options: Any) -> None:
        try:
            token = revoke_token(name)
        except ValueError as error:
            raise CommandError(str(error)) from None
        audit.record("command line", "revoke token", token.name)
        the_bus().note("signed_out", token=token.pk)
        self.stdout.write(f"The token {token.name} is refused from now on.")
