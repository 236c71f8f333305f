"""Adding and changing a broker, the same for the page, the API, the command line and the environment.

The URL holds a password: it is kept encrypted, and `keep_password` lets a person change the harmless part of
a URL without typing the password again.
"""

from __future__ import annotations

from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from django.db import IntegrityError, transaction

from collectors import registry
from collectors.errors import BadURL, CollectorError
from collectors.url import COMMON, BrokerURL

from .models import Broker
from .secrets import SecretError, decrypt, encrypt

DEFAULT_INTERVAL, LEAST_INTERVAL, LONGEST_INTERVAL = 10.0, 1.0, 3600.0
HIDDEN = "•••"
LONGEST_URL = 2000
#: Who else manages a broker, in words; a broker that is managed there is read-only here.
MANAGED_ELSEWHERE = {
    Broker.Managed.ENVIRONMENT: "by the environment (WEIR_BROKERS)",
    Broker.Managed.COMMAND_LINE: "by the command line (--broker)",
    Broker.Managed.APPLY: "by a file (manage.py apply)",
    Broker.Managed.DEMO: "by the demo",
}


class BrokerRefused(ValueError):
    """A broker cannot be saved like this. `field` names what is wrong, `conflict` that something is in the way."""

    def __init__(self, field: str, sentence: str, conflict: bool = False) -> None:
        super().__init__(sentence)
        self.field, self.conflict = field, conflict


def url_of(broker: Broker) -> BrokerURL:
    """The whole URL of a broker, password included. Raises SecretError (wrong key), CollectorError (kind, grammar)."""
    return registry.parse(decrypt(broker.secret_url))


def acting_url_of(broker: Broker) -> BrokerURL | None:
    """The URL for looking and replaying, password included; None where polling's own serves. Raises as `url_of`."""
    return registry.parse(decrypt(broker.secret_acting_url)) if broker.secret_acting_url else None


def kind_of(url: BrokerURL) -> str:
    """ "rabbitmq", "redis" ...: the word for the page and the API."""
    return registry.NAMES[url.scheme].lower()


def read_url(text: str, known: BrokerURL | None = None) -> BrokerURL:
    """A URL that a person typed, with the hidden password of the `known` one put back. Raises BrokerRefused."""
    try:
        if known is not None and HIDDEN in text:
            text = keep_password(text, known)
        if HIDDEN in text:
            raise BadURL(f"Write the password where the URL has {HIDDEN}.")
        return registry.check(text)
    except CollectorError as error:
        raise BrokerRefused("url", str(error)) from error


def save_broker(
    url_text: str,
    name: str = "",
    managed_by: str = Broker.Managed.PAGE,
    interval: float | None = None,
    look_only: bool | None = None,
    paused: bool | None = None,
    broker: Broker | None = None,
    acting_url: str | None = None,
) -> Broker:
    """Check everything, then add a broker, or change `broker`. Raises BrokerRefused; nothing is connected.

    `acting_url`: the same broker with a stronger credential, for looking and replaying; "" = none any more.
    `name`, `interval` (seconds) and `look_only` default to what the URL says, then to what `broker` has, then to
    the host's name, 10 and false. `revision` rises, so that a collector connects anew.
    """
    url = read_url(url_text, url_of(broker) if broker and HIDDEN in url_text else None)
    row = broker or Broker()
    row.managed_by = managed_by
    row.name = _name(name or url.get("name") or row.name or url.label)
    row.kind, row.safe_url = kind_of(url), url.safe
    row.secret_url = encrypt(url.text)
    said = interval if interval is not None else url.interval
    row.interval = checked_interval(said if said is not None else broker.interval if broker else DEFAULT_INTERVAL)
    if look_only is not None:
        row.look_only = look_only
    elif url.get("look_only"):
        row.look_only = url.get_bool("look_only")
    row.paused = row.paused if paused is None else paused
    _set_acting_url(row, url, acting_url)
    row.revision += 1
    return _save(row)


