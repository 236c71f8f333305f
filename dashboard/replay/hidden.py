"""Letters that are out of sight: those that somebody may still hold, though no pass met them.

A queue that hides what is in somebody's hands looks empty meanwhile: to a worker that takes over from a dead one, after
a call whose answer was lost, and while anybody looks into it. What was not met is believed to be gone only when all
of these have had their time.
"""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Any

from collectors.errors import CollectorError
from collectors.letters import Lease
from collectors.powers import CountsHidden, GivesBack, TellsHolders

from .journal import Journal

#: Seconds after the end of a dead worker's lease at which its letters are back for certain: a connection that says
#: nothing (its process is stopped) is given up by RabbitMQ after two heartbeats. Letters that are hidden for a time
#: (SQS) are back at its end, but for a call that was on its way.
HELD_ON, SLOWEST = 130.0, 10.0
#: Seconds for which a look may hold letters: by Weir itself no longer than ten, and giving them back. As long as the
#: broker says that somebody holds some (a console of SQS hides them for half a minute), up to HELD_ON.
LOOKED_AT = 15.0
AGAIN = 2.0  # seconds until the queue is read once more
HELD = "Waiting for {} that may be out of sight: in a connection that is lost, or in an answer that never came."
SEEN = "Waiting for {} that may be out of sight: there are fewer than there should be, and somebody may look at them."


def waiting(sentence: str, missing: int) -> str:
    """What is waited for, in words."""
    return sentence.format("a letter" if missing == 1 else f"{missing:,} letters")


class Hidden:
    """What may be out of sight of one replay. `held_until` of the journal: when letters of a lease are back that ended
    without a word, or lost sight of some; 0 = all of them were given back."""

    def __init__(self, journal: Journal, key: str) -> None:
        self._journal, self._key = journal, key
        self._missing_since = 0.0
        self._looked_once_more = False
        self._before = 0.0

    @property
    def _held_until(self) -> float:
        return float(self._journal.said("held_until", "0"))

    def _say(self, until: float) -> None:
        self._journal.say("held_until", str(until))

    # --- leases --------------------------------------------------------------------------------------------------
    def free(self, broker: Any) -> None:
        """Let others, us too, see at once what a worker held that is gone, where its letters stay hidden else."""
        if isinstance(broker, GivesBack) and (handles := self._journal.handles()):
            seconds = broker.give_back(self._key, handles)
            self._say(min(self._held_until, time.time() + seconds))
            self._journal.hands_empty()

    def begins(self, lease: Lease) -> None:
        """Write down, before anything is taken, until when its letters stay hidden should we die."""
        self._before = self._held_until
        self._say(max(lease.until, self._before))
        self._journal.commit()

    def ends(self, lease: Lease, broker: Any) -> None:
        """Give everything back; where that fails, it is back by itself, as was written down."""
        with suppress(CollectorError):
            lease.close()
            self._say(max(self._before, lease.lost_until))
            if isinstance(broker, GivesBack):
                self._journal.hands_empty()

    # --- what was not met ----------------------------------------------------------------------------------------
    def met(self) -> None:
        """A pass met letters that the one before had not."""
        self._missing_since, self._looked_once_more = 0.0, False

    def wait(self, broker: Any, missing: int) -> tuple[float, str, float] | None:
        """After a pass that did not meet so many: when to look again (epoch seconds), why, and until when at the
        latest; None = the rest is gone."""
        now, held_until = time.time(), self._held_until
        self._missing_since = self._missing_since or now
        if held_until:
            held_on = SLOWEST if isinstance(broker, GivesBack) else HELD_ON
            if now < held_until + held_on and (not isinstance(broker, TellsHolders) or broker.held(self._key)):
                return now + AGAIN, waiting(HELD, missing), held_until + held_on
            self._say(0.0)
            self._looked_once_more = False
        hidden = isinstance(broker, CountsHidden) and broker.out_of_sight(self._key) > 0
        if now < (latest := self._missing_since + (HELD_ON if hidden else LOOKED_AT)):
            return now + AGAIN, waiting(SEEN, missing), latest
        if not self._looked_once_more:
            self._looked_once_more = True
            return now, waiting(SEEN, missing), now
        return None
