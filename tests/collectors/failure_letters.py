"""Letters as they die in real systems, each with the group that a person would put it into.

The groups stand in recordings/written/failures.toml. A template has one group; its letters differ in whatever differs
in life: numbers, ids, names, times, addresses, hosts, line numbers, releases. `dressed` puts class, message and stack
where the ecosystem puts them. Neighbours that must not be merged (another status code, another frame, another queue,
another reason) stand side by side on purpose.
"""

from __future__ import annotations

import base64
import json
import random
import tomllib
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FAILURES = Path(__file__).parents[1] / "recordings" / "written" / "failures.toml"

FIRST = (
    "Anna",
    "Björn",
    "Chloé",
    "Dmitri",
    "Emma",
    "Fatima",
    "George",
    "Hiro",
    "Ines",
    "Jörg",
    "Kim",
    "Luca",
    "Maria",
    "Nils",
    "Olga",
    "Pedro",
)
LAST = (
    "Schmidt",
    "Andersson",
    "Dubois",
    "Ivanov",
    "Watson",
    "Haddad",
    "Miller",
    "Tanaka",
    "Silva",
    "Weber",
    "Park",
    "Rossi",
    "García",
    "Berg",
    "Petrov",
)
HOSTS = ("node-1", "node-2", "node-17", "node-301")


class Varying(dict[str, str]):
    """The fields of a message template: each takes a new value whenever it is asked for."""

    def __init__(self, seed: str) -> None:
        self.random = random.Random(seed)

    def __missing__(self, key: str) -> str:
        r = self.random
        made = {
            "n": lambda: str(r.randrange(1, 10 ** r.randrange(1, 9))),
            "ms": lambda: str(r.randrange(100, 60_000)),
            "money": lambda: f"{r.randrange(1, 9_000):,}.{r.randrange(100):02d}",
            "uuid": lambda: str(_uuid(r)),
            "hex": lambda: f"{r.getrandbits(r.choice((32, 96, 128, 160))):08x}1a",
            "pointer": lambda: f"0x{r.getrandbits(40):012x}",
            "stripe": lambda: r.choice(("ch", "pi", "cus")) + "_" + _letters(r, 14) + str(r.randrange(10)),
            "sku": lambda: f"{r.choice(('SKU', 'ART', 'P'))}-{r.randrange(1000, 99999)}-{r.choice('ABCDXL')}",
            "name": lambda: f"{r.choice(FIRST)} {r.choice(LAST)}",
            "email": lambda: (
                f"{r.choice(FIRST).lower()}.{r.randrange(99)}@{r.choice(('gmail.com', 'post.example.org'))}"
            ),
            "ip": lambda: ".".join(str(r.randrange(1, 255)) for _ in range(4)),
            "port": lambda: str(r.randrange(1024, 65535)),
            "time": lambda: (
                f"2026-{r.randrange(1, 13):02d}-{r.randrange(1, 29):02d}{r.choice('T ')}{_clock(r)}"
                + r.choice(("", "Z", ".123456+00:00", " UTC"))
            ),
            "path": lambda: (
                f"/var/lib/{r.choice(('shop', 'data', 'mnt/a'))}/{r.getrandbits(24):x}/{r.choice(FIRST)}.csv"
            ),
            "word": lambda: _letters(r, r.randrange(3, 12)),
            "host": lambda: r.choice(HOSTS),
            "pod": lambda: f"capture-{r.getrandbits(36):09x}b-{_letters(r, 5).lower()}",
            "ip6": lambda: ":".join(f"{r.randrange(1, 65536):x}" for _ in range(8)),
            "params": lambda: ", ".join(f"'{_letters(r, 5)}': {r.randrange(999)}" for _ in range(r.randrange(1, 9))),
            "mac": lambda: f"{r.randrange(256):02x}",
            "ids": lambda: ", ".join(str(r.randrange(10_000)) for _ in range(r.randrange(1, 9))),
            "iban": lambda: f"DE{r.randrange(10, 99)}" + "".join(f" {r.randrange(10_000):04d}" for _ in range(4)),
            "line": lambda: str(r.randrange(1, 900)),
            "release": lambda: f"2026{r.randrange(10**10):010d}",
        }
        return made[key]()


def _uuid(r: random.Random) -> str:
    text = f"{r.getrandbits(128):032x}"
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


def _clock(r: random.Random) -> str:
    return f"{r.randrange(24):02d}:{r.randrange(60):02d}:{r.randrange(60):02d}"


def _letters(r: random.Random, count: int) -> str:
    return "".join(r.choice("abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ") for _ in range(count))


@dataclass(frozen=True, slots=True)
class Template:
    """One group. `stack` is of (place, function), outermost first, in the words of the ecosystem's language."""

    group: str
    ecosystem: str
    error: str = ""
    message: str = ""
    stack: tuple[tuple[str, str], ...] = ()
    queue: str = "orders"
    reason: str = "rejected"


