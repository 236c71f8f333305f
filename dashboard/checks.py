"""System checks: settings that work but are not safe. `manage.py check` shows them."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Tags, Warning, register


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
