"""One replay from its beginning to its end: trial, ramp, the rest, watching for returns.

It goes on from whatever its journal says, so a runner that takes over after a crash, and one that goes on after a
pause, do the same. Between passes it holds no lease: while it waits after a trial, yields to a destination that is
full, waits for its next turn at a slow rate, or is paused, every letter lies in its queue.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

from collectors.errors import CollectorError, Expired, SignInRefused
from collectors.letters import Bounds, Destination, Lease

from . import clock, hidden, renewals, returns
from .guards import Pace, too_many_back
from .hidden import Hidden
from .journal import Journal
from .passes import Pass
from .states import Fenced, JournalError, State
from .tasks import KEEPS, End, Order
from .telling import Desk, Halted, Voice

LEASE, LONG_LEASE = 60.0, 600.0  # seconds; the long one where letters are held that were not chosen
CHECK = 15.0  # seconds of sending between two looks whether something came back
PAUSES = (0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0)  # seconds between tries while a broker is away
GIVEN_UP = 900.0  # seconds of trying in vain after which a replay fails; it can be resumed
NO_LAST_LOOK = 60.0  # seconds of that at the end of a watch, after which it is done without a last look
MOST_BROKEN = 5  # passes in a row that left it open what became of copies, and moved nothing: each may send them again


class Stopped(Exception):
    """It stops by itself; the message says why, `state` what it is then."""

    def __init__(self, state: str, sentence: str) -> None:
        super().__init__(sentence)
        self.state = state


class Runner:
    """Runs one replay in the calling thread. `connect` gives an adapter; `wrap` puts something around a lease."""

    def __init__(
        self,
        desk: Desk,
        connect: Callable[[], Any],
        order: Order,
        journal: Journal,
        wrap: Callable[[Lease, Journal], Lease] | None = None,
    ) -> None:
        self.desk, self.connect, self.order, self.journal, self.wrap = desk, connect, order, journal, wrap
        self.task = order.task
        self.pace = Pace(desk.rate, order.ramp)
        self.broker: Any = None
        self.hidden = Hidden(journal, order.key)
        self.voice = Voice(desk, order, journal)
        self._checked = clock.now()
        self._crowded_at, self._crowded = 0.0, ""
        self._failing_since: float | None = None
        self._sent_before, self._tries, self._broken = journal.counts.sent, 0, 0
        self._refused: Counter[Destination] = Counter()

    # --- the whole -----------------------------------------------------------------------------------------------
    def run(self) -> None:
        """Until it is over, or halted. Raises nothing that a person has to know: it is told at the desk."""
        while True:
            try:
                if self.broker is None:
                    self.broker = renewals.noted(self.connect(), self.journal)
                self._stages()
                return
            except (Halted, Fenced):
                return self.voice.last_word()
            except Stopped as stopped:
                return self.voice.tell(stopped.state, str(stopped), now=True)
            except Expired:
                continue
            except CollectorError as error:
                if (error.permanent and not self._locked_out(error)) or self._tried_long():
                    return self._give_up(error)
                if not self._wait_out(error):
                    return self.voice.last_word()
            except JournalError as error:
                return self.voice.tell("failed", str(error), now=True)
            finally:
                self._let_go()

    def _locked_out(self, error: CollectorError) -> bool:
        """Whether the password was right when it began: it is being changed, or will be put right."""
        return isinstance(error, SignInRefused) and self.journal.said("began") != ""

    def _tried_long(self) -> bool:
        """After a failure: whether nothing has gone well for so long that the replay is given up."""
        if self.journal.counts.sent != self._sent_before:
            self._sent_before, self._failing_since, self._tries = self.journal.counts.sent, None, 0
        self._failing_since = self._failing_since or clock.now()
        watched = self._sent_all and time.time() > float(self.journal.said("watch_until", "0"))
        return clock.now() - self._failing_since > (NO_LAST_LOOK if watched else GIVEN_UP)

    @property
    def _sent_all(self) -> bool:
        return self.journal.said("sent_all") == "1"

    def _give_up(self, error: CollectorError) -> None:
        """It failed; one that has sent everything is done, and does not know what came back."""
        if self._sent_all:
            self.journal.say("unsure", str(error))
            self.journal.commit()
        self.voice.tell("done" if self._sent_all else "failed", self._summary() if self._sent_all else str(error), True)

    def _stages(self) -> None:
        if not self.journal.said("began"):
            self._begin()
        bound = self.journal.said("bound")
        self.task = replace(self.task, bound=int(bound) if bound else None)
        self.voice.bound = self.task.bound
        self.desk.trouble("")
        if self.order.trial and self.journal.said("trial") != "done":
            self._trial()
        if not self._sent_all:
            self._rest()
        if self.order.judges:
            self._watch()
        self.voice.tell("done", self._summary(), now=True)

    def _begin(self) -> None:
        """The snapshot: how many lie there now, which were chosen. Nothing that comes later is replayed."""
        look = self.broker.look(self.order.key, Bounds(messages=0))
        fewer = self.order.foreseen - look.of if look.exact and look.of is not None else 0
        if fewer > 0 and not self.broker.price(self.order.key).free:
            until = time.time() + hidden.LOOKED_AT
            self.voice.wait(until, hidden.waiting(hidden.SEEN, fewer), until)
            look = self.broker.look(self.order.key, Bounds(messages=0))
        count = look.of
        bound = min((most for most in (count, self.order.oldest) if most is not None), default=None)
        if not self.task.stamps and self.order.judges:
            returns.note_before(self.broker, self.order.key, self.journal)
        for id, times in (self.order.planned or {}).items():
            for _ in range(times):
                self.journal.add(id, State.PLANNED, self.order.sizes.get(id, 0), "")
        self.journal.say("stamps", "1" if self.task.stamps else "")
        self.journal.say("bound", "" if bound is None else str(bound))
        self.journal.say("exact", "1" if look.exact else "")
        self.journal.name_doubles(self.order.doubles, renewals.LOOKED_AT)
        self.journal.say("began", str(time.time()))
        self.journal.commit()

    # --- stages --------------------------------------------------------------------------------------------------
    def _trial(self) -> None:
        self.voice.state = "trial"
        while self.journal.said("trial") == "":
            self._hold_back()
            found = self.journal.open_messages()
            begun = self.journal.counts.sent + sum(map(len, found.sending.values()))
            end = self._pass(limit=max(0, self.order.trial - begun))
            if end in (End.LIMIT, End.OVER):
                self._none_went()
                self.journal.say("trial", str(time.time() + self.order.limits.trial_wait))
                self.journal.commit()
            else:
                self._after(end)
        until = float(self.journal.said("trial"))
        said = f"The trial of {self.journal.counts.sent} was sent; waiting whether they come back."
        self.voice.wait(until, said, until)
        self._judge(trial=True)
        self.journal.say("trial", "done")
        self.journal.commit()
        self.pace = Pace(self.desk.rate, self.order.ramp)

    def _none_went(self) -> None:
        """A trial that fails as a whole is spared the rest."""
        if self.journal.counts.failed and not self.journal.counts.sent:
            raise Stopped("failed", f"Nothing of the trial could be sent: {self._why or 'the report says why.'}")

    def _rest(self) -> None:
        while True:
            self._hold_back()
            self.voice.state = "ramping" if self.pace.ramping else "running"
            end = self._pass()
            if end is End.OVER and self._resolved():
                break
            if end is not End.OVER:
                self._after(end)
        self.journal.say("sent_all", "1")
        self.journal.say("watch_until", str(time.time() + self.order.limits.watch))
        self.journal.commit()

    def _after(self, end: End) -> None:
        """What a pass that did not come to the end of the queue calls for."""
        if not self.desk.go_on():
            raise Halted
        if end is End.FULL:
            raise Stopped(
                "failed",
                "More letters were not chosen than may be held at once while the queue is read: move all of them to a "
                "staging queue, and choose there.",
            )
        if end is End.REFUSED:
            raise Stopped("failed", f"The destination takes nothing: {self._why or 'it refused every copy.'}")
        if end is End.SLOW:
            self.voice.wait(time.time() + min(self.pace.wait(), 5.0), self.voice.reason)
        if end is End.BROKEN:
            self._begin_anew()
        if self._check_due:
            self._judge()

    def _begin_anew(self) -> None:
        """Of some copies it is not known whether they arrived: they are sent again, unless that never goes well."""
        self._broken += 1
        if self._broken >= MOST_BROKEN:
            why = self._why or "The broker did not say."
            raise Stopped("failed", f"{self._broken} times in a row it could not be told whether copies arrived: {why}")
        self._let_go()
        self.broker = renewals.noted(self.connect(), self.journal)
        self.voice.wait(time.time() + PAUSES[self._broken - 1] / 2, self.voice.reason)

    def _resolved(self) -> bool:
        """After a whole pass: what was not met again is brought to an end, once nobody else can still hold it."""
        found = self.journal.open_messages()
        planned = sum(map(len, found.planned.values()))
        missing = self._missing or planned + (0 if self.task.keeps else found.unresolved)
        if missing and self._hides and (look := self.hidden.wait(self.broker, missing)) is not None:
            self.voice.wait(*look)
            return False
        known = planned + (0 if self.task.keeps else found.unresolved)
        missed = max(0, self._missing - known) if self.journal.said("exact") else 0  # nothing else is said of these
        self.journal.say("missed", str(missed))
        for numbers in found.planned.values():
            for n in numbers:
                self.journal.end(n, State.PLANNED, State.SKIPPED, "It is no longer in the queue.")
        if not self.task.keeps:
            for numbers in found.sent.values():
                self.journal.move(numbers, State.SENT, State.REMOVED)
            self._lost_sight(found.sending)
        self.journal.commit()
        return True

    def _lost_sight(self, sending: dict[str, list[int]]) -> None:
        for numbers in sending.values():
            if self._atomic:  # sent and removed in one step: it is not there, so the step was done
                self.journal.move(numbers, State.SENDING, State.REMOVED)
                continue
            for n in numbers:
                self.journal.end(
                    n, State.SENDING, State.FAILED,
                    "It was being sent when the connection or the worker ended, and is no longer in the queue: "
                    "somebody else took it, or it expired. A copy may have arrived or not.",
                )  # fmt: skip

    def _watch(self) -> None:
        self.voice.state = "watching"
        until = float(self.journal.said("watch_until", "0"))
        checked = 0.0
        while time.time() < until and self.journal.counts.sent and not self.desk.followed:
            self.voice.wait(min(until, time.time() + 5.0), "Everything was sent; watching for returns.", until)
            more = returns.arrived(self.broker, self.order.key, self.journal, self.task)
            if more is not None and more > self.journal.counts.came_back and clock.now() - checked > CHECK:
                checked = clock.now()
                returns.check(self.broker, self.order.key, self.journal, self.task)
        if time.time() < until and self.desk.followed:
            self.journal.say("followed", self.desk.followed)
        if self.journal.counts.sent:
            self._look_last()
        self.journal.commit()

    def _look_last(self) -> None:
        """At the end of a watch. Whoever has begun on the queue waits for it, so it is tried once."""
        others = self.journal.said("missed", "0") != "0"
        try:
            found = returns.check(self.broker, self.order.key, self.journal, self.task, thorough=others)
        except CollectorError as error:
            if not self.desk.followed:
                raise
            self.journal.say("unsure", str(error))
            return
        if not found.sure and found.arrived != 0:
            self.journal.say("unsure", found.sentence)

    def _summary(self) -> str:
        counts, unsure = self.journal.counts, self.journal.said("unsure")
        missed = int(self.journal.said("missed", "0"))
        said = [f"{missed:,} that lay there when it began were not met: somebody else took them, or they expired."] if (
            missed
        ) else []  # fmt: skip
        if counts.came_back:
            said.append(f"{counts.came_back} of {counts.sent} came back.")
        elif unsure:
            said.append(f"Whether any came back is not known: {unsure}")
        if followed := self.journal.said("followed"):
            said.append(f"Watched until {followed} began.")
        said += filter(None, [renewals.sentence(counts.doubled)])
        if counts.failed:
            said.append(f"{counts.failed:,} failed: the report says why of each.")
        if counts.skipped and not counts.sent:
            said.append(f"None was sent, {counts.skipped:,} left out: the report says why of each.")
        return " ".join(said)

    # --- passes --------------------------------------------------------------------------------------------------
    def _pass(self, limit: int | None = None) -> End:
        seconds = self.order.lease_seconds or (LONG_LEASE if self.order.holds else LEASE)
        self.journal.name_doubles()
        self.hidden.free(self.broker)
        lease: Lease = self.broker.lease(self.order.key, seconds)
        self._atomic, self._hides = lease.atomic, not (lease.random or lease.keeps)
        if lease.keeps and not self.task.keeps:
            if not self.order.judges:
                lease.close()
                raise Stopped("failed", KEEPS)
            self.task = replace(self.task, keeps=True)
        self.journal.say("atomic", "1" if lease.atomic and not self.task.keeps else "")
        self.journal.say("keeps", "1" if self.task.keeps else "")
        if self.wrap is not None:
            lease = self.wrap(lease, self.journal)
        self.hidden.begins(lease)
        try:
            one = Pass(lease, self.journal, self.task, self.pace, self._may, limit, self._working)
            one.refused, sent = self._refused, self.journal.counts.sent
            end = one.run()
            self._why, self._missing = one.why, one.missing
            self._broken *= self.journal.counts.sent == sent
            if one.met:
                self.hidden.met()
        finally:
            self.hidden.ends(lease, self.broker)
        self.journal.name_doubles()
        self.journal.commit()
        if end is End.TIME and self.order.holds and one.held and not one.sent:
            raise Stopped(
                "failed",
                "Reading the queue to its end takes longer than letters may be held: move all of them to a staging "
                "queue, and choose there.",
            )
        return end

    _atomic, _hides, _missing = False, True, 0
    _why = ""

    def _may(self) -> bool:
        """Whether a pass is to go on: orders, the destination, and whether it is time to look for returns."""
        if not self.desk.go_on():
            return False
        if clock.now() - self._crowded_at > 1.0:
            self._crowded_at, self._crowded = clock.now(), self.desk.crowded(False)
        return not self._crowded and not self._check_due

    @property
    def _check_due(self) -> bool:
        return self.order.judges and not (self.order.holds or self.task.keeps) and clock.now() - self._checked > CHECK

    def _working(self) -> None:
        """A word from inside a pass."""
        self.pace.rate = self.desk.rate
        if self.voice.state in ("ramping", "running"):
            self.voice.state = "ramping" if self.pace.ramping else "running"
        self.voice.tell(self.voice.state, "")

    def _hold_back(self) -> None:
        """While the destination is too full: yield, without a lease."""
        self._crowded_at, self._crowded = clock.now(), self.desk.crowded(False)
        while self._crowded:
            self.voice.tell("yielding", self._crowded, now=self.voice.reason != self._crowded)
            self.voice.sleep(1.0)
            self._crowded = self.desk.crowded(True)

    def _judge(self, trial: bool = False) -> None:
        """Look for returns, and stop when there are too many. No lease is held."""
        self._checked = clock.now()
        counts = self.journal.counts
        if not counts.sent:
            return
        found = returns.check(self.broker, self.order.key, self.journal, self.task, thorough=trial)
        back = counts.came_back
        if not found.sure and found.arrived:
            back = max(back, found.arrived)
        why = too_many_back(back, counts.sent, self.order.limits, trial)
        if why and back > counts.came_back:
            why = f"{back} letters arrived in the queue since the replay began, of which {found.sentence.lower()} {why}"
        if why:
            raise Stopped("stopped", why)

    def _wait_out(self, error: CollectorError) -> bool:
        """A broker that is away: say so, wait; whether to try again."""
        self.desk.trouble(str(error))
        with suppress(Halted):
            self.voice.tell(self.voice.state, self.voice.reason)
            self.voice.sleep(PAUSES[min(self._tries, len(PAUSES) - 1)])
            self._tries += 1
            return True
        return False

    def _let_go(self) -> None:
        if self.broker is not None:
            with suppress(CollectorError):
                self.broker.close()
            self.broker = None
