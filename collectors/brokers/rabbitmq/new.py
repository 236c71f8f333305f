"""One message, sent and confirmed: a new one, its properties out of texts; or one that is put back as it was."""

from __future__ import annotations

from collections.abc import Mapping
from struct import pack
from typing import Any

from collectors.errors import BadAnswer, NotSupported, TimedOut
from collectors.letters import Destination, Letter, Outcome
from collectors.url import BrokerURL

from .copies import RENEWING
from .fields import HEADERS, KINDS, Fields, entry, in_order, written
from .lease import target_of
from .letters import KEPT_CC
from .sending import Posted, Sender, Target

#: What the broker sets, or refuses unless it is the connection's own.
_NOT_OURS = ("user_id", "cluster_id", HEADERS)


def properties_of(headers: Mapping[str, Any], properties: Mapping[str, str]) -> bytes:
    """Bytes of properties given as texts. Persistent unless `delivery_mode` says else.

    Raises NotSupported for a name that AMQP has not, BadAnswer for a value that does not fit.
    """
    parts = {}
    for name, text in {"delivery_mode": "2", **properties}.items():
        if name not in KINDS or name in _NOT_OURS:
            known = ", ".join(sorted(set(KINDS) - set(_NOT_OURS)))
            raise NotSupported(f"A message of RabbitMQ has no '{name}' that could be set; it has {known}.")
        parts[name] = _part(name, text)
    raw = [entry(name, value) for name, value in headers.items()]
    return written(in_order(parts), b"".join(raw) if raw else None)


def _part(name: str, text: str) -> bytes:
    kind = KINDS[name]
    if kind == "S":
        raw = text.encode("utf-8", "replace")
        if len(raw) > 255:
            raise BadAnswer(f"'{name}' may have 255 bytes, this one has {len(raw)}.")
        if name == "expiration" and not text.isdecimal():
            raise BadAnswer("'expiration' is a whole number of milliseconds.")
        return bytes([len(raw)]) + raw
    most = 255 if kind == "B" else (1 << 63) - 1
    if not text.isdecimal() or len(text) > 19 or int(text) > most:
        raise BadAnswer(f"'{name}' is a whole number up to {most}.")
    return bytes([int(text)]) if kind == "B" else pack(">Q", int(text))


def send_new(
    url: BrokerURL, vhost: str, to: Destination, body: bytes, headers: Mapping[str, Any], properties: Mapping[str, str]
) -> str:
    """Send it and wait for its confirmation; its message_id, "" = it has none."""
    _post(url, vhost, to, body, properties_of(headers, properties))
    return properties.get("message_id", "")


class PuttingBack:
    """Letters that are put back, one after another over one connection; after anything but a confirmation a new one."""

    def __init__(self, url: BrokerURL) -> None:
        self._url = url
        self._sender: Sender | None = None
        self._vhost = ""

    def put(self, vhost: str, to: Destination, letter: Letter, wire: bytes) -> None:
        """As it was, each header of the type that it had; what RabbitMQ would act upon is changed as in a copy that
        takes the place of its original. Of what an earlier Weir kept the values are known, and not how large their
        types were."""
        if wire:
            raw = RENEWING.copy(Fields.read(wire))
        else:
            headers = {KEPT_CC if name == "CC" else name: value for name, value in letter.headers.items()}
            raw = properties_of(headers, {name: text for name, text in letter.properties if name not in _NOT_OURS})
        vhost, target = target_of(to, vhost)
        try:
            _confirmed(self._sender_to(vhost), self._url, target, letter.body, raw)
        except BaseException:
            self.close()
            raise

    def _sender_to(self, vhost: str) -> Sender:
        sender = self._sender
        if sender is not None:
            sender.hear(0.0)  # a connection that was closed meanwhile, or takes nothing for now, says so
        if sender is None or sender.link is None or sender.link.blocked or vhost != self._vhost:
            self.close()
            sender, self._vhost = Sender(self._url, vhost, lambda queue: True), vhost
            self._sender = sender
        return sender

    def close(self) -> None:
        if self._sender is not None:
            self._sender.close()
            self._sender = None


def _post(url: BrokerURL, vhost: str, to: Destination, body: bytes, raw: bytes) -> None:
    vhost, target = target_of(to, vhost)
    sender = Sender(url, vhost, lambda queue: True)
    try:
        _confirmed(sender, url, target, body, raw)
    finally:
        sender.close()


def _confirmed(sender: Sender, url: BrokerURL, target: Target, body: bytes, raw: bytes) -> None:
    """Send it and wait for the confirmation."""
    sender.post([Posted(1, target, raw, body)])
    receipt = sender.next(url.get_seconds("timeout", 25.0))
    if receipt.outcome is Outcome.UNKNOWN:
        raise TimedOut(f"Whether the message arrived is not known: {receipt.why}")
    if receipt.outcome is not Outcome.SENT:
        raise BadAnswer(receipt.why)
