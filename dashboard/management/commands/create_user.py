"""`manage.py create_user NAME --role R`: a person with a password."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from getpass import getpass
from pathlib import Path
from typing import Any

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.management.base import CommandError

from dashboard import audit
from dashboard.management.base import DataCommand
from dashboard.models import Role, User
from dashboard.people import add_person


class Command(DataCommand):
    help = (
        "Add a person with a password. It is asked for twice on a terminal; elsewhere give --password-file, or write "
        "it to standard input. It is never an argument: other people on this machine can read those."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help="the name to sign in with")
        parser.add_argument("--role", choices=Role.values, required=True, help="what the person may do")
        parser.add_argument("--password-file", metavar="FILE", type=Path, help="read the password from its first line")

    def handle(self, *args: Any, name: str, role: str, password_file: Path | None, **options: Any) -> None:
        if User.objects.filter(username__iexact=name.strip()).exists():
            raise CommandError(f"A person named {name} exists already.")
        password = self._password(password_file)
        try:
            validate_password(password, User(username=name))
            person = add_person(name, role, password)
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from None
        except ValueError as error:
            raise CommandError(str(error)) from None
        audit.record("command line", "add person", person.username, role=role)
        self.stdout.write(f"{person.username} can sign in, with the role {role}.")

    def _password(self, file: Path | None) -> str:
        if file is not None:
            try:
                lines = file.read_text().splitlines()
            except (OSError, UnicodeDecodeError) as error:
                raise CommandError(f"The password cannot be read from {file}: {error}.") from None
        elif sys.stdin.isatty():
            return self._ask()
        else:
            lines = sys.stdin.read().splitlines()
        if not lines or not lines[0]:
            raise CommandError("There is no password in the first line of what was given.")
        return lines[0]

    def _ask(self) -> str:
        try:
            password, again = getpass("Password: "), getpass("Again: ")
        except (EOFError, KeyboardInterrupt):
            raise CommandError("No password was given; nothing was done.") from None
        if password != again:
            raise CommandError("The two passwords differ; nothing was done.")
        return password
