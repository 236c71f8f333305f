"""Encryption at rest: broker URLs, which hold passwords, and bodies of letters are kept encrypted in the database.

The keys are `WEIR_ENCRYPTION_KEY` (several, for rotation): the first one writes, all of them can read.
Each is stretched to a Fernet key by HKDF-SHA256 (RFC 5869), so that any long text serves as a key.
"""

from __future__ import annotations

import base64
from functools import lru_cache

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

_PURPOSE = b"weir: secrets at rest"


class SecretError(Exception):
    """A secret cannot be read; the message is one sentence for a person and holds no secret."""


def encrypt(text: str) -> str:
    """The text under the newest key, as text fit for a database column."""
    return _cipher().encrypt(text.encode()).decode()


def decrypt(text: str) -> str:
    """What `encrypt` was given. Raises SecretError when none of the keys fits."""
    try:
        return _cipher().decrypt(text.encode()).decode()
    except InvalidToken:
        raise SecretError(
            "A stored secret cannot be read with the keys in WEIR_ENCRYPTION_KEY; "
            "add the key it was written with behind the new one, or enter the secret again."
        ) from None


def encrypt_bytes(data: bytes) -> bytes:
    """As `encrypt`, for what is no text."""
    return _cipher().encrypt(data)


def decrypt_bytes(data: bytes) -> bytes:
    """What `encrypt_bytes` was given. Raises SecretError when none of the keys fits."""
    try:
        return _cipher().decrypt(data)
    except InvalidToken:
        raise SecretError("What was kept cannot be read with the keys in WEIR_ENCRYPTION_KEY.") from None


def _cipher() -> MultiFernet:
    keys = tuple(settings.WEIR_ENCRYPTION_KEYS)
    if not keys:
        raise ImproperlyConfigured("WEIR_ENCRYPTION_KEY is empty; unset it to have a key made in the data folder.")
    return _ciphers(keys)


@lru_cache(maxsize=4)
def _ciphers(keys: tuple[str, ...]) -> MultiFernet:
    return MultiFernet([Fernet(_stretched(key)) for key in keys])


def _stretched(key: str) -> bytes:
    raw = HKDF(algorithm=SHA256(), length=32, salt=None, info=_PURPOSE).derive(key.encode())
    return base64.urlsafe_b64encode(raw)
