"""A broker's own move of a whole queue: begun, followed, cancelled by a worker (`collectors.letters.MovesByItself`).

The broker does the work, and goes on when a worker dies; the row keeps the move's handle, so that whoever takes the
replay over follows the same move. Before a move is begun a mark of it is written down: a worker that dies between
asking and hearing leaves one by which the move is found again, and never begun twice. There is no journal.
"""

from __future__ import annotations

import time
from contextlib import closing
from typing import Any

from collectors.errors import BadAnswer, CollectorError, NotSupported
from collectors.powers import MoveProgress, MovesByItself

from ..letters import taking
from ..models import Letter, Queue, Replay
from ..refused import DeedRefused
from . import clock, orders
from .desks import RowDesk
from .journal import Counts
from .runner import GIVEN_UP, PAUSES

EVERY, SOON = 2.0, 0.5  # seconds between two questions how far it is, while it goes on, and when it is to stop
POLL = 0.2  # seconds between looks at orders

#: What becomes of a replay whose move ended so.
_ENDS = {"done": Replay.State.DONE, "failed": Replay.State.FAILED, "cancelled": Replay.State.STOPPED}


def run(replay: Replay, desk: RowDesk) -> None:
    """Until it is over, or somebody else's. One that was stopped is cancelled. Raises DeedRefused."""
    if replay.queue is None:
        raise DeedRefused("queue_id", f"{replay.queue_name} is no longer known here.")
    Follower(replay, replay.queue, desk).run()


class Follower:
    """Follows one move of a broker, in the calling thread."""

    def __init__(self, replay: Replay, queue: Queue, desk: RowDesk) -> None:
        self.replay, self.queue, self.desk = replay, queue, desk
        self.handle = replay.handle
        self.counts = Counts(sent=replay.sent, removed=replay.removed)
        self._failing = 0.0  # since when; 0 = it answers

    def run(self) -> None:
        """A broker that is away is asked again, for a quarter of an hour: its move goes on meanwhile."""
        tries = 0
        while True:
            try:
                with closing(orders.adapter(self.queue.broker)) as broker:
                    self.follow(broker)
                return
            except CollectorError as error:
                self._failing = self._failing or clock.now()
                if error.permanent or clock.now() - self._failing > GIVEN_UP:
                    return self._give_up(error)
                self.desk.trouble(str(error))
            if not self._sleep(PAUSES[min(tries, len(PAUSES) - 1)]):
                return
            tries += 1

    def _give_up(self, error: CollectorError) -> None:
        """Resumed, it is followed again. One that was stopped is not asked about for ever."""
        on = "; the broker's move may be going on." if self.handle else ""
        sentence = f"{error}" if not on else f"{str(error).rstrip('.')}{on}"
        self._tell(Replay.State.FAILED, sentence)
        if self._stopped:
            self._over(reason=f"It was stopped, and could not be cancelled: {sentence}"[:1000])

    def follow(self, broker: Any) -> None:
        """Begin it, where it is not begun; then until it ends. Raises CollectorError."""
        if not isinstance(broker, MovesByItself):
            raise NotSupported(f"Queues of {self.queue.broker.kind} do not move by themselves.")
        if not self._stopped and not self._begun(broker):
            self._begin(broker)
        self.desk.trouble("")
        while self.handle:
            told = broker.move_progress(self.queue.key, self.handle)
            self._failing = 0.0
            self._count(told)
            if told.state != "running":
                return self._end(told)
            if self._stopped:
                broker.cancel_move(self.queue.key, self.handle)
            if self.desk.ending or not (self._stopped or self.desk.go_on()):
                return  # another worker goes on with it
            if not self._stopped:
                self._tell(Replay.State.RUNNING, "The broker moves them by itself.")
            self._sleep(SOON if self._stopped else EVERY)

    @property
    def _stopped(self) -> bool:
        return self.desk.ordered == Replay.State.STOPPED

    def _begun(self, broker: MovesByItself) -> bool:
        return bool(self.handle) and broker.move_progress(self.queue.key, self.handle).state != "none"

    def _begin(self, broker: MovesByItself) -> None:
        to = orders.destination(self.replay.to, self.queue)
        if why := broker.fits(self.queue.key, to):
            raise NotSupported(why)
        self._keep(broker.mark_move(self.queue.key))
        self._keep(broker.start_move(self.queue.key, to, self.desk.rate))

    def _keep(self, handle: str) -> None:
        """Written down before anything else happens. Raises BadAnswer when the replay is another worker's by now."""
        mine = Replay.objects.filter(pk=self.replay.pk, owner=self.desk.owner)
        if not (self.desk.until > clock.now() and mine.update(handle=handle)):
            raise BadAnswer("This replay is another worker's now.")
        self.handle = handle

    def _count(self, told: MoveProgress) -> None:
        if told.moved is not None:
            self.counts.sent = self.counts.removed = told.moved
        if told.of is not None:
            self.counts.total = told.of

    def _end(self, told: MoveProgress) -> None:
        words = {
            "done": "The broker has moved them by itself; which of them came back it does not tell.",
            "failed": f"The broker gave up its move: {told.why.rstrip('.') or 'it says no reason'}.",
            "cancelled": f"The move was cancelled after {self.counts.sent:,}; what was moved stays moved.",
            "none": "The broker had not begun.",
        }
        self._tell(_ENDS.get(told.state, Replay.State.STOPPED), words[told.state])
        if told.state == "done" and self.replay.started_at is not None:  # the index need not look to know
            known = Letter.objects.filter(
                queue=self.queue, gone_at=None, first_seen__lt=self.replay.started_at.timestamp()
            )
            taking.removed(self.queue.pk, dict(known.values_list("key", "count")))
        self._over()

    def _over(self, **columns: Any) -> None:
        Replay.objects.filter(pk=self.replay.pk, owner=self.desk.owner).update(handle="", **columns)

    def _tell(self, state: str, reason: str) -> None:
        self.desk.tell(state, reason, self.counts, self.counts.total or self.replay.total)

    def _sleep(self, seconds: float) -> bool:
        """Whether to go on."""
        until = clock.now() + seconds
        stopped = self._stopped
        while (left := until - clock.now()) > 0:
            if self._stopped is not stopped or not (self._stopped or self.desk.go_on()):
                break
            time.sleep(min(POLL, left))
        return self._stopped or self.desk.go_on()
