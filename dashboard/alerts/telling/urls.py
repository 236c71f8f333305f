"""The URLs of notifiers: Apprise's, from an allow-list. What of them may be shown, and what is a secret.

Apprise can also run programs and write files by URL; none of that is on the list.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

#: Ways with texts of Weir's own, and what each needs, for people.
OWN = {
    "mailto": "mailto://user:password@smtp.example.com?from=weir@example.com&to=you@example.com",
    "mailtos": "mailtos://user:password@smtp.example.com?from=weir@example.com&to=you@example.com",
    "slack": "slack://TokenA/TokenB/TokenC/#channel",
    "pagerduty": "pagerduty://INTEGRATION_KEY@API_KEY/",
    "json": "json://host:port/path?secret=...",
    "jsons": "jsons://host/path?secret=...",
}
#: Ways that get a plain text, by Apprise, each to an address of the service's own.
PLAIN = (
    "discord", "tgram", "opsgenie", "pover", "gchat", "wxteams", "webex", "zulip", "twilio", "signl4", "splunk",
    "victorops", "pagertree", "msteams", "pbul", "spontit", "sendgrid", "mailgun", "ses", "sns", "dingtalk", "lark",
    "feishu", "line", "ifttt", "prowl", "pushy", "simplepush", "vonage", "messagebird", "clicksend", "httpsms",
)  # fmt: skip
SCHEMES = (*OWN, *PLAIN)
_LONGEST = 2000


class BadNotifier(ValueError):
    """A URL that cannot be used; the message is one sentence and holds nothing of the URL but its scheme."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where a notifier sends. `plugin` is what Apprise made of the URL."""

    scheme: str
    safe: str
    url: str = field(repr=False)
    plugin: Any = field(repr=False)
    host: str = ""
    port: int = 0
    secret: str = field(default="", repr=False)


def parse(url: str) -> Target:
    """Read a URL. Raises BadNotifier. Nothing is connected to."""
    from apprise import Apprise  # half a second of start that only who tells has to pay

    url = url.strip()
    scheme = url.partition("://")[0].lower()
    if "://" not in url or len(url) > _LONGEST or not url.isprintable():
        raise BadNotifier(f"A notifier is an Apprise URL such as {OWN['slack']} or {OWN['jsons']}.")
    if scheme not in SCHEMES:
        raise BadNotifier(f"'{scheme[:30]}' is not a way of telling here; there are {', '.join(SCHEMES)}.")
    try:
        parts = urlsplit(url)
        secret = parse_qs(parts.query).get("secret", [""])[0]
        port = parts.port or _PORTS.get(scheme, 0)
        plugin: Any = Apprise.instantiate(url, suppress_exceptions=False)
    except (TypeError, ValueError, AttributeError) as error:
        raise BadNotifier(_unusable(scheme)) from error
    if plugin is None:
        raise BadNotifier(_unusable(scheme))
    if scheme in ("mailto", "mailtos") and not plugin.targets:
        raise BadNotifier(f"This {scheme} URL names nobody to write to: add ?to=you@example.com.")
    return Target(scheme, safe_url(scheme, plugin, parts.hostname or ""), url, plugin,
                  unquote(parts.hostname or ""), port, secret)  # fmt: skip


_PORTS = {"json": 80, "jsons": 443}


def safe_url(scheme: str, plugin: Any, host: str) -> str:
    """What may be shown of a notifier: enough to know it again, no path, no token, no password."""
    if scheme in ("mailto", "mailtos"):
        people = ", ".join(address for _, address in plugin.targets)
        return f"{scheme}://{plugin.smtp_host} to {people}"[:300]
    if scheme in ("json", "jsons"):
        return f"{scheme}://{host}/…"[:300]
    if scheme == "slack":
        return f"slack://… {' '.join(plugin.channels or [])}".strip()[:300]
    return f"{scheme}://…"


def _unusable(scheme: str) -> str:
    example = OWN.get(scheme)
    return f"This {scheme} URL is not complete" + (
        f"; it looks like {example}." if example else " (see Apprise's page)."
    )
