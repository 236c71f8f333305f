"""Looking into a queue of SQS: letters are received, and all of them are given back.

There is no way to see a message without receiving it: that is counted, and hides it from others meanwhile. It is
hidden for a little longer than the look may take, so that it comes back by itself when the process dies.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence

from ...errors import CollectorError, NotSupported
from ...letters import Bounds, Letter, Look, Price
from . import price as prices
from . import receiving, renewing
from .attributes import Attributes
from .message import Received
from .names import short
from .queue import Queue

#: Seconds that letters stay hidden beyond those of the look: for giving them back.
GIVING_BACK = 10.0
#: A letter that comes back by itself in less than so many seconds is not renewed any more: others may see it too soon.
LATE = 3.0
#: Letters of one look: they count towards what a queue may have in flight, for its consumers too.
MOST = 1000
#: Seconds that one receive waits (then SQS asks all of its servers), and replies without anything new that end a look;
#: once as many were seen as SQS says there are, one is enough, without waiting.
WAIT, EMPTY_REPLIES = 1, 2


def price_of(queue: Queue, a: Attributes, bounds: Bounds, look_only: bool) -> Price:
    """In words, from the queue's attributes."""
    letters = max(1, min(bounds.messages, MOST, int(a.depth or 0)))
    calls = 2 * math.ceil(letters / receiving.BATCH) + EMPTY_REPLIES + 1
    cost = prices.in_words(calls * (prices.FIFO_REQUEST if queue.fifo else prices.STANDARD_REQUEST))
    hidden = hidden_seconds(bounds)
    said = [
        f"Each letter is received once more, which SQS counts, and is out of the sight of other readers until the "
        f"look is over, at most {hidden} s; about {calls} calls ({cost}), which are not in the price of polling."
    ]
    if queue.fifo:
        said.append("Meanwhile its message groups stand still, and at most the first ten of each group are seen.")
    redrive = a.redrive
    if redrive is None:
        return Price(" ".join(said), hidden_seconds=hidden)
    target = short(redrive.target) or "another queue"
    refused = _refused(redrive.most, target, look_only) or renewing.stuck(queue)
    most = redrive.most or 0
    said.append(
        f"This queue moves what was received {most} times to '{target}': a letter that comes near is not given back, "
        "but a confirmed copy is put at the end of the queue, with a new id and date, and the original deleted."
    )
    beyond = f"the next receive, by anybody, moves it to '{target}'"
    return Price(" ".join(said), False, max(0, most - 1), beyond, not refused, hidden, refused)


def _refused(most: int | None, target: str, look_only: bool) -> str:
    """Why a queue with a redrive policy of its own must not be looked at."""
    if most is None:
        return "Its redrive policy does not say after how many receives it moves a message, so that no look is safe."
    if most <= renewing.MARGIN:
        return f"It moves a message to '{target}' after a single receive, so that a look that breaks off moves letters."
    if look_only:
        return f"It moves messages to '{target}' after {most} receives, and nothing may be sent on a look-only broker."
    return ""


def hidden_seconds(bounds: Bounds) -> int:
    return math.ceil(bounds.seconds + GIVING_BACK)


class Looking:
    """One look into one queue."""

    def __init__(self, queue: Queue, a: Attributes, bounds: Bounds, stop: Callable[[], bool]) -> None:
        self._queue, self._a, self._bounds, self._stop = queue, a, bounds, stop
        self._seen: dict[str, Received] = {}
        self._room = bounds.bytes
        self._notes: list[str] = []
        self._highest = 0

    def look(self, look_only: bool) -> Look:
        """Receive within the bounds, give all back. Raises CollectorError when nothing could be seen."""
        look = Look([], time.time(), None if self._a.depth is None else int(self._a.depth), exact=False)
        if self._bounds.messages <= 0:
            return look
        if refused := price_of(self._queue, self._a, self._bounds, look_only).refused:
            raise NotSupported(refused)
        if self._a.redrive is not None:
            renewing.may_renew(self._queue)
        try:
            self._receive()
        except CollectorError as error:
            if not self._seen:
                raise
            self._notes.append(f"The look broke off: {error}")
        finally:  # also what is no error of a broker leaves nothing hidden
            look.renewed = self._let_go()
        look.letters = self._within(list(self._seen.values()))
        look.notes = self._notes
        look.deliveries = self._highest if self._a.redrive is not None else None
        return look

    def _receive(self) -> None:
        most = min(self._bounds.messages, MOST)
        end = time.monotonic() + self._bounds.seconds
        hidden, empty = hidden_seconds(self._bounds), 0
        while len(self._seen) < most and self._room > 0 and not self._stop():
            left = end - time.monotonic()
            if left <= 0:
                self._notes.append(f"The look ended after {self._bounds.seconds:g} s; there may be more.")
                return
            wait = 0 if self._all_seen() else min(WAIT, int(left))
            handed = receiving.receive(self._queue, most - len(self._seen), hidden, wait)
            before = len(self._seen)
            for message in handed.messages:
                received = Received.of(len(self._seen) + 1, message, self._a, handed.until)
                if received.message_id not in self._seen:
                    self._room -= min(received.size, self._bounds.body_bytes)
                self._seen[received.message_id] = received
            empty = 0 if len(self._seen) > before else empty + 1
            if empty >= (1 if self._all_seen() else EMPTY_REPLIES):
                self._say_what_is_hidden()
                return

    def _all_seen(self) -> bool:
        """Of nothing seen it is never said: a 0 of SQS may be a minute old."""
        return self._a.depth is not None and 0 < len(self._seen) >= self._a.depth

    def _say_what_is_hidden(self) -> None:
        if self._queue.fifo and not self._all_seen():
            self._notes.append(
                "Letters behind the first ten of a message group, or behind one in other hands, were out of sight."
            )

    def _let_go(self) -> int:
        """Give everything back in order, and renew what must not go back; how many were renewed."""
        letters, renewed = list(self._seen.values()), 0
        if self._a.redrive is not None:
            most = self._a.redrive.most or 0
            late = time.time() + LATE
            doomed = [one for one in letters if renewing.due(one, most) and one.hidden_until > late]
            renewed, back, notes = renewing.renew(self._queue, doomed, most)
            self._notes += notes
            kept = {one.message_id for one in doomed} - {one.message_id for one in back}
            letters = [one for one in letters if one.message_id not in kept]
        self._highest = max((one.count for one in letters), default=0)
        failed, why = receiving.hide(self._queue, letters, 0)
        if failed:
            self._notes.append(
                f"{len(failed):,} letters could not be given back at once{f' ({why})' if why else ''} "
                f"and come back by themselves within {hidden_seconds(self._bounds)} s."
            )
        return renewed

    def _within(self, letters: Sequence[Received]) -> list[Letter]:
        """As many as the bound of bytes allows: SQS hands out up to ten at once, however large they are."""
        shown: list[Letter] = []
        room = self._bounds.bytes
        for letter in letters:
            room -= min(letter.size, self._bounds.body_bytes)
            if room < 0 and shown:
                self._notes.append(f"{len(letters) - len(shown):,} more were received, which are too large to be kept.")
                break
            shown.append(letter.as_letter(self._bounds.body_bytes))
        return shown