def _set_acting_url(row: Broker, url: BrokerURL, text: str | None) -> None:
    if text == "":
        row.secret_acting_url = row.safe_acting_url = ""
        return
    try:
        known = acting_url_of(row) if text is None or HIDDEN in text else None
        acting = known if text is None else read_url(text, known)
    except BrokerRefused as refused:
        raise BrokerRefused("acting_url", str(refused)) from refused
    except (SecretError, CollectorError) as error:
        raise BrokerRefused("acting_url", str(error)) from error
    if acting is None:
        return
    if (kind_of(acting), acting.hosts, acting.path.rstrip("/")) != (kind_of(url), url.hosts, url.path.rstrip("/")):
        raise BrokerRefused(
            "acting_url",
            "The URL for looking and replaying must lead to the same broker as the one for polling: "
            "only user, password and parameters may differ.",
        )
    row.secret_acting_url, row.safe_acting_url = encrypt(acting.text), acting.safe


def pause_broker(broker: Broker, paused: bool) -> Broker:
    """Stop or start polling a broker; also allowed where the rest is managed elsewhere."""
    broker.paused = paused
    broker.revision += 1
    broker.save(update_fields=["paused", "revision"])
    return broker


def refuse_managed(broker: Broker) -> None:
    """Raise BrokerRefused (conflict) for a broker that is configured elsewhere and read-only here."""
    where = MANAGED_ELSEWHERE.get(broker.managed_by)
    if where:
        raise BrokerRefused("", f"{broker.name} is managed {where} and cannot be changed here.", conflict=True)


def keep_password(text: str, old: BrokerURL) -> str:
    """`text`, which shows the password of `old` as •••, with the password in its place.

    Only the parameters that all kinds understand may differ: a password never goes to an address that its owner
    did not type it for. Raises BadURL.
    """
    new = BrokerURL.parse(text)
    if _address(new) != _address(old) or bool(old.password) != (new.password == HIDDEN):
        raise BadURL(f"The address or a password changed: write every password in place of {HIDDEN}.")
    kept = [(k, v) for k, v in old.parameters if k not in COMMON]
    common = [(k, v) for k, v in new.parameters if k in COMMON]
    return urlunsplit(urlsplit(old.text)._replace(query=urlencode(kept + common)))


def without(text: str, name: str) -> str:
    """A broker URL without one of its parameters."""
    parts = urlsplit(text)
    kept = [(k, v) for k, v in parse_qsl(parts.query, keep_blank_values=True) if k != name]
    return urlunsplit(parts._replace(query=urlencode(kept)))


def excluding(url: BrokerURL, glob: str, out: bool) -> str:
    """A broker URL with this glob among those of exclude=, or without it."""
    parts = urlsplit(url.text)
    kept = [(k, v) for k, v in parse_qsl(parts.query, keep_blank_values=True) if k != "exclude"]
    globs = [one for one in url.get_all("exclude") if one != glob] + ([glob] if out else [])
    return urlunsplit(parts._replace(query=urlencode([*kept, *([("exclude", ",".join(globs))] if globs else [])])))


def _address(url: BrokerURL) -> str:
    """The URL as shown, without the parameters that all kinds understand, in one order."""
    parameters = tuple(sorted(p for p in url.parameters if p[0] not in COMMON))
    shown = BrokerURL(url.text, url.scheme, url.user, HIDDEN, url.hosts, url.path.rstrip("/"), parameters)
    return shown.safe


def _name(name: str) -> str:
    name = name.strip()
    if not name or len(name) > 100 or not name.isprintable():
        raise BrokerRefused("name", "A broker needs a name of at most 100 printable characters.")
    return name


def checked_interval(interval: float) -> float:
    """Seconds between two polls. Raises BrokerRefused beyond bounds."""
    if not LEAST_INTERVAL <= interval <= LONGEST_INTERVAL:
        raise BrokerRefused(
            "interval", f"The interval is {interval:g} s; it must be from {LEAST_INTERVAL:g} to {LONGEST_INTERVAL:g} s."
        )
    return float(interval)


def _save(row: Broker) -> Broker:
    try:
        with transaction.atomic():
            row.save()
    except IntegrityError:
        raise BrokerRefused("name", f"A broker named {row.name} exists already.", conflict=True) from None
    return row
