"""System checks: settings that work but are not safe. `manage.py check` shows them."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register

LEAST_KEY = 16


@register(Tags.security)
def keys_are_long(**kwargs: Any) -> list[CheckMessage]:
    """A key that can be guessed encrypts nothing. Empty ones are refused when they are used."""
    found: list[CheckMessage] = []
    for n, key in enumerate(settings.WEIR_ENCRYPTION_KEYS, start=1):
        if len(key) < LEAST_KEY:
            sentence = f"Key {n} of WEIR_ENCRYPTION_KEY is shorter than {LEAST_KEY} characters and could be guessed."
            found.append(Error(sentence, hint="Make one: openssl rand -base64 36", id="weir.E001"))
    if not settings.WEIR_ENCRYPTION_KEYS:
        found.append(Error("WEIR_ENCRYPTION_KEY holds no key.", hint="Unset it to have one made.", id="weir.E002"))
    return found


@register(Tags.security, deploy=True)
def strangers_stay_out(**kwargs: Any) -> list[CheckMessage]:
    """What is said of a deployment only (`check --deploy`)."""
    found: list[CheckMessage] = []
    if "*" in settings.ALLOWED_HOSTS:
        sentence = "WEIR_ALLOWED_HOSTS lets any host name in: links and origins can then be forged."
        found.append(Warning(sentence, hint="Name the hosts that people type.", id="weir.W001"))
    public = urlsplit(settings.WEIR_PUBLIC_URL)
    if public.scheme == "http" and public.hostname not in ("localhost", "127.0.0.1", "::1"):
        sentence = "WEIR_PUBLIC_URL is plain http: passwords and sessions can be read on the way."
        found.append(Warning(sentence, hint="End TLS in a proxy in front, and give its https address.", id="weir.W002"))
    return found
