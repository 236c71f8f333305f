"""The alerts page: what fires and what did, rules with their values, silences, notifiers; an incident's page."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_GET, require_POST

from collectors.protocol import METRICS as STORED

from ..access import require
from ..alerts import deeds, desk, silences
from ..alerts.conditions import METRICS, amount
from ..alerts.incidents import sentence
from ..alerts.telling import Sent
from ..alerts.telling.urls import OWN
from ..live.feed import fleet
from ..models import Incident, Notifier, Rule, Silence, Telling
from ..refused import DeedRefused
from .doing import do

RECENT, MOST = timedelta(days=7), 100
#: How long a silence may be chosen to last on a page, in seconds.
LASTS = ((1800, "30 min"), (3600, "1 h"), (4 * 3600, "4 h"), (24 * 3600, "1 day"), (7 * 86400, "7 days"))
_RANKS = {"critical": 0, "warning": 1, "info": 2}


@require_GET
@require("see")
def alerts(request: HttpRequest) -> HttpResponse:
    """Firing first, then what was; rules with the value of now beside their limit; silences; notifiers."""
    now = timezone.now()
    open_ = list(Incident.objects.filter(desk.OPEN).select_related("silence", "rule")[:MOST])
    open_.sort(key=lambda one: (one.silence_id is not None, one.acknowledged_at is not None, _RANKS[one.severity]))
    over = Incident.objects.filter(closed_at__gt=now - RECENT).order_by("-closed_at")
    context = {
        "nav": "alerts",
        "firing": open_,
        "told": sum(one.silence_id is None for one in open_),
        "recent": over[:MOST],
        "recent_count": over.count(),
        "timeline": _timeline([*open_, *over[:MOST]], now),
        "rules": _rules(),
        "silences": [(one, silences.in_force(one, now)) for one in Silence.objects.select_related("rule")],
        "notifiers": _notifiers(),
        "examples": OWN,
        "tested": request.session.pop("tested", None),
        "lasts": LASTS,
        "may": _may(request),
    }
    return render(request, "alerts/alerts.html", context)


def _may(request: HttpRequest) -> dict[str, bool]:
    deeds_ = ("tend_incidents", "change_rules", "change_notifiers")
    return {deed: request.principal.can(deed) for deed in deeds_}


def _timeline(rows: list[Incident], now: Any) -> list[dict[str, Any]]:
    """Incidents of the last day as bars: beginning and width in thousandths of the day."""
    start = now - timedelta(days=1)
    bars = []
    for one in rows:
        begins, ends = max(one.opened_at, start), one.closed_at or now
        if ends <= start:
            continue
        at, wide = (begins - start) / timedelta(days=1), (ends - begins) / timedelta(days=1)
        bars.append({"incident": one, "x": round(at * 1000, 1), "width": max(4.0, round(wide * 1000, 1))})
    bars.sort(key=lambda bar: bar["x"])
    lanes: list[float] = []
    for bar in bars:
        lane = next((i for i, end in enumerate(lanes) if end <= bar["x"]), len(lanes))
        lanes[lane : lane + 1] = [bar["x"] + bar["width"] + 2]
        bar["y"] = min(lane, 7) * 9 + 1
    return bars


def _rules() -> list[dict[str, Any]]:
    snapshot = fleet().snapshot()
    rows = Rule.objects.prefetch_related("notifiers")
    open_ = list(Incident.objects.filter(desk.OPEN).exclude(rule=None).values_list("rule_id", flat=True))
    return [
        {"rule": rule, "sentence": sentence(rule), "open": open_.count(rule.pk), "now": desk.standing(rule, snapshot)}
        for rule in rows
    ]


def _notifiers() -> list[dict[str, Any]]:
    found = []
    for one in Notifier.objects.all():
        waiting = one.tellings.filter(state=Telling.State.WAITING).count()
        found.append({"notifier": one, "waiting": waiting, "rules": one.rules.count()})
    return found


@require_GET
@require("see")
def incident(request: HttpRequest, id: int) -> HttpResponse:
    """Why it opened, what was another at that moment, its story, and what can be done."""
    row = Incident.objects.select_related("rule", "queue", "broker", "silence").filter(pk=id).first()
    if row is None:
        return render(request, "alerts/unknown.html", {"nav": "alerts", "id": id}, status=404)
    condition = row.rule.condition if row.rule is not None else {}
    chart = _chart(row, condition)
    before = Incident.objects.filter(rule_id=row.rule_id, queue_id=row.queue_id, pk__lt=row.pk)
    context = {
        "nav": "alerts",
        "incident": row,
        "notes": row.notes.all()[:200],
        "sentence": sentence(row.rule) if row.rule is not None else "",
        "tellings": row.tellings.select_related("notifier").order_by("id")[:50],
        "earlier": before.filter(opened_at__gt=timezone.now() - timedelta(days=30)).count() if row.rule_id else 0,
        "chart": chart,
        "facts": [(METRICS[name], amount(name, value)) for name, value in row.values.get("row", {}).items()],
        "lasts": LASTS,
        "may": _may(request),
    }
    return render(request, "alerts/incident.html", context)


def _chart(row: Incident, condition: dict[str, Any]) -> dict[str, Any]:
    """Of which queue which number is shown, with its limit. Dead letters are counted where they arrive."""
    metric, queue = condition.get("metric") or "depth", row.queue_id
    limit = condition.get("value") if condition.get("kind") in ("threshold", "forecast") else None
    if metric == "dead_letters" and queue is not None:
        snapshot = fleet().snapshot()
        at = snapshot.index(queue)
        leads = snapshot.entries[at].dead_letter_queue_id if at is not None else None
        if leads is not None:
            return {"queue": leads, "metric": "depth", "limit": limit, "of": "dead letters"}
    metric = metric if metric in STORED else "depth"
    return {"queue": queue, "metric": metric, "limit": limit if metric == condition.get("metric") else None,
            "of": METRICS[metric]}  # fmt: skip


@require_POST
@require("tend_incidents")
def incident_acknowledge(request: HttpRequest, id: int) -> HttpResponse:
    """`note`: what whoever acknowledges has to say."""
    row = get_object_or_404(Incident, pk=id)
    do(request, lambda: deeds.acknowledge(request.principal, row, request.POST.get("note", "")), "Acknowledged.")
    return _back(request, "incident", id)


@require_POST
@require("tend_incidents")
def incident_silence(request: HttpRequest, id: int) -> HttpResponse:
    """`seconds` and `reason`: its queue, or its broker, is muted."""
    row = get_object_or_404(Incident.objects.select_related("rule"), pk=id)

    def mute() -> None:
        desk.silence(request.principal, request.POST.get("reason", ""), incident=row, seconds=_seconds(request))

    do(request, mute, "Silenced. Whoever opens it next sees the reason.")
    return _back(request, "incident", id)


@require_POST
@require("tend_incidents")
def silence_add(request: HttpRequest) -> HttpResponse:
    """`filter`, `seconds`, `reason`, and `repeat` for a window that comes again."""
    said = request.POST

    def mute() -> None:
        repeat = said.get("repeat", "")
        desk.silence(
            request.principal, said.get("reason", ""), said.get("filter", ""), seconds=_seconds(request), repeat=repeat
        )

    do(request, mute, "Silenced.")
    return redirect("alerts")


@require_POST
@require("tend_incidents")
def silence_end(request: HttpRequest, id: int) -> HttpResponse:
    row = get_object_or_404(Silence, pk=id)
    do(request, lambda: deeds.end_silence(request.principal, row), "The silence has ended; what is open is told.")
    return redirect("alerts")


@require_POST
@require("change_notifiers")
def notifier_add(request: HttpRequest) -> HttpResponse:
    """`name`, `url`, `allow_private`."""
    said = request.POST
    fields = {"name": said.get("name", ""), "url": said.get("url", ""), "allow_private": "allow_private" in said}
    do(request, lambda: deeds.save_notifier(request.principal, None, fields), "The notifier is saved. Test it now.")
    return redirect("alerts")


@require_POST
@require("change_notifiers")
def notifier_change(request: HttpRequest, id: int) -> HttpResponse:
    """`name`, `url` (empty = as it is), `allow_private`, `per_minute`."""
    row, said = get_object_or_404(Notifier, pk=id), request.POST
    fields: dict[str, Any] = {"name": said.get("name", ""), "url": said.get("url", "").strip()}
    fields |= {"allow_private": "allow_private" in said, "per_minute": _whole(said.get("per_minute", ""))}
    do(request, lambda: deeds.save_notifier(request.principal, row, fields), f"{row.name} is changed. Test it now.")
    return redirect(reverse("alerts") + "#notifiers-title")


def _whole(text: str) -> int:
    return int(text) if text.isdecimal() and len(text) < 9 else 0  # which is refused, with what is allowed


@require_POST
@require("change_notifiers")
def notifier_test(request: HttpRequest, id: int) -> HttpResponse:
    """Send a message that says that it is a test, and show what was sent and answered."""
    row = get_object_or_404(Notifier, pk=id)
    answer = deeds.test_notifier(request.principal, row)
    if isinstance(answer, Sent):
        messages.success(request, f"{row.name} was told, and answered: {answer.answered}")
        request.session["tested"] = {"name": row.name, "sent": answer.sent[:4000], "answered": answer.answered}
    else:
        messages.error(request, f"{row.name} was not told: {answer}")
    return redirect(reverse("alerts") + "#notifiers-title")


@require_POST
@require("change_notifiers")
def notifier_delete(request: HttpRequest, id: int) -> HttpResponse:
    row = get_object_or_404(Notifier, pk=id)
    do(request, lambda: deeds.delete_notifier(request.principal, row), f"{row.name} is deleted.")
    return redirect("alerts")


def _seconds(request: HttpRequest) -> float:
    try:
        return float(request.POST.get("seconds", ""))
    except ValueError:
        raise DeedRefused("seconds", "Choose how long it is to last.") from None


def _back(request: HttpRequest, name: str, id: int) -> HttpResponse:
    """To where the form stood."""
    there = request.POST.get("next", "")
    if url_has_allowed_host_and_scheme(there, None):
        return redirect(there)
    return redirect(name, id)
