"""The text of RabbitMQ's `/metrics/detailed`, read fast: names of metrics, labels as they stand, numbers.

A poll reads the same tens of thousands of label texts again and again, so they are kept as text and turned into
queue names only when one is new (`QueueNames`). The rest is one regular expression over the whole answer.
"""

from __future__ import annotations

import re
from collections.abc import Container

from collectors.errors import BadAnswer, NotSupported

#: A queue inside its broker: virtual host and name.
QueueKey = tuple[str, str]
#: By metric (without "rabbitmq_detailed_"): labels as they stand in the text -> value.
Metrics = dict[str, dict[str, float]]

_LINE = re.compile(r"^rabbitmq_detailed_(\w+)\{(.*)\} (\S+)$", re.M)
_INFO = re.compile(r"^rabbitmq_(?:build|identity)_info\{(.*)\} 1$", re.M)
_LABEL = re.compile(r'(?:^|",)(channel|vhost|queue|exchange|queue_vhost|exchange_vhost|queue_type|membership)="')
_WELL_ESCAPED = re.compile(r'(?:[^"\\\n]|\\["\\n])*')
_ESCAPE = re.compile(r'\\(["\\n])')


def parse(text: str, where: str) -> tuple[Metrics, dict[str, str]]:
    """Metrics, and the labels of the build and identity lines ("rabbitmq_version", "rabbitmq_node" ...).

    Metrics that the broker knows but has no line for are there, and empty. Raises NotSupported when this is
    not a detailed answer (an older RabbitMQ), BadAnswer when it is half an answer or not understood.
    """
    metrics: Metrics = {name: {} for name in re.findall(r"^# TYPE rabbitmq_detailed_(\w+) ", text, re.M)}
    if "queue_messages_ready" not in metrics:
        if "rabbitmq_detailed_queue_messages_ready" in text:
            raise BadAnswer(f"{where} sent Prometheus text that cannot be read.")
        if "# TYPE rabbitmq_" in text or "# TYPE erlang_" in text:
            raise NotSupported(f"{where} does not answer /metrics/detailed with queues.")
        raise BadAnswer(f"{where} answered with something that is not RabbitMQ's Prometheus text.")
    found = _LINE.findall(text)
    if not text.endswith("\n") or len(found) != text.count("\nrabbitmq_detailed_"):
        raise BadAnswer(f"{where} sent Prometheus text that breaks off or cannot be read.")
    try:
        for name, labels, value in found:
            metrics[name][labels] = number = float(value)
            if number < 0:
                raise ValueError
    except (KeyError, ValueError):
        raise BadAnswer(f"{where} sent Prometheus text that cannot be read.") from None
    info: dict[str, str] = {}
    for labels in _INFO.findall(text):
        info.update(re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', labels))
    return metrics, info


class QueueNames:
    """From the labels of a line to the queue that it is about.

    RabbitMQ 3.10 writes names as they are, 4.x escapes quotes and backslashes as the format demands. The
    queues that are known decide which of the two was meant; without them, what can be unescaped is.
    """

    def __init__(self) -> None:
        self._known: Container[QueueKey] = ()
        self._of: dict[str, QueueKey] = {}

    def learn(self, known: Container[QueueKey]) -> None:
        """The queues that the broker is known to have."""
        self._known = known
        self._of.clear()

    def of(self, labels: str) -> QueueKey:
        """The queue of a line's labels; ("", "") when they name none."""
        key = self._of.get(labels)
        if key is None:
            if len(self._of) > 1_000_000:  # channels come and go: what is remembered must not grow for ever
                self._of.clear()
            key = self._of[labels] = self._read(labels)
        return key

    def _read(self, labels: str) -> QueueKey:
        values = split_labels(labels)
        raw = values.get("queue_vhost") or values.get("vhost", ""), values.get("queue", "")
        escaped = unescape(raw[0]), unescape(raw[1])
        return raw if escaped != raw and raw in self._known else escaped


def split_labels(labels: str) -> dict[str, str]:
    """Labels by name, the values as they stand (see `unescape`)."""
    parts = _LABEL.split(labels.removesuffix('"'))
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def unescape(value: str) -> str:
    """A label value as it was meant; one that is not escaped properly is taken as it stands."""
    if "\\" not in value or not _WELL_ESCAPED.fullmatch(value):
        return value
    return _ESCAPE.sub(lambda match: "\n" if match[1] == "n" else match[1], value)
