"""The form of a rule: a sentence with a preview beside it. What it saves goes through the API."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_POST

from ..access import require
from ..alerts import deeds, suggest
from ..alerts.conditions import DERIVED, EVENTS, METRICS, OPS, WORDS
from ..alerts.incidents import sentence
from ..insight.vocabulary import State
from ..live.feed import fleet
from ..models import Notifier, Queue, Rule, Severity
from ..samples import the_store
from .doing import do

KINDS = (
    ("threshold", "a number beyond a limit"),
    ("change", "a number that rises or falls within a window"),
    ("forecast", "a number that will be beyond a limit"),
    ("unusual", "a number that is not as usual at this hour of the week"),
    ("state", "a state"),
    ("stuck", "consumers that are stuck"),
    ("event", "something that happens"),
)
_EMPTY: dict[str, Any] = {"name": "", "filter": "", "severity": "warning", "per": "queue", "enabled": True}


@require_GET
@require("change_rules")
def rule_add(request: HttpRequest) -> HttpResponse:
    """`template` begins with one that everybody needs, `queue` with a limit that fits a queue's history."""
    given, why = dict(_EMPTY), ""
    queue = request.GET.get("queue", "")
    row = Queue.objects.filter(pk=int(queue)).first() if queue.isdecimal() else None
    template = next((t for t in suggest.TEMPLATES if t.key == request.GET.get("template")), None)
    if row is not None:
        condition, why = suggest.for_queue(the_store(), row.pk)
        word = METRICS[condition["metric"]].capitalize()
        given |= {"name": f"{word} of {row.name}"[:120], "filter": f"id:{row.pk}", "condition": condition}
    else:
        template = template or suggest.TEMPLATES[0]
        given |= {"name": template.name, "filter": template.filter, "severity": template.severity}
        given["condition"] = template.condition
    return _form(request, given, None, why, row)


@require_GET
@require("see")
def rule(request: HttpRequest, id: int) -> HttpResponse:
    """A rule as it is, to be changed by those who may."""
    row = Rule.objects.filter(pk=id).first()
    if row is None:
        return render(request, "alerts/unknown.html", {"nav": "alerts", "id": id, "what": "rule"}, status=404)
    given = {name: getattr(row, name) for name in ("name", "filter", "condition", "severity", "per", "enabled")}
    given |= {"escalation": row.escalation, "quiet": row.quiet}
    given["notifiers"] = list(row.notifiers.values_list("pk", flat=True))
    return _form(request, given, row, "", None)


def _form(request: HttpRequest, given: dict[str, Any], row: Rule | None, why: str, queue: Queue | None) -> HttpResponse:
    clock = given["condition"].get("kind") in ("broker", "weir")
    managed = row is not None and row.managed_by == "apply"
    context = {
        "nav": "alerts",
        "rule": row,
        "given": given,
        "clock": clock,
        "sentence": sentence(row) if row is not None else "",
        "why": why,
        "queue": queue,
        "read_only": managed or not request.principal.can("change_rules"),
        "managed": managed,
        "kinds": KINDS,
        "metrics": METRICS,
        "derived": DERIVED,
        "ops": OPS,
        "states": [state.name.lower() for state in State],
        "stuck": WORDS["stuck"],
        "events": EVENTS,
        "severities": Severity.values,
        "notifiers": Notifier.objects.all(),
        "templates": suggest.for_fleet(fleet().snapshot()) if row is None else (),
    }
    return render(request, "alerts/rule.html", context)


@require_POST
@require("change_rules")
def rule_switch(request: HttpRequest, id: int) -> HttpResponse:
    """`enabled`: true watches, false does not, and closes what is open."""
    row, on = get_object_or_404(Rule, pk=id), request.POST.get("enabled") == "true"
    return _done(request, lambda: deeds.save_rule(request.principal, row, {"enabled": on}), _switched(row, on))


def _switched(row: Rule, on: bool) -> str:
    return f"{row.name} is switched {'on' if on else 'off'}."


@require_POST
@require("change_rules")
def rule_delete(request: HttpRequest, id: int) -> HttpResponse:
    row = get_object_or_404(Rule, pk=id)
    return _done(
        request, lambda: deeds.delete_rule(request.principal, row), f"{row.name} is deleted; its incidents stay."
    )


def _done(request: HttpRequest, deed: Callable[[], object], done: str) -> HttpResponse:
    do(request, deed, done)
    return redirect("alerts")
