"""Streams: every consumer group is a queue, and a stream that nobody reads is one row of its own.

A stream's length is no backlog. A group's depth is the `lag` that the server tells (from 7.0); where it is null (an
entry ahead of the group was deleted) or absent (6.2) it is found from ids: nothing follows, everything does, or a
bounded count and how densely the stream is filled. It is never taken for 0.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ...protocol import Quality, Sample
from ...rates import Counters
from . import names
from .entries import EntryId
from .failures import Silent, has_gone, not_allowed_key, refused
from .groups import POISON, Group, Stream, depth_at_once, group_name, group_of, pairs, raw, stream_of, take_count, whole
from .inventory import Inventory
from .names import Wanted
from .powers import Powers, understood
from .stream_flow import Flow, counted
from .wire import AnyWire, pack

#: Entries of one group that are fetched to count a backlog which the server does not tell: at most, at least, and
#: the bytes of all groups in one poll, which are shared out.
COUNTED, LEAST_COUNTED, COUNTED_BYTES = 1000, 10, 4_000_000
#: Above this many bytes of first and last entry a stream's entries are not fetched to see how old they are.
LARGE = 65536
#: The oldest pending entries of a group whose deliveries are counted: a poison loop is among them.
OLDEST_PENDING = 10
#: Pending entries that are gone through for those that were delivered too often, where the oldest have such ones.
SEARCHED_PENDING = 1000
#: Groups whose consumers are asked for at one telling of facts, consumers of one group, and how many are named.
MOST_GROUPS, MOST_CONSUMERS, NAMED = 500, 200, 5


class Streams:
    """Measures streams, and remembers their counters."""

    def __init__(self) -> None:
        self._counters: Counters[tuple[str, str]] = Counters()
        self._before: dict[bytes, tuple[int, EntryId | None]] = {}
        self._commands: dict[bytes, tuple[bytes, bytes]] = {}
        self._depths: dict[str, tuple[float, float]] = {}
        self._deliveries: dict[str, dict[bytes, int]] = {}
        self._poisoned: set[str] = set()
        #: What groups fail at again and again, by the key of the group: a queue of dead letters for each, once seen.
        self.poison: list[tuple[str, Sample]] = []

    def read(
        self,
        wire: AnyWire,
        powers: Powers,
        inventory: Inventory,
        wanted: Wanted,
        is_dead_letters: Callable[[bytes], bool],
        at: float,
        now: float,
    ) -> list[tuple[Stream, Group | None, Sample]]:
        """One sample per group, or per stream without any. `at` is monotonic, `now` the server's time."""
        keys = [key for key in inventory.streams if not wanted.excluded(names.text(key))]
        streams = self._streams(wire, powers, inventory, keys)
        unread = {stream.key for stream in streams if not stream.groups and wanted(names.text(stream.key))}
        for stream in streams:
            name = names.text(stream.key)
            stream.groups = [g for g in stream.groups if wanted(name, group_name(stream, g))]
        self._find_backlogs(wire, powers, streams)
        self._find_oldest(wire, powers, streams)
        self._find_poison(wire, powers, streams)
        increases = self._counters.update(at, counted(streams))
        flow = Flow(increases, self._counters.seconds, self._before, self._depths, self._deliveries)
        samples: list[tuple[Stream, Group | None, Sample]] = []
        for stream in streams:
            for group in stream.groups:
                samples.append((stream, group, flow.of_group(stream, group, now)))
            if stream.key in unread:
                samples.append((stream, None, flow.of_stream(stream, is_dead_letters(stream.key))))
        self._tell_poison(samples)
        self._deliveries = {s.key: group.deliveries for _, group, s in samples if group is not None}
        self._before = {s.key: (s.length, s.first) for s in streams}
        self._depths = {
            s.key: (s.depth, s.in_flight) for _, _, s in samples if s.depth is not None and s.in_flight is not None
        }
        return samples

    def _streams(self, wire: AnyWire, powers: Powers, inventory: Inventory, keys: Sequence[bytes]) -> list[Stream]:
        commands = {
            k: self._commands.get(k) or (pack(b"XINFO", b"STREAM", k), pack(b"XINFO", b"GROUPS", k)) for k in keys
        }
        self._commands = commands
        replies = wire.ask([command for pair in commands.values() for command in pair])
        streams = []
        for i, key in enumerate(keys):
            about, groups = replies[2 * i], replies[2 * i + 1]
            if not powers.note("XINFO GROUPS", groups, key):
                if has_gone(groups):  # it was deleted, or holds another type by now
                    inventory.drop(key)
                elif not isinstance(groups, Silent) and not not_allowed_key(groups):
                    raise refused(groups, wire.url, "XINFO GROUPS", "+xinfo")
                continue
            if powers.note("XINFO STREAM", about, key):
                with understood(wire.url, "XINFO STREAM"):
                    stream = stream_of(key, pairs(about))
                with understood(wire.url, "XINFO GROUPS"):
                    stream.groups = [group_of(pairs(group)) for group in groups]
                streams.append(stream)
        return streams

    def _find_backlogs(self, wire: AnyWire, powers: Powers, streams: Sequence[Stream]) -> None:
        """The depth of every group: by the server, by the ids alone, or by a bounded count."""
        open_ones: list[tuple[Stream, Group]] = []
        for stream in streams:
            for group in stream.groups:
                group.depth, group.quality = depth_at_once(stream, group)
                if group.depth is None and "XRANGE" in powers:
                    open_ones.append((stream, group))
        share = COUNTED_BYTES // max(1, len(open_ones))
        counts = [max(LEAST_COUNTED, min(COUNTED, share // stream.size)) for stream, _ in open_ones]
        asked = list(zip(open_ones, counts, strict=True))
        replies = wire.ask([_following(stream, group, count) for (stream, group), count in asked])
        for ((stream, group), count), reply in zip(asked, replies, strict=True):
            if powers.note("XRANGE", reply, stream.key):
                with understood(wire.url, "XRANGE"):
                    take_count(stream, group, count, reply)

    def _find_oldest(self, wire: AnyWire, powers: Powers, streams: Sequence[Stream]) -> None:
        """The ids of the oldest entry that waits and of the oldest that is pending, for every group that has one."""
        waiting: list[tuple[Stream, Group]] = []
        pending: list[tuple[Stream, Group]] = []
        for stream in streams:
            for group in stream.groups:
                if group.pending:
                    pending.append((stream, group))
                if group.depth == 0 or group.oldest_waiting is not None or stream.first is None:
                    continue
                if group.delivered < stream.first:
                    group.oldest_waiting = stream.first
                elif stream.size > LARGE:
                    group.oldest_waiting, group.by_delivered = group.delivered, True
                elif "XRANGE" in powers:
                    waiting.append((stream, group))
        replies = wire.ask(
            [_following(stream, group, 1) for stream, group in waiting]
            + [pack(b"XPENDING", stream.key, group.name, b"-", b"+", OLDEST_PENDING) for stream, group in pending]
        )
        for (stream, group), reply in zip(waiting, replies, strict=False):
            if powers.note("XRANGE", reply, stream.key) and reply:
                with understood(wire.url, "XRANGE"):
                    group.oldest_waiting = EntryId.of(reply[0][0])
        for (stream, group), reply in zip(pending, replies[len(waiting) :], strict=True):
            if powers.note("XPENDING", reply, stream.key) and reply:
                with understood(wire.url, "XPENDING"):
                    group.oldest_pending = EntryId.of(reply[0][0])
                    group.deliveries = {raw(entry[0]): whole(entry[3]) for entry in reply}

    def _find_poison(self, wire: AnyWire, powers: Powers, streams: Sequence[Stream]) -> None:
        """Where one of the oldest pending entries was delivered too often, how many there are."""
        asked = [
            (stream, group)
            for stream in streams
            for group in stream.groups
            if max(group.deliveries.values(), default=0) >= POISON
        ]
        replies = wire.ask([
            pack(b"XPENDING", stream.key, group.name, b"-", b"+", SEARCHED_PENDING) for stream, group in asked
        ])  # fmt: skip
        for (stream, group), reply in zip(asked, replies, strict=True):
            if powers.note("XPENDING", reply, stream.key):
                with understood(wire.url, "XPENDING"):
                    group.poison = sum(whole(entry[3]) >= POISON for entry in reply)
                if group.pending > SEARCHED_PENDING:
                    group.poison_quality = Quality.APPROXIMATE

    def _tell_poison(self, samples: Sequence[tuple[Stream, Group | None, Sample]]) -> None:
        """One sample for each group that has such entries, or had some before."""
        self.poison = []
        for _, group, of in samples:
            if group is None or not (group.poison or of.key in self._poisoned):
                continue
            self._poisoned.add(of.key)
            sample = Sample(names.poison_identity(of.key), f"{of.name} · dead", "pending entries", depth=group.poison)
            if group.poison_quality is not Quality.EXACT:
                sample.quality = {"depth": group.poison_quality}
            self.poison.append((of.key, sample))


def consumers_in_words(
    wire: AnyWire, powers: Powers, rows: Sequence[tuple[Stream, Group | None, Sample]]
) -> dict[str, str]:
    """By sample key, what the consumers of a group do: pending entries, and for how long they asked for nothing."""
    groups = [(stream, group, s.key) for stream, group, s in rows if group and 0 < group.consumers <= MOST_CONSUMERS]
    groups = groups[:MOST_GROUPS]
    replies = wire.ask([pack(b"XINFO", b"CONSUMERS", stream.key, group.name) for stream, group, _ in groups])
    told = {}
    for (stream, _, key), reply in zip(groups, replies, strict=True):
        if powers.note("XINFO CONSUMERS", reply, stream.key):
            with understood(wire.url, "XINFO CONSUMERS"):
                consumers = sorted(map(pairs, reply), key=lambda c: (-whole(c[b"pending"]), -whole(c[b"idle"])))
                words = [
                    f"{names.text(raw(c[b'name']))}: {c[b'pending']:,} pending, idle {c[b'idle'] / 1000:,.0f} s"
                    for c in consumers
                ]
            told[key] = "; ".join(words[:NAMED]) + (f"; {len(words) - NAMED} more" if len(words) > NAMED else "")
    return told


def _following(stream: Stream, group: Group, count: int) -> bytes:
    after = f"({group.delivered.milliseconds}-{group.delivered.sequence}"
    return pack(b"XRANGE", stream.key, after, b"+", b"COUNT", count)