@dataclass(frozen=True, slots=True)
class Letter:
    group: str
    headers: dict[str, Any]
    value: Any
    queue: str


def templates() -> list[Template]:
    """The groups that were written down."""
    known = tomllib.loads(FAILURES.read_text("utf-8"))
    return [
        Template(**{**one, "stack": tuple((place, function) for place, function in known["stacks"][one["stack"]])})
        if "stack" in one
        else Template(**one)
        for one in known["failure"]
    ]


def letters(each: int = 4, seed: int = 1) -> Iterator[Letter]:
    """So many letters of each template; a template that does not vary gives the same one again."""
    for template in templates():
        for number in range(each):
            varying = Varying(f"{seed} {template.group} {number}")
            headers, value = dressed(template, template.message.format_map(varying), varying)
            yield Letter(template.group, headers, value, template.queue)


def dressed(t: Template, message: str, v: Varying) -> tuple[dict[str, Any], Any]:
    """Headers and decoded body of one letter, as its ecosystem writes them."""
    return DRESSES[t.ecosystem](t, message, v)


def python_trace(t: Template, message: str, v: Varying) -> str:
    frames = "".join(
        f'  File "{place.format_map(v)}", line {v["line"]}, in {function}\n    return call()\n'
        for place, function in t.stack
    )
    return f"Traceback (most recent call last):\n{frames}{t.error}: {message}\n"


def java_trace(t: Template, message: str, v: Varying) -> str:
    at = "".join(
        f"\tat {place}.{function}({place.rpartition('.')[2]}.java:{v['line']})\n" for place, function in t.stack[::-1]
    )
    outer = "org.springframework.amqp.rabbit.support.ListenerExecutionFailedException: Listener threw exception"
    wrapped = "\tat org.springframework.amqp.rabbit.listener.MessagingMessageListenerAdapter.invoke(M.java:{line})\n"
    return f"{outer}\n{wrapped.format_map(v)}Caused by: {t.error}: {message}\n{at}\t... {v['line']} more\n"


def net_trace(t: Template, v: Varying) -> str:
    return "\n".join(
        f"   at {place}.{function}(ConsumeContext`1 context) in /src/{place.replace('.', '/')}.cs:line {v['line']}"
        for place, function in t.stack[::-1]
    )


def js_trace(t: Template, message: str, v: Varying) -> str:
    at = "\n".join(f"    at {function} ({place}:{v['line']}:{v['line']})" for place, function in t.stack[::-1])
    return f"{t.error}: {message}\n{at}"


def celery(t: Template, message: str, v: Varying) -> tuple[dict[str, Any], Any]:
    module, _, name = t.error.rpartition(".")
    told = {"exc_type": name, "exc_message": [message], "exc_module": module or "builtins"}
    value = {"status": "FAILURE", "result": told, "traceback": python_trace(t, message, v), "task_id": v["uuid"]}
    return {}, {**value, "children": [], "date_done": v["time"], "name": "shop.task", "queue": t.queue}


def dramatiq(t: Template, message: str, v: Varying) -> tuple[dict[str, Any], Any]:
    options = {"retries": 20, "traceback": python_trace(t, message, v)}
    value = {"queue_name": t.queue, "actor_name": "work", "args": [v["n"]], "kwargs": {}, "message_id": v["uuid"]}
    return {}, {**value, "options": options, "message_timestamp": 1795313006429}


def rq(t: Template, message: str, v: Varying) -> tuple[dict[str, Any], Any]:
    packed = base64.b64encode(zlib.compress(python_trace(t, message, v).encode())).decode()
    told = {"origin": t.queue, "description": f"work({v['n']})", "created_at": v["time"], "status": "failed"}
    return {**told, "timeout": "180", "exc_string": packed}, None


def sidekiq(t: Template, message: str, v: Varying) -> tuple[dict[str, Any], Any]:
    stack = [f"{place.format_map(v)}:{v['line']}:in '{function}'" for place, function in t.stack[::-1]]
    value = {"class": "Work", "args": [v["n"]], "jid": v["hex"][:24], "queue": t.queue, "retry": True}
    failed = {"error_class": t.error, "error_message": message, "failed_at": 1795313006.5, "retry_count": 25}
    packed = base64.b64encode(zlib.compress(json.dumps(stack).encode())).decode()
    return {}, {**value, **failed, **({"error_backtrace": packed} if stack else {})}


def bullmq(t: Template, message: str, v: Varying) -> tuple[dict[str, Any], Any]:
    stacks = json.dumps([js_trace(t, "an earlier one", v), js_trace(t, message, v)])
    told = {"name": "work", "opts": "{}", "timestamp": "1795313006429", "failedReason": message, "stacktrace": stacks}
    return told, {"order": v["n"]}


