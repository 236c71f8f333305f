"""`manage.py apply FILE`: bring brokers, rules, notifiers, silences and tags in line with a TOML file."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError

from dashboard import audit
from dashboard.applying import FileRefused, apply, read
from dashboard.live.bus import the_bus
from dashboard.management.base import DataCommand


class Command(DataCommand):
    help = (
        "Bring brokers, notifiers, rules, silences and tags in line with a TOML file, and show every difference: "
        "+ new, ~ another, - taken away. "
        "All of it is done or nothing. What a file manages is read-only on the page. Exit code 0 only when it is done."
    )
    migrates = True

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, help="the TOML file (README, 'A file of brokers, alerts and tags')")
        parser.add_argument("--dry-run", action="store_true", help="show the difference and change nothing")
        parser.add_argument("--json", action="store_true", help="one JSON object instead of lines")

    def handle(self, *args: Any, file: Path, dry_run: bool, **options: Any) -> None:
        try:
            text = file.read_text()
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is not text"
            raise CommandError(f"{file} cannot be read: {why}.") from None
        try:
            changes = apply(read(text), dry_run)
        except FileRefused as refused:
            raise CommandError("\n".join(f"{file}, {mistake}" for mistake in refused.mistakes)) from None
        if changes and not dry_run:
            audit.record("command line", "apply", file.name, changes=[str(change) for change in changes][:200])
            the_bus().note("brokers_changed")
        if options["json"]:
            listed = [{"sign": change.sign, "words": change.words} for change in changes]
            self.stdout.write(json.dumps({"dry_run": dry_run, "changes": listed}))
            return
        for change in changes:
            self.stdout.write(str(change))
        many = f"{len(changes)} change{'s' if len(changes) != 1 else ''}"
        nothing = "Nothing to change: all is as the file says."
        self.stdout.write(nothing if not changes else f"{many} to be made." if dry_run else f"{many} made.")
