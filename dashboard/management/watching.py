"""What a command says of a replay while it goes on: a bar on a terminal, a line for each change, or lines of JSON."""

from __future__ import annotations

import os
import time
from typing import Any, Protocol

import orjson
from django.core.management.base import OutputWrapper

from collectors.decoding import visible
from dashboard.models import Replay
from dashboard.replay import showing
from dashboard.snapshot import iso
from dashboard.terminal import duration

BAR = 30  # characters
AGAIN = 5.0  # seconds after which a program is told the same once more: it shall know that the replay lives
#: What a program is told of a replay that goes on, by the names of the API.
_TOLD = (
    "id", "deed", "state", "reason", "trouble", "waits_until", "total", "sent", "removed", "came_back", "failed",
    "skipped", "possibly_duplicated", "rate", "per_second", "seconds_left",
)  # fmt: skip


class News(Protocol):
    """Is told of a replay again and again, and says what is new."""

    def tell(self, replay: Replay) -> None: ...

    def end(self) -> None: ...


def news(out: OutputWrapper, errors: OutputWrapper, as_json: bool) -> News:
    """For who reads `out`. What a program reads there is one object, at the end: lines for it go to `errors`."""
    if as_json:
        return JsonLines(errors)
    return Bar(out) if out.isatty() else Lines(out)


class Bar:
    """One line, written anew."""

    def __init__(self, out: OutputWrapper) -> None:
        self._out = out

    def tell(self, replay: Replay) -> None:
        self._out.write("\r\x1b[K" + line(replay, os.get_terminal_size().columns), ending="")
        self._out.flush()

    def end(self) -> None:
        self._out.write("")


class Lines:
    """A line for each change of state or reason, for a log."""

    def __init__(self, out: OutputWrapper) -> None:
        self._out, self._said = out, ("", "")

    def tell(self, replay: Replay) -> None:
        now = (replay.state, why(replay))
        if now != self._said and not replay.over:
            self._said = now
            self._out.write(f"{so_far(replay)} {visible(now[1])}".rstrip())
            self._out.flush()

    def end(self) -> None: ...


class JsonLines:
    """An object in a line for each change of state, and every few seconds."""

    def __init__(self, out: OutputWrapper) -> None:
        self._out, self._said, self._at = out, ("", "", ""), float("-inf")

    def tell(self, replay: Replay) -> None:
        now = (replay.state, replay.reason, replay.trouble)
        if now != self._said or time.monotonic() - self._at > AGAIN:
            self._said, self._at = now, time.monotonic()
            shown: dict[str, Any] = showing.replay(replay)
            told = {"at": iso(time.time())} | {name: shown[name] for name in _TOLD}
            self._out.write(
                orjson.dumps(told).decode(), lambda text: text
            )  # errors of a terminal are red: this is none
            self._out.flush()

    def end(self) -> None: ...


def so_far(replay: Replay) -> str:
    """How far it is, or how it ended."""
    said = f"{replay.deed.capitalize()} {replay.pk} is {replay.state}: "
    if replay.deed == Replay.Deed.RESTORE:
        of = f" of {replay.total:,}" if replay.total else ""
        twice = f", {replay.possibly_duplicated:,} possibly twice" if replay.possibly_duplicated else ""
        return f"{said}{replay.sent:,}{of} back in {visible(replay.queue_name)}, {replay.failed:,} failed{twice}."
    if replay.how == Replay.How.BROKER:
        return f"{said}about {replay.sent:,} moved by the broker itself."
    return said + (
        f"{replay.sent:,} sent, {replay.removed:,} removed, {replay.came_back:,} came back, "
        f"{replay.failed:,} failed, {replay.skipped:,} left out, {replay.possibly_duplicated:,} possibly twice."
    )


def why(replay: Replay) -> str:
    """What is in its way, or what it waits for and until when; "" = nothing is to be said."""
    if replay.trouble or not (replay.reason and replay.waits_until and replay.active):
        return replay.trouble or replay.reason
    return f"{replay.reason} Until {replay.waits_until:%H:%M:%S} UTC at the latest."


def line(replay: Replay, width: int) -> str:
    """The progress bar."""
    settled = replay.sent + replay.failed + replay.skipped
    part = min(1.0, settled / replay.total) if replay.total else 0.0
    bar = "█" * round(part * BAR) + "░" * (BAR - round(part * BAR))
    pace, left = showing.per_second(replay), showing.seconds_left(replay)
    words = [f"{replay.state:9}", bar, f"{replay.sent:,}" + (f" of {replay.total:,}" if replay.total else "")]
    words += [f"{pace:,.0f}/s"] if pace else []
    words += [f"{duration(left)} left"] if left else []
    words += [f"{replay.came_back:,} came back"] if replay.came_back else []
    words += [visible(said)] if (said := why(replay)) else []
    return "  ".join(words)[: width - 1]
