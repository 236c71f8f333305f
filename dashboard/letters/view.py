"""Dead letters in live pages: {"view": "dead-letters", "filter", "group"}, whose rows are groups as in the API.

A frame is made anew when letters, causes or looks changed, when a queue of dead letters grew or shrank, when a search
has read on, and twice a minute because "3 min ago" moves; never so often that counting takes more than a tenth of the
time.
"""

from __future__ import annotations

import time
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from ..access import Principal
from ..filters import FilterError
from ..live import others
from ..live.view import BadView, known
from ..snapshot import Snapshot, iso
from . import choosing, contents, counting, places
from .choosing import Sight
from .columns import letters
from .groups import BY
from .masking import Masking

NAME = "dead-letters"
#: Groups of a frame; the page gets more from the API.
MOST = 200


@dataclass(frozen=True, slots=True)
class LettersView(others.OtherView):
    """`payloads`: whether who looks may filter by what is in letters; not asked for, but known."""

    name: ClassVar[str] = NAME
    filter: str = ""
    group: str = "cause"
    since: float | None = None
    payloads: bool = False

    def asked(self) -> dict[str, Any]:
        since = None if self.since is None else iso(self.since)
        return {"view": NAME, "filter": self.filter, "group": self.group, "since": since}


def register() -> None:
    """Take these views in live pages."""
    others.register(NAME, others.Kind("see", read, _pace.version, told))


def read(message: Mapping[str, Any], principal: Principal) -> LettersView:
    """A client's message. Raises BadView. What a rule masks is found when the frame is made."""
    known(message, "filter", "group", "since")
    text, group = message.get("filter") or "", message.get("group") or "cause"
    payloads = principal.can("see_payloads")
    if not isinstance(text, str):
        raise BadView("filter must be a text.", "filter")
    try:
        choosing.parsed(text.strip(), Sight(payloads))
    except FilterError as error:
        raise BadView(str(error), "filter", error.position) from None
    if group not in BY:
        raise BadView(f"group must be one of {', '.join(BY)}.", "group")
    since = message.get("since")
    if since is not None and (isinstance(since, bool) or not isinstance(since, int | float)):
        raise BadView("since must be a number of epoch seconds.", "since")
    return LettersView(text.strip(), group, since, payloads)


def told(view: LettersView, snapshot: Snapshot, now: float) -> dict[str, Any]:
    """What a frame says."""
    began = time.monotonic()
    sight = Sight(view.payloads, Masking.load().version)
    try:
        found = counting.count(snapshot, view.filter, view.group, sight, view.since, 0, MOST, now)
    except FilterError as error:  # a rule that came after the view was asked for
        return {"total": 0, "summary": {"problem": str(error)}, "rows": []}
    _pace.note(view, time.monotonic() - began)
    return {"total": found.total, "summary": found.summary, "rows": found.items}


class _Pace:
    """What there was to say at a time. For one thread, that of the hub."""

    def __init__(self) -> None:
        self._asked: tuple[float, Hashable] = (0.0, None)
        self._said: dict[LettersView, tuple[float, Hashable]] = {}

    def version(self, view: LettersView, snapshot: Snapshot, now: float) -> Hashable:
        """Another one when there is something new, and it is time to say it."""
        news = (self._news(snapshot), now // 30)
        not_before, said = self._said.get(view, (0.0, None))
        if said is not None and time.monotonic() < not_before:
            return said
        if len(self._said) > 500:
            self._said.clear()
        self._said[view] = (not_before, news)
        return news

    def note(self, view: LettersView, cost: float) -> None:
        """Counting took so long: the next time is ten times that away."""
        if view in self._said:
            self._said[view] = (time.monotonic() + min(10 * cost, 30.0), self._said[view][1])

    def _news(self, snapshot: Snapshot) -> Hashable:
        """Asked once for all views of a round."""
        at, news = self._asked
        if time.monotonic() - at > 0.2 or news is None:
            looked = tuple(sorted((row.queue_id, row.looked_at, row.of, row.error) for row in places.rows().values()))
            index = letters()
            news = (index.token, index.revision, contents.progress(), hash(looked))
            self._asked = (time.monotonic(), news)
        lying = tuple((id, holder.of) for id, holder in places.holders(snapshot).items())
        return (news, hash(lying))


_pace = _Pace()
