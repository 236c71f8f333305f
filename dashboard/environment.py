"""Settings come from the environment; each is read and checked here, once, at start.

A wrong value stops the start with one sentence that names the variable.
"""

from __future__ import annotations

import os
import re
import secrets
from fcntl import LOCK_EX, flock
from pathlib import Path
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

_DURATION = re.compile(r"^(\d+)([smhd])$")
_SIZE = re.compile(r"^(\d+)([KMGT])B?$")
_BYTES = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
LEAST_KEY = 16  # characters
LONGEST = 36_500 * 86_400  # seconds
_UNIT = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def text(name: str, default: str = "") -> str:
    """A variable, white space taken off. One that is empty is not set: so files of containers have it."""
    return os.environ.get(name, "").strip() or default


def secret(name: str) -> str:
    """A variable that is a secret: `NAME_FILE` may hold the path of a file with it."""
    path = os.environ.get(f"{name}_FILE")
    if not path:
        return text(name)
    return _read(f"{name}_FILE", Path(path))


def _read(name: str, path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError as error:
        raise ImproperlyConfigured(f"{name} points to {path}, which cannot be read: {error.strerror}.") from None
    except ValueError:
        raise ImproperlyConfigured(f"{name} points to {path}, which cannot be read: it is not text.") from None


def flag(name: str, default: bool = False) -> bool:
    value = text(name).lower()
    if value in ("", "1", "true", "yes", "on", "0", "false", "no", "off"):
        return default if not value else value in ("1", "true", "yes", "on")
    raise ImproperlyConfigured(f"{name} is '{value}'; it must be true or false.")


def choice(name: str, allowed: tuple[str, ...], default: str) -> str:
    value = text(name, default)
    for one in allowed:
        if value.lower() == one.lower():
            return one
    raise ImproperlyConfigured(f"{name} is '{value}'; it must be one of {', '.join(allowed)}.")


def duration(name: str, default: str) -> int:
    """A duration such as 48h or 30d, in seconds."""
    return seconds(name, text(name, default))


def seconds(name: str, value: str) -> int:
    """A duration such as 48h or 30d in seconds; `name` is what it was given as, for the sentence that refuses it."""
    match = _DURATION.match(value)
    if not match or int(match[1]) == 0:
        raise ImproperlyConfigured(f"{name} is '{value}'; write a duration such as 90m, 48h or 30d.")
    if (found := int(match[1]) * _UNIT[match[2]]) > LONGEST:
        raise ImproperlyConfigured(f"{name} is '{value}'; at most a hundred years (36500d) are taken.")
    return found


def size(name: str) -> int | None:
    """A number of bytes such as 500M or 10G (powers of 1024), None when it is not set."""
    value = text(name)
    if not value:
        return None
    match = _SIZE.match(value.upper())
    if not match or int(match[1]) == 0:
        raise ImproperlyConfigured(f"{name} is '{value}'; write a size such as 500M or 10G.")
    return int(match[1]) * _BYTES[match[2]]


def url(name: str, schemes: tuple[str, ...], bare: bool = False) -> str:
    """A URL of one of `schemes`, or nothing; `bare`: of a host and a path alone. The sentence never shows the value: it
    may hold a password."""
    value = secret(name)
    if not value:
        return ""
    try:
        parts = urlsplit(value)
        usable = parts.scheme in schemes and bool(parts.netloc or parts.path)
        usable = usable and not (bare and (parts.query or parts.fragment or parts.username or not parts.hostname))
        _ = parts.port
    except ValueError:
        usable = False
    if not usable:
        only = ", then a host and perhaps a path, nothing else" if bare else ""
        starts = " or ".join(f"{scheme}://" for scheme in schemes)
        raise ImproperlyConfigured(f"{name} must be a URL that starts with {starts}{only}.")
    return value


def folder(name: str, default: str) -> Path:
    """A folder, made (mode 700) when absent."""
    path = Path(text(name, default)).expanduser().absolute()
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ImproperlyConfigured(f"{name} is {path}, which cannot be made: {error.strerror}.") from None
    if not os.access(path, os.W_OK):
        raise ImproperlyConfigured(f"{name} is {path}, which cannot be written to.")
    return path


def keys(name: str, text: str) -> list[str]:
    """The keys of a secret, separated by white space. One that can be guessed keeps nothing secret."""
    found = text.split()
    for n, key in enumerate(found, start=1):
        if len(key) < LEAST_KEY:
            raise ImproperlyConfigured(
                f"Key {n} of {name} is shorter than {LEAST_KEY} characters and could be guessed; "
                "make one with: openssl rand -base64 36"
            )
    if not found:
        raise ImproperlyConfigured(f"{name} holds no key; unset it to have one made.")
    return found


def kept_secret(name: str, path: Path, make: bool) -> str:
    """A secret from the environment, else from the data folder, where it is made once with mode 600."""
    value = secret(name)
    if value:
        return value
    if path.exists():
        return _read(name, path)
    if not make:
        raise ImproperlyConfigured(
            f"{name} must be set when the database is PostgreSQL: every process needs the same one."
        )
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        flock(folder, LOCK_EX)  # of two first processes one waits for the other
        if not path.exists():
            _write_at_once(path, secrets.token_urlsafe(48) + "\n")
    finally:
        os.close(folder)
    return _read(name, path)


def _write_at_once(path: Path, text: str) -> None:
    """A file of mode 600 that is there as a whole or not at all, for who reads it and when this process is killed."""
    new = path.with_name(f"{path.name}.new")
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
    new.replace(path)
