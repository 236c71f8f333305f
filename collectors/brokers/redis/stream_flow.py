"""From streams to samples: what arrived and what was completed between two polls, and how old the oldest entry is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from ...protocol import LagMethod, Quality, Sample
from . import names
from .entries import EntryId
from .groups import Group, Stream, group_name


@dataclass(slots=True)
class Flow:
    """From streams to samples, with what happened since the last poll."""

    increases: dict[tuple[str, str], float]
    seconds: float | None
    before: dict[bytes, tuple[int, EntryId | None]]
    depths: dict[str, tuple[float, float]]
    deliveries: dict[str, dict[bytes, int]]

    def of_stream(self, stream: Stream, dead_letters: bool) -> Sample:
        """A stream that no group reads: its length is a backlog only where it keeps dead letters."""
        sample = Sample(names.identity(stream.key), names.text(stream.key), "stream")
        if dead_letters:
            sample.depth = stream.length
        sample.in_rate, quality = self._arrivals(stream)
        sample.quality = qualities(in_rate=quality)
        return sample

    def of_group(self, stream: Stream, group: Group, now: float) -> Sample:
        sample = Sample(
            names.group_identity(stream.key, group.name),
            group_name(stream, group),
            "stream group",
            depth=group.depth,
            lag_messages=group.depth,
            in_flight=group.pending,
            consumers=group.consumers,
        )
        sample.in_rate, quality = self._arrivals(stream)
        completed = self._completions(sample, group)
        aged = self._age(sample, group, now)
        sample.quality = qualities(group.quality, quality, completed, aged)
        sample.redelivery_rate = self._redeliveries(sample.key, group)
        return sample

    def _redeliveries(self, key: str, group: Group) -> float | None:
        """Deliveries again per second among the oldest pending entries: the rest of them is not asked for."""
        before = self.deliveries.get(key)
        if not self.seconds or before is None:
            return None
        again = sum(max(0, count - before[id]) for id, count in group.deliveries.items() if id in before)
        return again / self.seconds

    def _arrivals(self, stream: Stream) -> tuple[float | None, Quality]:
        """Entries per second: counted by the server, or (6.2) by the growth of a stream that was not trimmed."""
        if not self.seconds:
            return None, Quality.UNKNOWN
        if stream.added is not None:
            increase = self.increases.get(("added", names.identity(stream.key)))
            return (None, Quality.UNKNOWN) if increase is None else (increase / self.seconds, Quality.EXACT)
        length, first = self.before.get(stream.key, (None, None))
        if length is None or stream.length < length or (length and first != stream.first):
            return None, Quality.UNKNOWN
        return (stream.length - length) / self.seconds, Quality.ESTIMATED

    def _completions(self, sample: Sample, group: Group) -> Quality:
        """Entries per second that were acknowledged: read and no longer pending, else what arrived and is not there."""
        if not self.seconds:
            return Quality.UNKNOWN
        increase = self.increases.get(("done", sample.key))
        if increase is not None:
            sample.out_rate = increase / self.seconds
            return Quality.EXACT
        before = self.depths.get(sample.key)
        if before is None or sample.depth is None or group.quality is not Quality.EXACT:
            return Quality.UNKNOWN
        change = (sample.depth + (sample.in_flight or 0) - sum(before)) / self.seconds
        if sample.in_rate is None:
            sample.net_rate = change
        elif sample.in_rate >= change:
            sample.out_rate = sample.in_rate - change
        return Quality.ESTIMATED

    @staticmethod
    def _age(sample: Sample, group: Group, now: float) -> Quality:
        """The older of the oldest waiting and the oldest pending entry, by their ids; 0 when there is neither."""
        if group.depth == 0 and group.pending == 0:
            sample.lag_seconds, sample.lag_method = 0.0, LagMethod.ENTRY_ID
            return Quality.EXACT
        needed = [group.oldest_waiting] if group.depth != 0 else []
        needed += [group.oldest_pending] if group.pending else []
        ages = [entry.age(now) if entry is not None else None for entry in needed]
        known = [age for age in ages if age is not None]
        if not known or len(known) != len(ages):
            return Quality.UNKNOWN
        sample.lag_seconds, sample.lag_method = max(known), LagMethod.ENTRY_ID
        return Quality.APPROXIMATE if group.by_delivered else Quality.EXACT


@cache
def qualities(
    depth: Quality = Quality.EXACT,
    in_rate: Quality = Quality.EXACT,
    out_rate: Quality = Quality.EXACT,
    lag_seconds: Quality = Quality.EXACT,
) -> Mapping[str, Quality]:
    """One mapping for each combination, which all its samples share; exact ones are left out."""
    named = {
        "depth": depth,
        "lag_messages": depth,
        "in_rate": in_rate,
        "out_rate": out_rate,
        "lag_seconds": lag_seconds,
        "redelivery_rate": Quality.ESTIMATED,
    }
    return {metric: quality for metric, quality in named.items() if quality is not Quality.EXACT}


def counted(streams: Sequence[Stream]) -> dict[tuple[str, str], float]:
    """What the server counts: entries added to each stream, entries done with by each group."""
    counts: dict[tuple[str, str], float] = {}
    for stream in streams:
        if stream.added is not None:
            counts["added", names.identity(stream.key)] = stream.added
        for group in stream.groups:
            if group.read is not None and group.lag is not None:
                counts["done", names.group_identity(stream.key, group.name)] = group.read - group.pending
    return counts
