"""One live connection as the hub sees it: what it looks at, what it was sent, what it acknowledged."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..ticks import Ints
from .frames import Frame
from .straight import Straight
from .view import QueuesView, View, same_list

#: Frames that may be on their way without an acknowledgement. A client that has as many gets no more; when it
#: acknowledges, it gets the newest state, and what came between is never made.
CREDIT = 10
#: Seconds without any acknowledgement of what was sent, after which a client is let go.
PATIENCE = 60.0

Send = Callable[[Mapping[str, Any]], Awaitable[None]]


@dataclass(eq=False, slots=True)
class Client:
    """A connection. `send` takes ASGI messages; `session`, `token`, `user`, `wallboard` say who it is
    (signing out).

    `may_stay` asks the database whether that is still true; `straight` is the short way past `send`.
    """

    send: Send
    may_stay: Callable[[], Awaitable[bool]]
    session: str | None = None
    token: int | None = None
    user: int | None = None
    wallboard: int | None = None
    straight: Straight | None = None
    view: View | None = None
    holds: bool = False
    last: Frame | None = None
    fresh: bool = True  # wants a frame even when nothing is new
    asked: int = 0  # how often it wanted one
    outstanding: deque[int] = field(default_factory=deque)
    heard_at: float = field(default_factory=time.monotonic)  # of the last acknowledgement, or of the first frame after
    sent_at: float = 0.0
    checked_at: float = field(default_factory=time.monotonic)

    @property
    def has_credit(self) -> bool:
        return len(self.outstanding) < CREDIT

    @property
    def unpacks(self) -> bool:
        """Whether it can read frames that are compressed."""
        return self.straight is not None and self.straight.unpacks

    @property
    def gone_quiet(self) -> bool:
        """Whether it has not acknowledged anything for longer than PATIENCE."""
        return bool(self.outstanding) and time.monotonic() - self.heard_at > PATIENCE

    @property
    def held_order(self) -> Ints | None:
        """The order to keep while it holds: that of its last frame, if that was the same list."""
        view, last = self.view, self.last
        if not self.holds or last is None or not isinstance(view, QueuesView) or not same_list(view, last.view):
            return None
        return last.order

    def show(self, view: View) -> None:
        """Look at something else, from the next frame on."""
        self.view, self.fresh = view, True
        self.asked += 1

    def hold(self, on: bool) -> None:
        """Keep the order of the rows, or let go of it."""
        if self.holds != on:
            self.fresh = True
            self.asked += 1
        self.holds = on

    def acknowledge(self, seq: int) -> bool:
        """Everything up to `seq` has arrived; whether there is credit again after there was none."""
        had = self.has_credit
        while self.outstanding and self.outstanding[0] <= seq:
            self.outstanding.popleft()
            self.heard_at = time.monotonic()
        return self.has_credit and not had

    def note_sent(self, seq: int) -> None:
        """A frame is on its way."""
        self.sent_at = time.monotonic()
        if not self.outstanding:
            self.heard_at = self.sent_at
        self.outstanding.append(seq)

    def is_of(self, who: Mapping[str, Any]) -> bool:
        """Whether a "signed_out" note means this connection."""
        return (
            (self.session is not None and who.get("session") == self.session)
            or (self.token is not None and who.get("token") == self.token)
            or (self.user is not None and who.get("user") == self.user)
            or (self.wallboard is not None and who.get("wallboard") == self.wallboard)
        )
