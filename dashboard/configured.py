"""Brokers that are not managed on the page: from `WEIR_BROKERS` and from `--broker`.

Who manages a broker, the strongest first: the command line, the environment, a file (`applying`), the page. Each
takes over what a weaker one has under the same URL or name, and what is managed elsewhere is read-only on the page.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from collectors import registry
from collectors.errors import CollectorError

from .brokers import MANAGED_ELSEWHERE, BrokerRefused, save_broker
from .models import Broker
from .secrets import SecretError, decrypt

log = logging.getLogger("weir.brokers")

Managed = Broker.Managed
WHERE = {Managed.ENVIRONMENT: "WEIR_BROKERS", Managed.COMMAND_LINE: "--broker"}


def settle(
    urls: Sequence[str], managed: str, interval: float | None = None, above: Sequence[Broker] = ()
) -> list[Broker]:
    """Bring the brokers of one manager in line with `urls`.

    A broker that is there under the same URL or name is taken over, whoever managed it; save those of `above`, which
    a stronger manager has: they are left to it, with a line in the log. One that is no longer named keeps its
    history: it is paused, and from now on managed on the page.
    Raises ImproperlyConfigured with a sentence on a wrong URL.
    """
    where = WHERE[managed]
    kept: list[Broker] = []
    known = {_url(broker): broker for broker in Broker.objects.all()}
    for text in urls:
        try:
            url = registry.parse(text)
            broker = known.get(text) or Broker.objects.filter(name=url.label).first()
            if broker is not None and broker in above:
                log.warning("%s is managed %s; the one of %s is left aside.", broker.name, _by(broker), where)
                continue
            if broker is not None and broker in kept and _url(broker) != text:
                broker = None  # two of one name: refused below
            if broker is not None and broker.managed_by != managed:
                log.info("%s was managed %s, and is now managed by %s.", broker.name, _by(broker), where)
                broker.paused = False
            acting = None if broker is None or _url(broker) == text else ""  # it was given for another URL
            every = url.interval or interval
            kept.append(save_broker(text, managed_by=managed, interval=every, broker=broker, acting_url=acting))
        except (CollectorError, BrokerRefused) as error:
            apart = " Tell them apart in their URLs, with name=." if getattr(error, "field", "") == "name" else ""
            raise ImproperlyConfigured(f"{where}: {error}{apart}") from None
    left = Broker.objects.filter(managed_by=managed).exclude(id__in=[broker.id for broker in kept])
    left.update(managed_by=Managed.PAGE, paused=True)
    return kept


def _by(broker: Broker) -> str:
    return MANAGED_ELSEWHERE.get(broker.managed_by, "on the page")


def _url(broker: Broker) -> str:
    try:
        return decrypt(broker.secret_url)
    except SecretError:  # written with a key that is lost: its own page says so
        return ""


def from_environment(above: Sequence[Broker] = ()) -> list[Broker]:
    """The brokers of WEIR_BROKERS; those of the command line stand above them."""
    return settle(settings.WEIR_BROKERS, Managed.ENVIRONMENT, above=above)
