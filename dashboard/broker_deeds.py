"""Adding, changing, pausing and deleting a broker as somebody's deed: audited, and told to every process.

Pages and API come through here, so that neither forgets either. `brokers.py` has the checks.
"""

from __future__ import annotations

import logging
from threading import Thread
from typing import Any

from django.db import transaction

from collectors.errors import CollectorError
from collectors.url import BrokerURL, glob_of

from . import audit
from .access import Principal
from .broker_check import Answer, check_broker
from .brokers import (
    LONGEST_URL,
    BrokerRefused,
    acting_url_of,
    excluding,
    pause_broker,
    refuse_managed,
    save_broker,
    url_of,
    without,
)
from .live.bus import the_bus
from .models import Broker, Queue
from .samples import the_store
from .secrets import SecretError
from .store.base import Store, StoreError

log = logging.getLogger("weir.brokers")


def add(principal: Principal, url: str, **fields: Any) -> Broker:
    """A new broker. Raises BrokerRefused."""
    broker = save_broker(url, **fields)
    _done(principal, "add broker", broker, url=broker.safe_url)
    return broker


def change(principal: Principal, broker: Broker, url: str, **fields: Any) -> Broker:
    """Another URL, name, interval ... Raises BrokerRefused, also for what is managed elsewhere."""
    refuse_managed(broker)
    before = broker.name
    broker = save_broker(url, broker=broker, **fields)
    renamed = {"before": before} if before != broker.name else {}
    _done(principal, "change broker", broker, url=broker.safe_url, **renamed)
    return broker


def pause(principal: Principal, broker: Broker, paused: bool) -> Broker:
    """Stop polling, or go on; queues and history stay."""
    pause_broker(broker, paused)
    _done(principal, "pause broker" if paused else "resume broker", broker)
    return broker


def ignore(principal: Principal, queue: Queue, ignored: bool) -> None:
    """Leave a queue out of the polls of its broker, by exclude= of the URL, or take it in again; its history stays.

    Raises BrokerRefused, also for what is managed elsewhere.
    """
    with transaction.atomic():
        broker = Broker.objects.select_for_update().get(pk=queue.broker_id)
        refuse_managed(broker)
        url = _url(broker)
        if ignored and not url.wants(queue.name):
            return
        text = excluding(url, glob_of(queue.name), ignored)
        if len(text) > LONGEST_URL:
            sentence = f"The URL of {broker.name} names too many queues: write a glob in it, such as exclude=tmp-*."
            raise BrokerRefused("ignored", sentence, conflict=True)
        if not ignored and not BrokerURL.parse(text).wants(queue.name):
            sentence = f"include= or exclude= of the URL of {broker.name} leaves {queue.name} out; change it there."
            raise BrokerRefused("ignored", sentence, conflict=True)
        as_it_was = {"name": broker.name, "interval": broker.interval, "look_only": broker.look_only}
        save_broker(text, broker=broker, managed_by=broker.managed_by, **as_it_was)
    audit.record(principal.who, "ignore queue" if ignored else "watch queue", queue.name, broker=broker.name)
    the_bus().note("brokers_changed")


def is_ignored(queue: Queue) -> bool:
    """Whether the URL of its broker leaves the queue out; as far as that can be read."""
    try:
        return not url_of(queue.broker).wants(queue.name)
    except (SecretError, CollectorError):
        return False


def keep(principal: Principal, broker: Broker) -> Broker:
    """Confirm a broker that `up` found on this machine: it is managed on the page, and no longer look-only."""
    if broker.managed_by != Broker.Managed.FOUND:
        raise BrokerRefused("", f"{broker.name} needs no confirmation.", conflict=True)
    broker = save_broker(without(_url(broker).text, "look_only"), broker=broker, look_only=False)
    _done(principal, "keep broker", broker)
    return broker


def delete(principal: Principal, broker: Broker) -> dict[str, int]:
    """Delete a broker with its queues and samples; how many of each. Raises BrokerRefused.

    The samples of many queues take a while to go: that happens behind the request's back, and what a killed
    process leaves of them is nobody's and ends with its retention.
    """
    refuse_managed(broker)
    return _delete(principal, broker)


def end_demo(principal: Principal) -> None:
    """Show the demo's brokers no more; the embedded servers themselves end with `up`."""
    for broker in Broker.objects.filter(managed_by=Broker.Managed.DEMO):
        _delete(principal, broker)


def _delete(principal: Principal, broker: Broker) -> dict[str, int]:
    gone, id = belongings(broker), broker.pk
    with transaction.atomic():  # a collector that finds more queues meanwhile waits, and then finds no broker
        Broker.objects.select_for_update().filter(pk=id).first()
        broker.delete()
    broker.pk = id
    _done(principal, "delete broker", broker, **gone)
    the_bus().note("broker_deleted", broker=id)
    Thread(target=_forget, args=(the_store(), id), name="forget-broker", daemon=True).start()
    return gone


def check(principal: Principal, broker: Broker) -> Answer:
    """Try a saved broker again, and have the collector poll it now. Raises BrokerRefused when its URL is unreadable."""
    answer = check_broker(_url(broker), acting=_acting_url(broker), look_only=broker.look_only)
    audit.record(principal.who, "check broker", broker.name, result="works" if answer.ok else "fails")
    the_bus().note("poll_now", broker=broker.pk)
    return answer


def belongings(broker: Broker) -> dict[str, int]:
    """How many queues a broker has, and how many polls of it are kept."""
    return {"queues": broker.queues.count(), "polls": the_store().extent(broker.pk)[0]}


def _url(broker: Broker) -> BrokerURL:
    try:
        return url_of(broker)
    except (SecretError, CollectorError) as error:
        raise BrokerRefused("url", str(error), conflict=True) from error


def _acting_url(broker: Broker) -> BrokerURL | None:
    try:
        return acting_url_of(broker)
    except (SecretError, CollectorError) as error:
        raise BrokerRefused("acting_url", str(error), conflict=True) from error


def _done(principal: Principal, action: str, broker: Broker, **details: Any) -> None:
    audit.record(principal.who, action, broker.name, **details)
    the_bus().note("brokers_changed")


def _forget(store: Store, broker: int) -> None:
    try:
        store.forget(broker)
    except StoreError as error:
        log.warning("The samples of a deleted broker stay until their retention ends: %s", error)
