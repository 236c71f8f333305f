#!/usr/bin/env python
"""Weir's command line: `manage.py up` is the whole product, `manage.py help` lists the rest."""

from __future__ import annotations

import os
import sys


def data_folder(arguments: list[str]) -> str | None:
    """`--data DIR`, which has to be known before the settings are read."""
    for i, argument in enumerate(arguments):
        if argument == "--data" and i + 1 < len(arguments):
            return arguments[i + 1]
        if argument.startswith("--data="):
            return argument.removeprefix("--data=")
    return None


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dashboard.settings")
    folder = data_folder(sys.argv[2:])
    if folder:
        os.environ["WEIR_DATA"] = folder
    try:
        from django.core.exceptions import ImproperlyConfigured
        from django.core.management import execute_from_command_line
    except ImportError as error:
        sys.exit(f"Weir is not installed in this Python ({error}). Run: pip install -e '.[demo]'")
    try:
        from django.conf import settings

        settings.configured or settings.DEBUG  # noqa: B018 - reads the settings: a wrong one stops here, in a sentence
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
