"""Where each ecosystem writes down why it gave up: one small function for each, over headers and decoded value.

Their sources: RabbitMQ's documentation of dead lettering; Spring AMQP's RepublishMessageRecoverer; MassTransit's
transport headers; NServiceBus' and Rebus' error headers; Spring Kafka's DeadLetterPublishingRecoverer; Kafka Connect's
error headers; Azure Service Bus' dead-letter properties; AWS Lambda's attributes and failure destinations.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from .failure import Failure, Reader, lines, text
from .frames import raised

#: Errors that only say that another one happened inside.
WRAPPERS = frozenset({"System.AggregateException", "System.Reflection.TargetInvocationException"})

Headers = Mapping[str, Any]


def x_death(headers: Headers, value: Any) -> Failure | None:
    """RabbitMQ: the first entry is the latest death (its `time` tells nothing of the order)."""
    deaths = headers.get("x-death") or headers.get("x-opt-deaths")
    first = deaths[0] if isinstance(deaths, list | tuple) and deaths else None
    if isinstance(first, Mapping):
        return Failure("RabbitMQ", reason=text(first.get("reason")), queue=text(first.get("queue")))
    reason = text(headers.get("x-last-death-reason") or headers.get("x-first-death-reason"))
    queue = text(headers.get("x-last-death-queue") or headers.get("x-first-death-queue"))
    return Failure("RabbitMQ", reason=reason, queue=queue) if reason else None


def spring_amqp(headers: Headers, value: Any) -> Failure | None:
    """Spring AMQP, and Spring Cloud Stream on Kafka, which names the class too."""
    trace = text(headers.get("x-exception-stacktrace"))
    message = text(headers.get("x-exception-message"))
    if not (trace or message):
        return None
    name, root = raised(trace) if trace else ("", "")
    name = name or text(headers.get("x-exception-fqcn"))
    queue = text(headers.get("x-original-routingKey") or headers.get("x-original-topic"))
    return Failure("Spring", name, root or message, trace, queue=queue)


def spring_kafka(headers: Headers, value: Any) -> Failure | None:
    """Spring Kafka: the class is often a wrapper, its cause is what counts. Both prefixes it has had."""
    for prefix in ("kafka_dlt-", "kafka_"):
        name = text(headers.get(f"{prefix}exception-fqcn"))
        if not name:
            continue
        trace = text(headers.get(f"{prefix}exception-stacktrace"))
        root = raised(trace) if "Caused by: " in trace else ("", "")
        cause = root[0] or text(headers.get(f"{prefix}exception-cause-fqcn")) or name
        message = root[1] or text(headers.get(f"{prefix}exception-message"))
        return Failure("Spring Kafka", cause, message, trace, queue=text(headers.get(f"{prefix}original-topic")))
    return None


def kafka_connect(headers: Headers, value: Any) -> Failure | None:
    """Kafka Connect, when the context headers are switched on: connector and stage are part of where."""
    prefix = "__connect.errors."
    name = text(headers.get(prefix + "exception.class.name"))
    if not name:
        return None
    trace = text(headers.get(prefix + "exception.stacktrace"))
    root = raised(trace) if "Caused by: " in trace else ("", "")
    return Failure(
        "Kafka Connect",
        root[0] or name,
        root[1] or text(headers.get(prefix + "exception.message")),
        trace,
        reason=text(headers.get(prefix + "stage")),
        queue=text(headers.get(prefix + "topic")),
    )


def mass_transit(headers: Headers, value: Any) -> Failure | None:
    """MassTransit's `_error` queues, and `_skipped` ones, which only have a reason."""
    name = text(headers.get("MT-Fault-ExceptionType"))
    reason = text(headers.get("MT-Reason"))
    address = text(headers.get("MT-Fault-InputAddress"))
    queue = address.partition("?")[0].rstrip("/").rpartition("/")[2]
    if not name:
        return Failure("MassTransit", reason="skipped", queue=queue) if reason == "skipped" else None
    message, trace = text(headers.get("MT-Fault-Message")), text(headers.get("MT-Fault-StackTrace"))
    return Failure("MassTransit", name, message, trace, queue=queue)


def nservice_bus(headers: Headers, value: Any) -> Failure | None:
    """NServiceBus' error queue."""
    prefix = "NServiceBus.ExceptionInfo."
    name = text(headers.get(prefix + "ExceptionType"))
    if not name:
        return None
    if name in WRAPPERS:
        name = text(headers.get(prefix + "InnerExceptionType")) or name
    queue = text(headers.get("NServiceBus.FailedQ")).partition("@")[0]
    message, trace = text(headers.get(prefix + "Message")), text(headers.get(prefix + "StackTrace"))
    return Failure("NServiceBus", name, message, trace, queue=queue)


