"""Pub/Sub: who listens. It keeps nothing, so there is no depth, no lag and nothing to replay.

The server lists only channels that have a subscriber; one that was seen at several polls stays known for a day after
its last subscriber went, because nobody listening where somebody should is what one wants to see.
"""

from __future__ import annotations

from collections.abc import Mapping

from ...protocol import Sample
from . import names
from .groups import raw, whole
from .names import Wanted
from .powers import Powers, understood
from .server import count
from .wire import AnyWire

#: Channels that are shown at most; and above this many the server is not asked to list them at all.
MOST_CHANNELS, MOST_LISTED = 1000, 20_000
#: Polls at which a channel must have been seen to stay known, and for how many seconds it does.
SETTLED_POLLS, REMEMBERED_SECONDS = 3, 86_400.0


class Channels:
    """Active channels and those that were active."""

    def __init__(self) -> None:
        self._seen: dict[bytes, tuple[int, float]] = {}  # polls, when last
        self.patterns: int | None = None  #: subscriptions to patterns, None = unknown
        self.unshown = 0  #: active channels beyond those that are shown

    def read(
        self, wire: AnyWire, powers: Powers, wanted: Wanted, server: Mapping[str, str], at: float
    ) -> list[tuple[bytes, Sample]]:
        """One sample per channel, its subscribers as consumers. `server` is its INFO, `at` monotonic seconds."""
        self.patterns, self.unshown = None, 0
        active = count(server, "pubsub_channels")
        if active > MOST_LISTED:
            self.unshown = active
            return []
        lists = [reply for reply in wire.all("PUBSUB", "CHANNELS") if powers.note("PUBSUB", reply)]
        if not lists:
            return []
        patterns = wire.all("PUBSUB", "NUMPAT")
        known = all(isinstance(number, int) for number in patterns)
        self.patterns = sum(patterns) if known else None
        with understood(wire.url, "PUBSUB"):
            active_ones = sorted({raw(channel) for channels in lists for channel in channels})
        for channel in active_ones:
            if len(self._seen) < MOST_CHANNELS or channel in self._seen:
                self._seen[channel] = (self._seen.get(channel, (0, at))[0] + 1, at)
            else:
                self.unshown += 1
        self._forget(at)
        return self._counted(wire, wanted)

    def _counted(self, wire: AnyWire, wanted: Wanted) -> list[tuple[bytes, Sample]]:
        shown = [channel for channel in self._seen if wanted(names.text(channel))]
        if not shown:
            return []
        replies = [reply for reply in wire.all("PUBSUB", "NUMSUB", *shown) if isinstance(reply, list)]
        if not replies:
            return []
        listening = dict.fromkeys(shown, 0)
        with understood(wire.url, "PUBSUB"):
            for reply in replies:  # a subscriber is known to the node that it is connected to
                for channel, number in zip(reply[::2], reply[1::2], strict=True):
                    listening[channel] += whole(number)
        return [
            (channel, Sample(names.channel_identity(channel), names.text(channel), "pub/sub channel", consumers=number))
            for channel, number in listening.items()
        ]

    def _forget(self, at: float) -> None:
        for channel, (polls, last) in list(self._seen.items()):
            if at != last and (polls < SETTLED_POLLS or at - last > REMEMBERED_SECONDS):
                del self._seen[channel]
