"""Random schedules of crashes, cuts, pauses and take-overs on a memory broker: nothing is ever lost.

Each schedule is one number: it is the seed of everything that happens in it, and stands in the failure.
"""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import pytest

from collectors.errors import Unreachable
from dashboard.replay.report import Reading
from dashboard.replay.states import State

from ..replays import Crash, Desk, check_nothing_lost, failing, fill, in_queue, order, runner, shop

SCHEDULES = 300


def disturbed(chance: random.Random, world, desk: Desk):
    """What the world does at each step: mostly nothing, now and then a crash, a cut or an order to pause."""
    kind = chance.choice(("crash", "cut", "pause", "mixed"))
    odds = chance.choice((0.01, 0.03, 0.1))

    def interrupt(step: str, numbers) -> None:
        if step == "give back" or chance.random() > odds:
            return
        what = chance.choice(("crash", "cut", "pause")) if kind == "mixed" else kind
        if what == "pause":
            desk.going = False
        elif what == "cut":
            raise Unreachable(f"cut at {step}")
        else:
            world.interrupt = None  # the broker takes back what a dead connection held
            raise Crash(step)

    return interrupt


def one_life(path, what, chance: random.Random, disturb: bool) -> str:
    """A worker's life, until it is over, paused or killed; the state of the replay then."""
    world, desk = shop(), Desk()
    dies = disturb and chance.random() < 0.3
    one = runner(path, what, desk, journal=failing(path, chance) if dies else None)
    one._wait_out = lambda error: desk.going  # no pauses between tries
    if disturb:
        world.interrupt = disturbed(chance, world, desk)
    try:
        one.run()
    except Crash:
        pass
    finally:
        world.interrupt = None
        one.journal.close()
    return desk.state if desk.going else "paused"


@pytest.mark.parametrize("first", range(0, SCHEDULES, 50))
def test_after_any_schedule_every_message_is_where_the_journal_says(tmp_path, first, monkeypatch):
    monkeypatch.setattr("dashboard.replay.passes.BATCH", 7)
    monkeypatch.setattr("dashboard.replay.passes.MOST_UNDERWAY", 20)
    monkeypatch.setattr("dashboard.replay.passes.PATIENCE", 0.0)
    monkeypatch.setattr("dashboard.replay.hidden.HELD_ON", -1000.0)
    monkeypatch.setattr("dashboard.replay.hidden.LOOKED_AT", -1000.0)
    for seed in range(first, first + 50):
        one_schedule(tmp_path / str(seed), seed)


def one_schedule(path: Path, seed: int) -> tuple[int, int, int]:
    """Fill, replay through several lives, look at every message: lives, messages, and how many arrived twice."""
    chance = random.Random(seed)
    world = shop()
    for name in ("orders", "orders.dead"):
        world.delete(name)
    bodies = fill(world, chance.randint(1, 60), equal=chance.choice((1, 1, 3)), ids=chance.random() < 0.5)
    what = _order(chance)
    lives = chance.randint(1, 6)
    state, life = "", 0
    for life in range(lives + 1):
        state = one_life(path, what, chance, disturb=life < lives)
        if state in ("done", "failed", "stopped"):
            break
    assert state == "done", (seed, state)
    left, arrived = in_queue(world, "orders.dead"), in_queue(world, "orders")
    double = check_nothing_lost(path, bodies, left, arrived)
    if not what.holds and what.oldest is None:
        assert left == [], seed
    check_numbers(path, world, seed)
    return life + 1, len(bodies), sum(double.values())


def check_numbers(path: Path, world, seed: int) -> None:
    """Copies bear the number of their message in the journal: each that is gone arrived, once or as often as named."""
    with world.still() as queues:
        arrived = Counter(int(m.headers["replay-id"].partition(".")[2]) for m in queues["orders"].ready)
    with Reading(path) as journal:
        rows = {row.n: row for row in journal.messages(most=1000)}
    assert not {n for n, row in rows.items() if row.state is State.REMOVED} - arrived.keys(), seed
    for n, times in arrived.items():
        assert rows[n].state in (State.REMOVED, State.FAILED), (seed, rows[n])
        assert rows[n].state is State.REMOVED or rows[n].why, (seed, rows[n])
        assert times <= 1 + rows[n].again, (seed, times, rows[n])


def _order(chance: random.Random):
    kind = chance.randrange(4)
    if kind == 0:
        return order(holds=True, wants=lambda one: one.letter().body[-1] % 2 == 0)
    if kind == 1:
        return order(oldest=chance.randint(1, 30), trial=chance.randint(0, 5))
    return order(trial=chance.choice((0, 0, 4)))
