"""Tries each permission that Weir can use on a RabbitMQ, and names the one that is missing."""

from __future__ import annotations

from collections.abc import Callable

from collectors.errors import CollectorError, SignInRefused
from collectors.protocol import Check, Poll

from .endpoints import Endpoints
from .http import Http
from .management import Management
from .measure import Measure
from .scrape import Scrape
from .seen import Seen

_GRANT = "rabbitmqctl set_user_tags USER monitoring"


def check(management: Management, endpoints: Endpoints, http: Http, poll: Callable[[], Poll]) -> list[Check]:
    """One line per power, about polling first."""
    return [_polling(poll), *_management(management), *_prometheus(management, endpoints, http)]


def _polling(poll: Callable[[], Poll]) -> Check:
    try:
        found = poll()
    except CollectorError as error:
        return Check("polling", False, str(error))
    if not found.complete:
        return Check("polling", True, f"{len(found.samples)} queues, but in part: {' '.join(found.problems)}")
    return Check("polling", True, f"{len(found.samples)} queues of {found.version}, {found.method}.")


def _management(management: Management) -> list[Check]:
    if management.absent:
        return [Check("types and relations", False, "Left out by management=none in the URL.")]
    lines = [
        _try("types of queues", management.overview, "The management API answers."),
        _try("list of nodes", management.nodes, "Running nodes are known.", f"Grant it with: {_GRANT}"),
        _try("dead-letter relations", _relations(management), "Policies and bindings can be read."),
    ]
    return lines


def _relations(management: Management) -> Callable[[], object]:
    def ask() -> None:
        management.policies()
        management.operator_policies()
        management.bindings()

    return ask


def _prometheus(management: Management, endpoints: Endpoints, http: Http) -> list[Check]:
    """How many of the nodes answer with detailed metrics, and what to do about the others."""
    seen = Seen(management)
    advice = "enable it with: rabbitmq-plugins enable rabbitmq_prometheus, and open its port 15692 to Weir."
    try:
        seen.keep_fresh()
        measure = Measure(http, endpoints, management)
        measure.read(seen)
        cheap = isinstance(measure.way, Scrape)
    except SignInRefused as error:
        return [Check("cheap measuring (Prometheus)", False, str(error))]
    except CollectorError as error:
        return [Check("cheap measuring (Prometheus)", False, f"{error} If the plugin is missing, {advice}")]
    if cheap:
        return [Check("cheap measuring (Prometheus)", True, "Every running node that is needed answers.")]
    return [Check("cheap measuring (Prometheus)", False, f"No node answers in full, which costs more; {advice}")]


def _try(power: str, ask: Callable[[], object], works: str, advice: str = "") -> Check:
    try:
        ask()
    except SignInRefused as error:
        return Check(power, False, str(error))  # nothing else would help
    except CollectorError as error:
        return Check(power, False, f"{error} {advice}".strip())
    return Check(power, True, works)
