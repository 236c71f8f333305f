"""`manage.py create_token NAME --role R`: a machine's key to the API."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from dashboard import audit
from dashboard.access import new_token
from dashboard.management.base import DataCommand
from dashboard.models import Role


class Command(DataCommand):
    help = "Create a token for the API and /metrics. It is printed once, as the last word, and cannot be had again."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help="what it is for; names are used once")
        parser.add_argument("--role", choices=Role.values, required=True, help="what its holder may do")

    def handle(self, *args: Any, name: str, role: str, **options: Any) -> None:
        try:
            token, text = new_token(name, role, created_by="command line")
        except ValueError as error:
            raise CommandError(str(error)) from None
        audit.record("command line", "create token", token.name, role=role)
        self.stdout.write(f"The token {token.name}, with the role {role}: {text}")
