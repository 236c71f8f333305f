"""What a file says of brokers and tags, and bringing them in line with it: `manage.py apply`."""

from __future__ import annotations

from .changes import Change, apply
from .reading import Declared, FileRefused, read

__all__ = ["Change", "Declared", "FileRefused", "apply", "read"]
