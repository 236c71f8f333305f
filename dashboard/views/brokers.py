"""The brokers page: how polling goes, adding with a check, changing, pausing, deleting."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from .. import broker_deeds
from ..access import require
from ..brokers import DEFAULT_INTERVAL, MANAGED_ELSEWHERE, BrokerRefused
from ..models import Broker
from .broker_form import BrokerForm

#: How the URL of each kind looks, and the least that it needs (the README has the recipes).
EXAMPLES = (
    (
        "RabbitMQ",
        "amqp://weir:password@rabbit.internal:5672",
        "a user with the tag monitoring, and in each vhost permissions that allow nothing (^$)",
    ),
    ("Redis, Valkey", "redis://weir:password@cache.internal:6379/0", "a user whose ACL allows reading commands only"),
    (
        "Amazon SQS",
        "sqs://eu-west-1?prefix=orders-",
        "credentials from the usual AWS chain, with a policy that lists queues and reads their attributes",
    ),
)


@require_GET
@require("see")
def brokers(request: HttpRequest) -> HttpResponse:
    """Every broker with its health and what polling it costs."""
    now = timezone.now().timestamp()
    rows = [_facts(broker, now) for broker in Broker.objects.all()]
    return _page(request, "list.html", rows=rows, examples=EXAMPLES)


@require_GET
@require("see")
def broker(request: HttpRequest, id: int) -> HttpResponse:
    """One broker: its health, how it is measured, what it says of itself."""
    return _details(request, get_object_or_404(Broker, pk=id))


@never_cache
@require_http_methods(["GET", "POST"])
@require("change_brokers")
def broker_add(request: HttpRequest) -> HttpResponse:
    """A URL, checked and then saved."""
    form = BrokerForm(request.POST or None)

    def save() -> Broker:
        added = broker_deeds.add(request.principal, form.url_text, **form.fields_to_save)
        if form.cleaned_data["end_demo"]:
            broker_deeds.end_demo(request.principal)
        return added

    return _form(request, form, None, save)


@never_cache
@require_http_methods(["GET", "POST"])
@require("change_brokers")
def broker_edit(request: HttpRequest, id: int) -> HttpResponse:
    """The same for a broker that is there; the password stays where the URL shows •••."""
    row = get_object_or_404(Broker, pk=id)
    if row.managed_by in MANAGED_ELSEWHERE:
        return _details(request, row, 409, refused=f"{row.name} is managed {MANAGED_ELSEWHERE[row.managed_by]}.")
    initial = {
        "url": row.safe_url,
        "name": row.name,
        "interval": f"{row.interval:g}",
        "look_only": row.look_only,
        "acting_url": row.safe_acting_url,
    }
    form = BrokerForm(request.POST or None, initial=initial, broker=row)

    def save() -> Broker:
        return broker_deeds.change(request.principal, row, form.url_text, **form.fields_to_save)

    return _form(request, form, row, save)


@require_POST
@require("tend_brokers")
def broker_pause(request: HttpRequest, id: int) -> HttpResponse:
    """`paused`: true stops polling, false goes on."""
    row = get_object_or_404(Broker, pk=id)
    paused = request.POST.get("paused") == "true"
    broker_deeds.pause(request.principal, row, paused)
    messages.success(request, f"{row.name} is {'paused' if paused else 'polled again'}.")
    return redirect("broker", row.pk)


@require_POST
@require("tend_brokers")
def broker_check(request: HttpRequest, id: int) -> HttpResponse:
    """Try each power of a saved broker again, and poll it now."""
    row = get_object_or_404(Broker, pk=id)
    try:
        return _details(request, row, check=broker_deeds.check(request.principal, row))
    except BrokerRefused as refused:
        return _details(request, row, 409, refused=str(refused))


@require_POST
@require("change_brokers")
def broker_keep(request: HttpRequest, id: int) -> HttpResponse:
    """Confirm a broker that was found on this machine."""
    row = get_object_or_404(Broker, pk=id)
    try:
        row = broker_deeds.keep(request.principal, row)
    except BrokerRefused as refused:
        return _details(request, row, 409, refused=str(refused))
    messages.success(request, f"{row.name} is kept.")
    return redirect("broker", row.pk)


@require_http_methods(["GET", "POST"])
@require("change_brokers")
def broker_delete(request: HttpRequest, id: int) -> HttpResponse:
    """A page that says what goes, and the deed."""
    row = get_object_or_404(Broker, pk=id)
    if request.method == "POST":
        try:
            gone = broker_deeds.delete(request.principal, row)
        except BrokerRefused as refused:
            return _details(request, row, 409, refused=str(refused))
        messages.success(request, f"{row.name} is deleted, with {gone['queues']:,} queues.")
        return redirect("brokers")
    elsewhere = MANAGED_ELSEWHERE.get(row.managed_by)
    return _page(request, "delete.html", broker=row, gone=broker_deeds.belongings(row), elsewhere=elsewhere)


def _form(request: HttpRequest, form: BrokerForm, row: Broker | None, save: Callable[[], Broker]) -> HttpResponse:
    """The form of adding and editing: shown, checked (`do=check`), or saved (`do=save`)."""
    check = None
    if request.method == "POST" and form.is_valid():
        if request.POST.get("do") == "save":
            try:
                saved = save()
            except BrokerRefused as refused:
                form.refuse(refused)
            else:
                messages.success(request, f"{saved.name} is saved; its first answer shows in a moment.")
                return redirect("broker", saved.pk)
        else:
            check = form.check()
    status = 400 if form.errors else 200
    return _page(
        request,
        "form.html",
        status,
        form=form,
        default_interval=DEFAULT_INTERVAL,
        broker=row,
        check=check,
        demo=row is None and Broker.objects.filter(managed_by=Broker.Managed.DEMO).exists(),
        examples=EXAMPLES,
    )


def _details(request: HttpRequest, row: Broker, status: int = 200, **context: Any) -> HttpResponse:
    return _page(request, "broker.html", status, **_facts(row, timezone.now().timestamp()), **context)


def _facts(row: Broker, now: float) -> dict[str, Any]:
    """A broker as the pages show it."""
    return {
        "broker": row,
        "state": row.state(now),
        "age": now - row.last_answer_at.timestamp() if row.last_answer_at else None,
        "elsewhere": MANAGED_ELSEWHERE.get(row.managed_by),
        "found": row.managed_by == Broker.Managed.FOUND,
    }


def _page(request: HttpRequest, template: str, status: int = 200, **context: Any) -> HttpResponse:
    may = {deed: request.principal.can(deed) for deed in ("change_brokers", "tend_brokers")}
    return render(request, f"brokers/{template}", {"nav": "brokers", "may": may, **context}, status=status)
