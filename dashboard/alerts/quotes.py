"""What incidents quote of causes: they obey a new mask at once, as causes do, and say again what those say later.

An incident keeps in its `values` what it quotes: {"causes": {fingerprint: title}}. One that an earlier Weir opened has
its words alone, and a title that changed is found in them.
"""

from __future__ import annotations

from collections.abc import Mapping

from django.db import transaction
from django.db.models import Max, Q

from ..letters.causes import WITHHELD
from ..live.bus import the_bus
from ..models import Cause, Fact, Incident

RENEWED = "causes_quoted"  # up to which revision of causes
_BATCH = 400
#: What the reasons say that quote a cause.
_ABOUT = Q(reason__contains=" is new in ") | Q(reason__contains="new cause")


def masked(titles: Mapping[str, str]) -> None:
    """Causes have other titles since a mask was added: {before: after}. At once."""
    renew()
    changed = False
    for before, after in titles.items():
        said = Incident.objects.filter(_ABOUT, reason__contains=before).exclude(values__has_key="causes")
        for id, reason in said.values_list("pk", "reason"):
            changed |= bool(Incident.objects.filter(pk=id).update(reason=reason.replace(before, after)))
    _told(changed)


def look() -> None:
    """Renew quotes when causes have changed since the last look."""
    newest = str(Cause.objects.aggregate(newest=Max("revision"))["newest"] or 0)
    mark, new = Fact.objects.get_or_create(name=RENEWED, defaults={"value": newest})
    if new or mark.value == newest:
        return
    renew()
    Fact.objects.filter(name=RENEWED).update(value=newest)


def renew() -> None:
    """Let every incident quote what its causes say now; of one that is no more known, that it is not shown."""
    quoting = dict(Incident.objects.filter(values__has_key="causes").values_list("pk", "values"))
    prints = list({print for values in quoting.values() for print in values["causes"]})
    titles: dict[str, str] = {}
    for at in range(0, len(prints), _BATCH):
        rows = Cause.objects.filter(fingerprint__in=prints[at : at + _BATCH])
        titles.update(dict(rows.values_list("fingerprint", "title")))
    changed = False
    for id, values in quoting.items():
        now = {print: titles.get(print, WITHHELD) for print in values["causes"]}
        if now != values["causes"]:
            changed |= _requote(id, now)
    _told(changed)


def _requote(id: int, now: Mapping[str, str]) -> bool:
    with transaction.atomic():
        incident = Incident.objects.select_for_update().filter(pk=id).first()
        if incident is None:
            return False
        for print, before in incident.values.get("causes", {}).items():
            incident.reason = incident.reason.replace(before, now[print])
        incident.values = {**incident.values, "causes": dict(now)}
        incident.save(update_fields=["reason", "values"])
    return True


def _told(changed: bool) -> None:
    if changed:
        the_bus().note("incidents_changed")
