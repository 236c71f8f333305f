"""Undoing a deletion: its copies are put back into their queue, one after another, each confirmed.

What was being put back when a worker died, or when the answer of the broker was lost, may lie there already, as may
what a deletion had kept and perhaps not deleted: it is put back all the same, and named.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from collectors.errors import AccessRefused, BadURL, Busy, CollectorError, NotSupported, TimedOut, Unreachable
from collectors.letters import Destination, Letter, Sends
from collectors.powers import PutsBack

from ..letters import looks
from ..models import Queue, Replay
from ..refused import DeedRefused
from ..secrets import SecretError, decrypt_bytes
from . import orders, restoring
from .journal import Journal
from .keeping import KEPT, NOT_RESTORED, RESTORED, RESTORING, Db, counts, opened, path_of, surplus, unpacked
from .places import journal_path
from .states import Counts, JournalError

if TYPE_CHECKING:
    from .telling import Desk

log = logging.getLogger("weir.replay")


def restore(replay: Replay, desk: Desk) -> None:
    """Put copies of a deletion back into its queue. After a crash it goes on. Raises CollectorError, DeedRefused."""
    deletion, queue = replay.repeats, replay.queue
    if deletion is None or queue is None:
        raise JournalError("The deletion, or its queue, is no longer known here.")
    if not path_of(deletion.own).exists():
        raise JournalError("Its copies are no longer kept here: nothing was put back.")
    doubtful = _perhaps_there(deletion)
    broker = orders.adapter(queue.broker)
    try:
        if not isinstance(broker, Sends):
            raise NotSupported(f"Nothing can be put into queues of {queue.broker.kind} from here.")
        kept = counts(deletion.own)
        restoring.must_fit(replay, queue, broker, kept["kept"] - kept["restored"])
        with opened(deletion.own) as db:
            one = Restoring(broker, queue.key, db, desk, doubtful, deletion.own)
            over = one.run()
        known = _look_again(queue, broker) if over and one.counts.sent else ""
    finally:
        broker.close()  # type: ignore[attr-defined]
    if over:
        state = "failed" if one.counts.failed or one.broken else "done"
        desk.tell(state, f"{one.words()} {known}".rstrip(), one.counts, one.counts.total)


def _perhaps_there(deletion: Replay) -> Counter[str]:
    """What was kept of a deletion that was broken off, and may not have been deleted: ids, each so often."""
    path = journal_path(deletion.own)
    if deletion.state == Replay.State.DONE or not path.exists():
        return Counter()
    with Journal(path, "undoing") as journal:
        return surplus(deletion.own, journal)


def _look_again(queue: Queue, broker: Any) -> str:
    """So that the inbox knows what was put back: where looking is free it is read by itself within seconds, elsewhere
    a look is spent, never of the last half of a budget. What is to be done where that is not enough, a sentence."""
    later = "Dead letters shows them after the next look into the queue."
    try:
        offer = looks.offer_by(queue, broker)
        if offer.price.free:
            return ""
        if offer.refused or (offer.left is not None and offer.left <= (offer.place.limit or 0) / 2):
            return later
        seen = looks.by_itself(queue, broker)
    except (DeedRefused, CollectorError) as error:
        log.info("What was put back into %s is not looked at: %s", queue.name, error)
        return later
    return "" if seen.of is not None and len(seen.letters) >= seen.of else later


class Restoring:
    """Sends what is kept. `doubtful`: ids of copies whose originals may lie there, so many; `own`: the deletion's name;
    `broken`: why it ended before all had their turn, a sentence, "" = it did not."""

    def __init__(
        self, broker: Sends, key: str, db: Db, desk: Desk, doubtful: Counter[str] | None = None, own: str = ""
    ) -> None:
        self.broker, self.key, self.db, self.desk, self.own = broker, key, db, desk, own
        self.doubtful = doubtful or Counter()
        self.broken = ""
        db.execute("update kept set again=again+1 where state=?", (RESTORING,))
        rows = dict(db.execute("select state, count(*) from kept group by state").fetchall())
        self.counts = Counts(total=sum(rows.values()), sent=rows.get(RESTORED, 0), removed=rows.get(RESTORED, 0))
        (again,) = db.execute("select count(*) from kept where again > 0").fetchone()
        self.counts.possibly_duplicated = again

    def run(self) -> bool:
        """Whether it came to an end; false = it was halted. What the broker says no to does not keep the others."""
        rows = self.db.execute("select n from kept where state != ? order by n", (RESTORED,)).fetchall()
        for (n,) in rows:
            if not self.desk.go_on():
                self.desk.tell("", "", self.counts, self.counts.total)
                return False
            self._one(n)
            if self.broken:
                break
            if self.counts.sent % 50 == 0:
                self.desk.tell("running", "", self.counts, self.counts.total)
        return True

    def words(self) -> str:
        """What became of them."""
        counts = self.counts
        said = f"{counts.sent} were put back."
        if self.broken:
            said = f"{self.broken} {said} The rest is still kept: resume it."
        elif counts.failed:
            said = f"{counts.failed} could not be put back; they are still kept."
        if counts.possibly_duplicated:
            said += f" {counts.possibly_duplicated} of them may be there twice."
        return said

    def _one(self, n: int) -> None:
        secret, id, again = self.db.execute("select secret, id, again from kept where n=?", (n,)).fetchone()
        if not again and self.doubtful[id] > 0:
            self.doubtful[id] -= 1
            self.counts.possibly_duplicated += 1
            again = 1
        self.db.execute("update kept set state=?, why='', again=? where n=?", (RESTORING, again, n))
        try:
            letter, wire = unpacked(decrypt_bytes(secret))
            self.db.execute("update kept set size=?, at=? where n=?", (len(letter.body), time.time(), n))
            self._send(letter, wire, f"restored-{self.own}-{n}")
        except (Unreachable, TimedOut) as error:  # it may be there
            self.broken = str(error)
            self._note(n, RESTORING, error)
        except (Busy, AccessRefused, BadURL) as error:  # nothing was sent, nor would be of the others
            self.broken = str(error)
            self._note(n, KEPT, error)
        except (CollectorError, SecretError) as error:
            self._note(n, NOT_RESTORED, error)
            self.counts.failed += 1
        else:
            self.db.execute("update kept set state=? where n=?", (RESTORED, n))
            self.counts.sent += 1
            self.counts.removed += 1

    def _note(self, n: int, state: int, error: Exception) -> None:
        self.db.execute("update kept set state=?, why=? where n=?", (state, str(error)[:500], n))

    def _send(self, letter: Letter, wire: bytes, once: str) -> None:
        """As it was; on brokers that cannot say so, with such properties as they take."""
        properties = dict(letter.properties)
        to = Destination(self.key)
        if isinstance(self.broker, PutsBack):
            return self.broker.put_back(to, letter, wire, once)
        while True:
            try:
                self.broker.send_new(to, letter.body, letter.headers, properties)
                return
            except NotSupported as error:
                refused = [name for name in properties if f"'{name}'" in str(error)]
                if not refused:
                    raise
                with suppress(KeyError):
                    del properties[refused[0]]
