"""What stacks look like in seven languages, and whose frames are a library's."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Language:
    """How one language writes a frame.

    line            matches one frame, with groups `place` (a file, or a class) and `function`
    library         found in places that are not the application's own
    innermost_last  the frame that raised stands at the end
    classes         places are classes, not files
    """

    name: str
    line: re.Pattern[str]
    library: re.Pattern[str]
    innermost_last: bool = False
    classes: bool = False


def _packages(*names: str) -> re.Pattern[str]:
    return re.compile(rf"^(?:{'|'.join(re.escape(name) for name in names)})\.")


_PYTHON = re.compile(r'\s*File "(?P<place>[^"]{1,400})", line \d+(?:, in (?P<function>\S{1,200}))?')
_JAVASCRIPT = re.compile(
    r"\s*at (?:async )?(?:(?P<function>[^(]{1,200}?) (?:\[as \w{1,80}\] )?\()?(?:file://)?"
    r"(?P<place>(?:[A-Za-z]:)?[^\s():]{1,300}|node:[\w:/.]{1,200}):\d+:\d+\)?$"
)
_JAVA = re.compile(
    r"\s*at (?:[\w.@-]{0,100}/{1,2}){0,3}(?P<place>[\w.$]{1,300}?)\.(?P<function>[\w$<>-]{1,200})"
    r"\((?:[\w$-]{1,100}\.(?:java|kt|scala|groovy|clj)(?::\d+)?|Native Method|Unknown Source|<generated>)\)"
)
_NET = re.compile(
    r"\s*at (?P<place>[\w.`+<>|\[\],$-]{1,300}?)\.(?P<function>[\w`<>|$-]{1,200}(?:\[[^\]]{0,100}\])?)\([^)]{0,500}\)"
)
_RUBY = re.compile(r"\s*(?:from )?(?P<place>[^\s:]{1,300}\.(?:rb|erb|rake)):\d+(?::in [`'](?P<function>.{1,200})')?")
_PHP = re.compile(r"#\d+ (?P<place>[^\s(]{1,300}\.php)\(\d+\): (?P<function>[^\s(]{1,200})\(")
_GO = re.compile(
    r"(?P<function>[\w./-]{1,200}(?:\(\*?\w{1,100}\)\.[\w.]{1,200})?)\((?:[^\n]{0,200})\) (?P<place>/\S{1,300}\.go):\d+"
)

#: In the order in which they are tried; the first that finds a frame is the language.
LANGUAGES: tuple[Language, ...] = (
    Language(
        "Python",
        _PYTHON,
        re.compile(r"site-packages|dist-packages|/lib/python\d|^<"),
        innermost_last=True,
    ),
    Language("JavaScript", _JAVASCRIPT, re.compile(r"node_modules|^node:|^internal/|^native$|^<anonymous>")),
    Language(
        "Java",
        _JAVA,
        _packages(
            *("java", "javax", "jdk", "sun", "com.sun", "jakarta", "kotlin", "kotlinx", "scala", "clojure", "akka"),
            *("reactor", "io.netty", "io.projectreactor", "io.confluent", "io.micrometer", "io.grpc", "io.lettuce"),
            *("org.springframework", "org.apache", "org.hibernate", "org.postgresql", "org.eclipse", "org.jboss"),
            *("com.rabbitmq", "com.fasterxml", "com.mysql", "com.zaxxer", "com.amazonaws", "com.google.common"),
            *("software.amazon", "feign", "okhttp3", "oracle.jdbc", "redis.clients", "org.slf4j"),
        ),
        classes=True,
    ),
    Language(
        ".NET",
        _NET,
        _packages(
            *("System", "Microsoft", "MassTransit", "NServiceBus", "Rebus", "Npgsql", "RabbitMQ", "Azure", "Amazon"),
            *("Dapper", "GreenPipes", "Polly", "Newtonsoft", "StackExchange", "MongoDB", "Grpc", "Confluent"),
        ),
        classes=True,
    ),
    Language("Ruby", _RUBY, re.compile(r"/gems/|/bundle/|/rubygems/|/lib/ruby/|<internal:")),
    Language("PHP", _PHP, re.compile(r"/vendor/")),
    Language("Go", _GO, re.compile(r"/usr/local/go/|/go/pkg/mod/|/libexec/src/")),
)
