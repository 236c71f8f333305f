"""Brokers that are not managed on the page: from `WEIR_BROKERS`, from `--broker`, found nearby, the demo."""

from __future__ import annotations

from collections.abc import Sequence

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from collectors import registry
from collectors.errors import CollectorError

from .brokers import BrokerRefused, save_broker
from .models import Broker
from .secrets import SecretError, decrypt

Managed = Broker.Managed


def settle(urls: Sequence[str], managed: str, interval: float | None = None) -> list[Broker]:
    """Bring the brokers of one manager in line with `urls`.

    One that is no longer named keeps its history: it is paused, and from now on managed on the page.
    Raises ImproperlyConfigured with a sentence on a wrong URL.
    """
    where = "WEIR_BROKERS" if managed == Managed.ENVIRONMENT else "--broker"
    kept = []
    known = {_url(broker): broker for broker in Broker.objects.all()}
    for text in urls:
        try:
            url = registry.parse(text)
            broker = known.get(text) or Broker.objects.filter(name=url.label, managed_by=managed).first()
            if broker is not None:
                broker.managed_by, broker.paused = managed, False
            kept.append(save_broker(text, managed_by=managed, interval=url.interval or interval, broker=broker))
        except (CollectorError, BrokerRefused) as error:
            raise ImproperlyConfigured(f"{where}: {error}") from None
    left = Broker.objects.filter(managed_by=managed).exclude(id__in=[broker.id for broker in kept])
    left.update(managed_by=Managed.PAGE, paused=True)
    return kept


def _url(broker: Broker) -> str:
    try:
        return decrypt(broker.secret_url)
    except SecretError:  # written with a key that is lost: its own page says so
        return ""


def from_environment() -> list[Broker]:
    """The brokers of WEIR_BROKERS."""
    return settle(settings.WEIR_BROKERS, Managed.ENVIRONMENT)
