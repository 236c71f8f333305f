"""Masking rules, as forms of the settings page."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_POST

from ..access import require
from ..letters import deeds
from ..models import MaskRule
from ..refused import DeedRefused
from .people import settings_with


@require_POST
@require("change_masking")
def masks_add(request: HttpRequest) -> HttpResponse:
    """`kind` (path or header) and `pattern`: nobody is shown what it fits, from now on."""
    try:
        rule = deeds.add_mask(request.principal, request.POST.get("kind", ""), request.POST.get("pattern", ""))
    except DeedRefused as refused:
        return settings_with(request, 400, refused={"part": "masking", "sentence": str(refused)})
    messages.success(request, f"{rule.pattern} is masked from now on, also in what is kept already.")
    return redirect("settings")


@require_POST
@require("change_masking")
def masks_delete(request: HttpRequest, id: int) -> HttpResponse:
    """Show again what a rule masks."""
    rule = get_object_or_404(MaskRule, pk=id)
    deeds.delete_mask(request.principal, rule)
    messages.success(request, f"{rule.pattern} is no longer masked.")
    return redirect("settings")
