"""Where journals and kept copies lie."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path

from django.conf import settings


def journal_path(own: str) -> Path:
    """Where the journal of a replay lies."""
    return Path(settings.WEIR_DATA) / "replays" / f"{own}.sqlite"


def place() -> str:
    """The name of this data folder: journals lie in it, and only its workers can go on with them."""
    path = Path(settings.WEIR_DATA) / "replays" / "place"
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not path.exists():
        made = path.with_name(f"place.{os.getpid()}.{secrets.token_hex(4)}")
        made.write_text(secrets.token_hex(8))
        with suppress(FileExistsError):  # another process was first
            os.link(made, path)
        made.unlink()
    return path.read_text().strip()