def rebus(headers: Headers, value: Any) -> Failure | None:
    """Rebus: one header with the whole exception as .NET writes it."""
    details = text(headers.get("rbs2-error-details"))
    if not details:
        return None
    name, message = raised(details[max(0, details.find("System.AggregateException: ")) :])
    return Failure("Rebus", name, message, details, queue=text(headers.get("rbs2-source-queue")))


def service_bus(headers: Headers, value: Any) -> Failure | None:
    """Azure Service Bus: the broker's own reasons, or what the application gave."""
    reason = text(headers.get("DeadLetterReason"))
    if not reason:
        return None
    message = text(headers.get("DeadLetterErrorDescription"))
    return Failure("Service Bus", message=message, reason=reason, queue=text(headers.get("DeadLetterSource")))


def aws_lambda(headers: Headers, value: Any) -> Failure | None:
    """AWS Lambda: attributes of its dead-letter queue, or the record of a failure destination."""
    if "ErrorMessage" in headers and "RequestID" in headers:
        return Failure("Lambda", message=text(headers["ErrorMessage"]), reason=text(headers.get("ErrorCode")))
    answer = value.get("responsePayload") if isinstance(value, dict) else None
    if not (isinstance(answer, dict) and "errorMessage" in answer):
        return None
    trace = lines(answer.get("stackTrace") or answer.get("trace") or "")
    return Failure("Lambda", text(answer.get("errorType")), text(answer["errorMessage"]), trace)


#: Names under which teams write their own errors into headers.
_CLASSES = ("x-error-class", "x-error-type", "error-class", "error_class", "error-type", "error_type", "exception-type",
            "x-exception-class", "x-exception-type", "exception_class", "error.type", "exception.type")  # fmt: skip
_MESSAGES = ("x-error-message", "x-error", "error-message", "error_message", "exception-message", "exception_message",
             "exception.message", "x-exception", "error", "exception", "error.message", "x-failure-reason")  # fmt: skip
_TRACES = ("x-error-stack", "x-stacktrace", "stacktrace", "stack_trace", "stack-trace", "exception-stacktrace",
           "traceback", "x-traceback", "exception.stacktrace", "error-stack", "error.stack")  # fmt: skip


def own_headers(headers: Headers, value: Any) -> Failure | None:
    """What teams write by themselves: headers by the names that are usual for it, whatever their case."""
    folded = {name.lower(): v for name, v in headers.items() if isinstance(name, str)}
    name, message, trace = (
        next((text(folded[name]) for name in names if folded.get(name)), "") for names in (_CLASSES, _MESSAGES, _TRACES)
    )
    if not (name or message or trace):
        return None
    if not name and message != text(folded.get("error")) and _CLASS.fullmatch(short := text(folded.get("error"))):
        name = short  # error: KeyError, error_message: ...
    return Failure("headers", name, message, trace)


#: What a class of errors looks like, when it stands under a word that may mean anything.
_CLASS = re.compile(r"[A-Za-z_][\w.:$]{2,119}")


def own_envelope(headers: Headers, value: Any) -> Failure | None:
    """What teams write around a message that they give up: {"error": {"type", "message", ...}, "message": ...}."""
    if not isinstance(value, dict):
        return None
    for word in ("error", "exception", "failure", "lastError", "last_error"):
        told = value.get(word)
        if isinstance(told, dict):
            name = next(
                (text(told[key]) for key in ("type", "class", "name", "error_class", "code") if told.get(key)), ""
            )
            trace = next(
                (lines(told[key]) for key in ("stack", "stacktrace", "traceback", "trace") if told.get(key)), ""
            )
            if name or told.get("message"):
                return Failure("its envelope", name, text(told.get("message")), trace, queue=_short(value.get("queue")))
    return _own_sentence(value)


def _own_sentence(value: Mapping[str, Any]) -> Failure | None:
    """The same as a text: {"error": "ValueError: no such order"}. A message may have such a word for something else,
    so under the vaguer ones only what begins with the name of an error counts."""
    for word in ("error", "exception", "failure", "lastError", "last_error", "error_message", "errorMessage"):
        told = value.get(word)
        if isinstance(told, str) and told:
            name, message = raised(told)
            if _ERROR.fullmatch(name) or (message and word.lower().replace("_", "") == "errormessage"):
                return Failure("its envelope", name, message, queue=_short(value.get("queue")))
    return None


#: What only errors are called: ValueError, java.lang.IllegalStateException.
_ERROR = re.compile(r"[\w.:$\\]{0,200}(?:Error|Exception|Failure|Timeout|Fault|Declined)")


def _short(value: Any) -> str:
    return value if isinstance(value, str) else ""


#: In the order in which they are asked; the first that tells of an error is believed.
READERS: tuple[Reader, ...] = (
    spring_amqp, spring_kafka, kafka_connect, mass_transit, nservice_bus, rebus, aws_lambda, service_bus,
    own_headers, own_envelope, x_death,
)  # fmt: skip
