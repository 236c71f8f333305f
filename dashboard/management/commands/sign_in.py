"""`manage.py sign_in NAME`: a new link that signs a person in once."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.management.base import CommandError

from dashboard import audit
from dashboard.management.base import DataCommand, port
from dashboard.models import User
from dashboard.people import sign_in_path


class Command(DataCommand):
    help = "Print a link that signs a person in once, within ten minutes. Links made before no longer work."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help="whom the link signs in")
        parser.add_argument(
            "--port", type=port, default=8000, help="where Weir listens, when WEIR_PUBLIC_URL is not set (default 8000)"
        )

    def handle(self, *args: Any, name: str, port: int, **options: Any) -> None:
        person = User.objects.filter(username=name).first()
        if person is None:
            names = ", ".join(
                User.objects.filter(is_active=True).order_by("username").values_list("username", flat=True)
            )
            known = f"there are {names}" if names else "add one with: manage.py create_user NAME --role admin"
            raise CommandError(f"There is no person named {name}; {known}.")
        if not person.is_active:
            raise CommandError(f"{name} is deactivated; let them in again on the settings page first.")
        public = urlsplit(settings.WEIR_PUBLIC_URL)
        root = f"{public.scheme}://{public.netloc}" if public.netloc else f"http://127.0.0.1:{port}"
        link = root + sign_in_path(person)
        audit.record("command line", "make sign-in link", person.username)
        self.stdout.write(link)
