"""The inbox of dead letters. It paints its first groups without the live connection."""

from __future__ import annotations

import json

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from ..access import require, withheld
from ..letters.view import read
from ..live.view import BadView
from .queues import first_frame_text, in_script

#: The ES modules that the page imports, to be fetched at once instead of one after another.
MODULES = tuple(
    f"js/{name}.js"
    for name in ("api", "causemarks", "difference", "filterbox", "format", "headeredit", "jsontext", "letter",
                 "letterdeeds", "letteredit", "lettergroups", "letterlist", "live", "looking", "planwords",
                 "replayplan", "replayto", "spark")
)  # fmt: skip
_DEEDS = ("look", "see_payloads", "note_causes", "replay", "edit_letters", "delete_letters")


@require_GET
@require("see")
def inbox(request: HttpRequest) -> HttpResponse:
    """Dead letters of all brokers in groups; `?filter=&group=&key=&letter=` say what is looked at."""
    error = None
    text, group = request.GET.get("filter", ""), request.GET.get("group", "cause")
    try:
        view = read({"filter": text, "group": group}, request.principal)
    except BadView as wrong:
        error = {"message": str(wrong), "field": wrong.field, "position": wrong.position}
        view = read({}, request.principal)
    boot = '{"frame":' + first_frame_text(view) + ',"error":' + json.dumps(error) + "}"
    context = {
        "nav": "letters",
        "boot": in_script(boot),
        "modules": MODULES,
        "withheld": withheld(request.principal.role),
        "may": {deed: request.principal.can(deed) for deed in _DEEDS},
    }
    return render(request, "letters/inbox.html", context)