def spring_amqp(t: Template, message: str, v: Varying) -> tuple[dict[str, Any], Any]:
    told = {"x-exception-message": "Listener threw exception", "x-exception-stacktrace": java_trace(t, message, v)}
    return {**told, "x-original-exchange": "", "x-original-routingKey": t.queue}, {"id": v["n"]}


def spring_kafka(t: Template, message: str, v: Varying) -> tuple[dict[str, Any], Any]:
    told = {
        "exception-fqcn": "org.springframework.kafka.listener.ListenerExecutionFailedException",
        "exception-cause-fqcn": t.error,
        "exception-message": f"Listener failed; {message}",
        "exception-stacktrace": java_trace(t, message, v),
        "original-topic": t.queue,
    }
    offset = {"kafka_dlt-original-offset": int(v["n"]).to_bytes(8, "big")}
    return {**{f"kafka_dlt-{name}": text.encode() for name, text in told.items()}, **offset}, {"id": v["n"]}


def kafka_connect(t: Template, message: str, v: Varying) -> tuple[dict[str, Any], Any]:
    told = {
        "topic": t.queue,
        "partition": v["n"],
        "offset": v["n"],
        "connector.name": "sink",
        "stage": "VALUE_CONVERTER",
        "exception.class.name": t.error,
        "exception.message": message,
        "exception.stacktrace": java_trace(t, message, v).partition("Caused by: ")[2],
    }
    return {f"__connect.errors.{name}": text.encode() for name, text in told.items()}, None


def mass_transit(t: Template, message: str, v: Varying) -> tuple[dict[str, Any], Any]:
    told = {"ExceptionType": t.error, "Message": message, "StackTrace": net_trace(t, v), "Timestamp": v["time"]}
    address = {"MT-Reason": "fault", "MT-Fault-InputAddress": f"rabbitmq://{v['host']}/shop/{t.queue}?durable=true"}
    return {**{f"MT-Fault-{name}": text for name, text in told.items()}, **address}, {"orderId": v["uuid"]}


def nservice_bus(t: Template, message: str, v: Varying) -> tuple[dict[str, Any], Any]:
    told = {"ExceptionType": t.error, "Message": message, "StackTrace": f"{t.error}: {message}\n{net_trace(t, v)}"}
    place = {"NServiceBus.FailedQ": f"{t.queue}@{v['host']}", "NServiceBus.TimeOfFailure": v["time"]}
    return {**{f"NServiceBus.ExceptionInfo.{name}": text for name, text in told.items()}, **place}, None


def service_bus(t: Template, message: str, v: Varying) -> tuple[dict[str, Any], Any]:
    return {"DeadLetterReason": t.reason, "DeadLetterErrorDescription": message}, {"id": v["n"]}


def rabbitmq(t: Template, message: str, v: Varying) -> tuple[dict[str, Any], Any]:
    death = {"queue": t.queue, "reason": t.reason, "count": int(v["n"]), "exchange": "", "routing-keys": [t.queue]}
    older = {"queue": "retry", "reason": "expired", "count": 3, "time": v["time"]}
    return {"x-death": [death, older]}, dict.fromkeys((message or "id amount").split(), v["n"])


def headers(t: Template, message: str, v: Varying) -> tuple[dict[str, Any], Any]:
    death = {"queue": t.queue, "reason": "rejected", "count": 1}
    return {"x-error-type": t.error, "x-error-message": message, "x-death": [death]}, {"id": v["n"]}


def aws_lambda(t: Template, message: str, v: Varying) -> tuple[dict[str, Any], Any]:
    answer = {
        "errorType": t.error,
        "errorMessage": message,
        "stackTrace": python_trace(t, message, v).split("\n")[1:-2],
    }
    context = {
        "requestId": v["uuid"],
        "functionArn": "arn:aws:lambda:eu-west-1:1:function:work",
        "condition": "Retries",
    }
    return {}, {"requestContext": context, "requestPayload": {"id": v["n"]}, "responsePayload": answer}


def php(t: Template, message: str, v: Varying) -> tuple[dict[str, Any], Any]:
    frames = [f"#{i} {place}({v['line']}): {function}()" for i, (place, function) in enumerate(t.stack[::-1])]
    return {"exception": message, "exception_class": t.error, "stack_trace": "\n".join(frames)}, {"id": v["n"]}


def go(t: Template, message: str, v: Varying) -> tuple[dict[str, Any], Any]:
    frames = "".join(f"{f}({v['pointer']})\n\t{place}:{v['line']} +{v['pointer']}\n" for place, f in t.stack[::-1])
    return {"error": message, "stacktrace": f"goroutine {v['n']} [running]:\n{frames}"}, {"id": v["n"]}


DRESSES = {
    f.__name__: f
    for f in (
        *(celery, dramatiq, rq, sidekiq, bullmq, spring_amqp, spring_kafka, kafka_connect, mass_transit, nservice_bus),
        *(service_bus, rabbitmq, headers, aws_lambda, php, go),
    )
}
